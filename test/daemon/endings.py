# SPDX-License-Identifier: GPL-2.0-only
"""How the daemon ends, and what is left of its work then: nothing."""

import json
import os
import signal
import subprocess

from lab import PREFIX, RUN, Daemon, expect, wait_until


def start(lab):
    lab.need_daemon()
    for guest in (lab.one, lab.two):
        lab.wait_state(guest.name, "running")


def stop_some(lab):
    """Processes of several kinds, stopped in both VMs: [(guest, pids)]."""
    start(lab)
    some = []
    for guest in (lab.one, lab.two):
        pids = [guest.load("spin", "held"), guest.load("sleep", "held"), guest.load("mt", "held", "2")]
        lab.wait_seen(guest, *pids)
        lab.done("suspend", guest.name, "held", "--all")
        guest.expect_stopped(*pids)
        some.append((guest, pids))
    return some


def kill_all(some):
    for guest, pids in some:
        guest.kill(*pids)


def expect_untouched(lab):
    """As libvirt sees it: running, and nobody on the gdb server."""
    for guest in (lab.one, lab.two):
        state = lab.virsh("domstate", guest.name)
        expect(state == "running", "libvirt: %s is %s", guest.name, state)
        chardevs = [chardev["label"] for chardev in lab.qmp(guest.name, "query-chardev")]
        expect("monarch-gdb" not in chardevs, "%s: the gdb server is open: %s", guest.name,
               chardevs)


def case_SIGTERM_resumes_everything(lab):
    some = stop_some(lab)
    code, seconds = lab.daemon.end()
    expect(code == 0, "exit code %d: %s", code, lab.daemon.last_line())
    expect("STOPPING=1" in lab.daemon.notices, "systemd was not told STOPPING=1")
    for guest, pids in some:
        guest.expect_runs(*pids)
    expect_untouched(lab)
    expect(seconds < 5, "it took %.1f s", seconds)
    kill_all(some)


def case_SIGTERM_with_nothing_stopped_does_not_wait_for_its_limit(lab):
    start(lab)
    code, seconds = lab.daemon.end()
    expect(code == 0, "exit code %d", code)
    expect_untouched(lab)
    expect(seconds < 8, "it took %.2f s of the 10 s that it has", seconds)


def case_killed_daemon_next_start_frees_all(lab):
    some = stop_some(lab)
    lab.daemon.end(signal.SIGKILL)
    for guest, pids in some:
        guest.expect_stopped(*pids)
    start(lab)
    for guest, pids in some:
        guest.expect_runs(*pids)
    wait_until("nothing is shown as stopped",
               lambda: not any(lab.vm(guest.name)["stopped"] for guest in (lab.one, lab.two)))
    expect(lab.json("stats")["orphans.found"] >= sum(len(pids) for _, pids in some), "stats: %s", lab.json("stats"))
    kill_all(some)


def case_recover_finds_none_where_none_is_left(lab):
    some = stop_some(lab)
    answer = lab.json("recover")
    expect(answer == {"orphans": 0, "skipped": {}}, "what we hold ourselves was taken for orphans: %s", answer)
    for guest, pids in some:
        guest.expect_stopped(*pids)
    expect(lab.json("recover", lab.one.name)["orphans"] == 0, "of one VM")
    for guest in (lab.one, lab.two):
        lab.done("resume", guest.name, "held", "--all")
    kill_all(some)


def case_stopped_by_a_second_instance_recover_frees(lab):
    """
    Orphans that come up while a daemon runs. It stands still while another one, which looks for
    the VM's lock elsewhere, makes them, and is asked for them as soon as it goes on: later it
    finds them by itself.
    """
    start(lab)
    guest = lab.plain_vm(PREFIX + "orphan", "--pvh")
    guest.wait_booted()
    lab.wait_state(guest.name, "running")
    pid = guest.load("spin", "orphan")
    lab.wait_seen(guest, pid)
    lab.daemon.process.send_signal(signal.SIGSTOP)
    try:
        other = Daemon(lab, "--no-libvirt", "--no-system-bus", "--only", guest.name,
                       run_dir=RUN + "/other", env={"MONARCH_RUNTIME_DIR": RUN + "/other"})
        its = {"MONARCH_BUS": RUN + "/other/bus"}
        wait_until("the second daemon has stopped it",
                   lambda: lab.ctl("suspend", guest.name, pid, env=its).returncode == 0)
        other.end(signal.SIGKILL)
        guest.expect_stopped(pid)
        recover = subprocess.Popen([lab.program("monarchctl"), "--json", "recover", guest.name],
                                   env=dict(os.environ, MONARCH_BUS=RUN + "/bus"),
                                   stdout=subprocess.PIPE, text=True)
        lab.processes.append(recover)
    finally:
        lab.daemon.process.send_signal(signal.SIGCONT)
    answer = recover.communicate(timeout=30)[0]
    expect(recover.returncode == 0, "recover: exit code %d: %s", recover.returncode, answer)
    found = json.loads(answer)["orphans"]
    # it may have answered before it looked at the guest again
    found = found or lab.json("recover", guest.name)["orphans"]
    expect(found > 0, "recover found none: %s", answer)
    guest.expect_runs(pid)
    lab.script("vm", "stop", guest.name)
