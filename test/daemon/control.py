# SPDX-License-Identifier: GPL-2.0-only
"""Seeing processes; stopping and resuming them by hand."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import time

from lab import RUN, expect, expect_one_line, wait_until


def case_vms_by_name_and_uuid(lab):
    for guest in (lab.one, lab.two):
        vm = lab.vm(guest.name)
        expect(vm["libvirt"] and vm["release"].startswith("6.1"), "not as libvirt has it: %s", vm)
        uuid = lab.virsh("domuuid", guest.name)
        expect(vm["uuid"] == uuid, "uuid %s, libvirt says %s", vm["uuid"], uuid)
        expect(abs(vm["ram_bytes"] - (256 << 20)) < 4 << 20, "RAM: %s", vm)
        expect(not vm["hint"], "a VM with shared memory needs no hint: %s", vm["hint"])
        expect(vm["backend"] == "qemu" and vm["no_kernel_why"], "not the qemu backend, or why? %s", vm)
        for name in (uuid, vm["pid"]):
            found = lab.json("ps", name)[0]["processes"]
            expect(any(process["pid"] == 1 for process in found), "no pid 1 in VM %s", name)
    table = lab.done("vms").split("\n")
    expect(table[0].split()[:4] == ["NAME", "STATE", "BY", "KERNEL"], "heading: %s", table[0])
    expect(sum("running" in row for row in table) == 2, "expected two rows: %s", table)


def name_of(text):
    """Without what the guest's /proc appends to kernel workers' names."""
    return "kworker" if text.startswith("kworker/") else text[:15]


def guest_ps(guest):
    """The guest's own list, without ps and the shell that runs it."""
    rows = [row.split(None, 4) for row in
            guest.sh("ps -eo pid=,ppid=,uid=,nlwp=,comm= & echo self $!; wait").split("\n")]
    mine = {int(row[1]) for row in rows if row[0] == "self"}
    shells = {int(row[1]) for row in rows if row[0].isdigit() and int(row[0]) in mine}
    return {(int(row[0]), int(row[1]), int(row[2]), int(row[3]), name_of(row[4]))
            for row in rows if row[0].isdigit() and int(row[0]) not in mine | shells}


def our_ps(lab, guest):
    return {(pid, process["parent"], process["uid"], process["threads"], name_of(process["name"]))
            for pid, process in lab.processes_of(guest.name).items()}


def case_ps_is_what_the_guests_own_ps_says(lab):
    for guest in (lab.one, lab.two):
        pids = [guest.load("mt", "threads"), guest.load("sleep", "'a b(c) d'"),
                guest.load("longsleep", "other", "-u 1000:1001")]
        lab.wait_seen(guest, *pids)
        for _ in range(10):
            theirs = guest_ps(guest)
            # the guest's shell ends the programs that sent us its answer
            time.sleep(0.3)
            ours = our_ps(lab, guest)
            if theirs == ours:
                break
        expect(theirs == ours, "%s has %s, we have %s", guest.name, theirs - ours, ours - theirs)
        guest.kill(*pids)


def case_ps_and_top_for_people(lab):
    pid = lab.one.load("spin", "spinner")
    lab.wait_seen(lab.one, pid)
    wait_until("top shows the spinner first",
               lambda: lab.done("top", "--count", "1").split("\n")[2].endswith(" spinner"))
    ps = lab.done("ps").split("\n")
    expect(ps[0].split()[:2] == ["VM", "PID"], "heading: %s", ps[0])
    rows = [row.split() for row in ps if row.endswith(" spinner")]
    expect(len(rows) == 1 and rows[0][:2] == [lab.one.name, str(pid)], "row of %d: %s", pid, rows)
    expect(not any("[kthreadd]" in row for row in ps), "kernel threads without being asked")
    expect("[kthreadd]" in lab.done("--kernel", "ps", lab.two.name), "--kernel: no kthreadd")
    one_line = [json.loads(line) for line in
                lab.done("--json", "top", "--count", "2", "--interval", "0.2").strip().split("\n")]
    expect(len(one_line) == 2 and {vm["name"] for vm in one_line[0]["vms"]} ==
           {lab.one.name, lab.two.name}, "top --json: %s", one_line[0]["vms"])
    for name in ("stats", "version", "policy"):
        expect(lab.json(name) is not None, "%s --json: nothing", name)
    lab.one.kill(pid)


def on_a_terminal(lab, rows, columns, *arguments):
    """What a monarchctl writes to a terminal of that size."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with subprocess.Popen([lab.program("monarchctl"), *arguments], stdin=its, stdout=its,
                          env=dict(os.environ, MONARCH_BUS=RUN + "/bus")) as process:
        os.close(its)
        text = b""
        try:
            while part := os.read(ours, 65536):
                text += part
        except OSError:
            pass
        expect(process.wait() == 0, "exit code %d", process.returncode)
    os.close(ours)
    return text.decode(errors="replace").replace("\r\n", "\n")


def case_top_on_a_terminal_fits_it(lab):
    screens = on_a_terminal(lab, 10, 60, "top", "--count", "2", "--interval", "0.1")
    screens = screens.split("\033[H\033[J")[1:]
    expect(len(screens) == 2, "%d screens", len(screens))
    for screen in screens:
        lines = screen.rstrip("\n").split("\n")
        expect(3 <= len(lines) <= 9, "%d lines in 10 rows", len(lines))
        expect(max(map(len, lines)) <= 60, "a line is too long: %s", lines)
        expect("2 VMs" in lines[0], "heading: %s", lines[0])


def case_suspend_and_resume_by_pid_twice_each(lab):
    pid = lab.one.load("spin", "bypid")
    lab.wait_seen(lab.one, pid)
    for _ in range(2):
        expect("stopped" in lab.done("suspend", lab.one.name, pid), "suspend does not say stopped")
        lab.one.expect_stopped(pid)
    row = lab.process(lab.one.name, pid)
    expect(row["stop"] == "parked" and row["more"]["held_by"] == "manual", "shown as %s", row)
    expect(lab.vm(lab.one.name)["stopped"] == 1, "vms: not 1 stopped")
    for _ in range(2):
        expect("runs" in lab.done("resume", lab.one.name, pid), "resume does not say runs")
        lab.one.expect_runs(pid)
    expect(lab.process(lab.one.name, pid)["stop"] == "runs", "still shown as stopped")
    lab.one.kill(pid)


def case_suspend_by_name_ambiguous_then_all(lab):
    pids = [lab.two.load("spin", "twin"), lab.two.load("duty", "twin"),
            lab.two.load("longsleep", "twin")]
    lab.wait_seen(lab.two, *pids)
    lab.refused(4, "suspend", lab.two.name, "twin", names=["twin", "3 processes", "--all", *pids])
    lab.two.expect_runs(*pids[:2])
    states = [process["outcome"] for process in lab.json("--all", "suspend", lab.two.name, "twin")]
    expect(len(states) == 3 and set(states) <= {"parked", "asleep"}, "outcomes: %s", states)
    lab.two.expect_stopped(*pids)
    lab.refused(4, "resume", lab.two.name, "twin", names=["twin", "--all", *pids])
    lab.done("resume", lab.two.name, "twin", "--all")
    lab.two.expect_runs(*pids[:2])
    lab.refused(4, "resume", lab.two.name, "twin", names=["no stopped process", "twin"])
    lab.two.kill(*pids)


def case_suspend_of_a_process_with_threads(lab):
    pid = lab.two.load("mt", "manythreads", "4")
    lab.wait_seen(lab.two, pid)
    lab.done("suspend", lab.two.name, "manythreads")
    lab.two.expect_stopped(pid)
    lab.done("resume", lab.two.name, "manythreads")
    lab.two.expect_runs(pid)
    lab.two.kill(pid)


def case_SIGKILL_in_the_guest_ends_a_stopped_process(lab):
    pid = lab.one.load("mt", "victim")
    lab.wait_seen(lab.one, pid)
    lab.done("suspend", lab.one.name, pid)
    lab.one.expect_stopped(pid)
    lab.one.kill(pid)
    wait_until("it is gone in the guest", lambda: not lab.one.exists(pid))
    wait_until("monarchd knows", lambda: not lab.process(lab.one.name, pid))
    wait_until("vms: none stopped", lambda: lab.vm(lab.one.name)["stopped"] == 0)


def case_hostile_process_name_is_escaped(lab):
    name = "\\033[31mx\\n\\033]0;y"
    pid = int(lab.one.sh("load spin -n \"$(printf '%s')\" > /dev/null 2>&1 & echo $!" % name))
    lab.wait_seen(lab.one, pid)
    shown = lab.process(lab.one.name, pid)["name"]
    expect(shown == "\\x1b[31mx\\x0a\\x1b]0;y", "JSON has %r", shown)
    for command in (["ps"], ["top", "--count", "1"]):
        text = lab.done(*command)
        expect(text.replace("\n", "").isprintable(), "%s: %r", command, text)
    expect_one_line("suspend", lab.done("suspend", lab.one.name, shown), [pid, shown])
    lab.one.expect_stopped(pid)
    expect_one_line("resume", lab.done("resume", lab.one.name, shown), [pid, "runs"])
    lab.refused(4, "suspend", lab.one.name, "\033[31mnot\nthere", names=["\\x1b[31mnot\\x0athere"])
    lab.one.kill(pid)
