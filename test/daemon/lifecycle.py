# SPDX-License-Identifier: GPL-2.0-only
"""VMs and libvirtd that end, reboot or are paused while processes are stopped."""

import os
import signal

from lab import RUN, expect, read, wait_until
from endings import start


def stopped_spinner(lab, guest, name):
    pid = guest.load("spin", name)
    lab.wait_seen(guest, pid)
    lab.done("suspend", guest.name, pid)
    guest.expect_stopped(pid)
    return pid


def case_VM_paused_by_virsh_is_left_alone(lab):
    start(lab)
    pid = lab.one.load("spin", "prey")
    lab.wait_seen(lab.one, pid)
    lab.virsh("suspend", lab.one.name)
    lab.refused(1, "suspend", lab.one.name, "prey", names=[pid, lab.one.name, "prey"])
    expect(lab.process(lab.one.name, pid)["stop"] == "runs", "it was marked all the same")
    expect(lab.virsh("domstate", lab.one.name) == "paused", "libvirt: no longer paused")
    lab.virsh("resume", lab.one.name)
    lab.one.expect_runs(pid)
    lab.done("suspend", lab.one.name, "prey")
    lab.virsh("suspend", lab.one.name)
    lab.refused(1, "resume", lab.one.name, "prey", names=[pid, lab.one.name, "prey"])
    expect(lab.virsh("domstate", lab.one.name) == "paused", "libvirt: no longer paused")
    row = [line for line in lab.done("vms").split("\n") if lab.one.name in line]
    expect("out of reach" in row[0] and "paused" in row[0], "vms does not show it: %s", row)
    lab.virsh("resume", lab.one.name)
    # the wish to resume stands
    lab.one.expect_runs(pid)
    wait_until("vms has nothing more to say",
               lambda: not lab.vm(lab.one.name)["hold_error"])
    lab.one.kill(pid)


def case_SIGTERM_while_a_VM_is_paused_says_what_is_left(lab):
    start(lab)
    pid = stopped_spinner(lab, lab.one, "left")
    lab.virsh("suspend", lab.one.name)
    code, _ = lab.daemon.end()
    expect(code == 3, "exit code %d", code)
    expect("process %d (left) could not be resumed" % pid in lab.daemon.text(), "log: %s",
           lab.daemon.last_line())
    expect(lab.virsh("domstate", lab.one.name) == "paused", "libvirt: no longer paused")
    lab.virsh("resume", lab.one.name)
    start(lab)
    lab.one.expect_runs(pid)
    lab.one.kill(pid)


def libvirtd_pid():
    return int(read(RUN + "/libvirt/pid"))


def case_libvirtd_killed_and_started_again(lab):
    start(lab)
    pid = stopped_spinner(lab, lab.one, "survivor")
    os.kill(libvirtd_pid(), signal.SIGKILL)
    wait_until("libvirtd is gone", lambda: lab.virsh("version", check=False).returncode != 0)
    expect(lab.process(lab.one.name, pid)["stop"] == "parked", "forgotten with libvirtd")
    lab.done("resume", lab.one.name, pid)
    lab.one.expect_runs(pid)
    lab.start_libvirt()
    wait_until("monarchd is connected again",
               lambda: lab.daemon.text().count("libvirt: connected") >= 2)
    lab.done("suspend", lab.one.name, pid)
    lab.one.expect_stopped(pid)
    lab.done("resume", lab.one.name, pid)
    lab.one.kill(pid)


def case_libvirtd_starts_after_the_daemon(lab):
    """VMs seen without libvirt become libvirt's own when it lists them."""
    if lab.daemon:
        lab.daemon.end()
    os.kill(libvirtd_pid(), signal.SIGKILL)
    wait_until("libvirtd is gone", lambda: lab.virsh("version", check=False).returncode != 0)
    lab.start_daemon()
    lab.wait_state(lab.one.name, "running")
    expect(not lab.vm(lab.one.name)["libvirt"], "seen as libvirt's: %s", lab.vm(lab.one.name))
    pid = lab.one.load("spin", "early")
    lab.wait_seen(lab.one, pid)
    lab.refused(1, "suspend", lab.one.name, pid, names=[lab.one.name, "--libvirt-uri"])
    lab.one.kill(pid)
    said = [line for line in lab.daemon.text().split("\n") if "libvirt cannot be reached" in line]
    expect(len(said) == 1 and lab.uri in said[0], "it is tried each 2 s, and said: %s", said)
    lab.start_libvirt()
    for guest in (lab.one, lab.two):
        wait_until("it is seen as libvirt's", lambda: (lab.vm(guest.name) or {}).get("libvirt"))
        lab.wait_state(guest.name, "running")
        pid = stopped_spinner(lab, guest, "late")
        lab.done("resume", guest.name, pid)
        guest.expect_runs(pid)
        guest.kill(pid)


def case_VM_reset_while_a_process_is_stopped(lab):
    start(lab)
    stopped_spinner(lab, lab.two, "beforereset")
    lab.virsh("reset", lab.two.name)
    wait_until("it boots again", lambda: read(lab.two.console).count("MONARCH-READY") == 2, 120)
    wait_until("its new kernel is seen",
               lambda: lab.state(lab.two.name) == "running" and
               not any(process["name"] == "beforereset"
                       for process in lab.processes_of(lab.two.name).values()), 60)
    pid = stopped_spinner(lab, lab.two, "afterreset")
    lab.done("resume", lab.two.name, pid)
    lab.two.expect_runs(pid)
    lab.two.kill(pid)


def case_VM_destroyed_while_a_process_is_stopped(lab):
    start(lab)
    pid = stopped_spinner(lab, lab.two, "doomed")
    lab.virsh("destroy", lab.two.name)
    wait_until("monarchd drops it", lambda: lab.vm(lab.two.name) is None)
    lab.refused(4, "resume", lab.two.name, pid, names=[lab.two.name, lab.one.name])
    pid = stopped_spinner(lab, lab.one, "other")
    lab.done("resume", lab.one.name, pid)
    lab.one.kill(pid)
    code, _ = lab.daemon.end()
    expect(code == 0, "exit code %d: %s", code, lab.daemon.last_line())


def case_guests_kernels_have_nothing_to_complain_of(lab):
    bad = ("WARNING:", "BUG:", "Oops", "Call Trace", "soft lockup", "blocked for more than",
           "general protection", "Kernel panic", "stall")
    for guest in (lab.one, lab.two):
        lines = [line for line in read(guest.console).split("\n")
                 if any(word in line for word in bad)]
        expect(not lines, "%s: %s", guest.name, "\n".join(lines[:10]))
