# SPDX-License-Identifier: GPL-2.0-only
"""What can go wrong: each gives one line that names the thing, and changes nothing."""

import json
import os
import shutil
import socket
import subprocess

from lab import (BUILD, CACHE, LOGS, PREFIX, RUN, Daemon, expect, expect_one_line, must, read,
                 run, wait_until, write)


def case_wrong_VM_name(lab):
    lab.need_daemon()
    for command in (["ps"], ["top"], ["recover"]):
        lab.refused(4, *command, "nosuch", names=["nosuch", lab.one.name, lab.two.name])
    lab.refused(4, "suspend", "nosuch", "1", names=["nosuch", lab.one.name])


def case_process_that_is_not_there_or_not_to_be_stopped(lab):
    name = lab.one.name
    lab.refused(4, "suspend", name, "4000000", names=["4000000", name, "monarchctl ps"])
    lab.refused(4, "suspend", name, "nosuch", names=["nosuch", name, "monarchctl ps"])
    lab.refused(1, "suspend", name, "1", names=["process 1 (init)", name, "never stopped"])
    lab.refused(1, "suspend", name, "kthreadd", names=["process 2 (kthreadd)", name, "kernel thread"])
    lab.refused(4, "resume", name, "nosuch", names=["nosuch", name])
    expect(lab.vm(name)["stopped"] == 0, "something was stopped")


def case_wrong_usage(lab):
    lab.refused(2, "suspend", lab.one.name, names=["monarchctl suspend VM PID|NAME"])
    lab.refused(2, "frobnicate", names=["frobnicate", "monarchctl help"])
    lab.refused(2, names=["monarchctl help"])
    lab.refused(2, "--interval", "never", "top", names=["never", "0.05"])
    for options, names in ((["--quantum", "5"], ["--quantum", "10ms", "5"]),
                           (["surplus"], ["surplus", "--help"])):
        done = run(lab.program("monarchd"), *options)
        expect(done.returncode == 2, "monarchd %s: exit code %d", options, done.returncode)
        expect_one_line("monarchd", done.stderr, names)


def case_daemon_not_running(lab):
    path = RUN + "/nobody"
    lab.refused(3, "vms", names=[path, "is it running"], env={"MONARCH_BUS": path})


def case_second_daemon_and_socket_in_use(lab):
    lab.need_daemon()
    second = Daemon(lab, "--no-libvirt", "--no-system-bus", ready=False)
    code = second.process.wait(20)
    expect(code == 1, "exit code %d", code)
    expect_one_line("second monarchd", second.text(), [RUN])
    other = Daemon(lab, "--no-libvirt", "--no-system-bus", "--bus-socket", RUN + "/bus",
                   ready=False, run_dir=RUN + "/other")
    code = other.process.wait(20)
    expect(code == 1, "exit code %d", code)
    lines = [line for line in other.text().split("\n") if "in force" not in line]
    expect_one_line("a monarchd on the same socket", "\n".join(lines),
                    ["another daemon listens", RUN + "/bus", "--bus-socket"])
    expect(lab.state(lab.one.name) == "running", "the first daemon was hurt")


def case_second_daemon_elsewhere_gets_no_VM_that_has_one(lab):
    lab.need_daemon()
    lab.wait_state(lab.one.name, "running")
    pid = lab.one.load("spin", "mine")
    lab.wait_seen(lab.one, pid)
    lab.done("suspend", lab.one.name, pid)
    other = Daemon(lab, "--libvirt-uri", lab.uri, "--no-system-bus", run_dir=RUN + "/other")
    refused = "VM %s: unreachable" % lab.one.name
    wait_until("the second one is refused the VM", lambda: refused in other.text())
    expect("another Monarch has it" in other.text(), "not said why: %s", other.last_line())
    code, _ = other.end()
    expect(code == 0, "exit code %d: %s", code, other.last_line())
    lab.one.expect_stopped(pid)
    lab.done("resume", lab.one.name, pid)
    lab.one.kill(pid)


def case_socket_path_that_is_a_file(lab):
    path = RUN + "/precious"
    write(path, "precious")
    daemon = Daemon(lab, "--no-libvirt", "--no-system-bus", ready=False, run_dir=RUN + "/other",
                    env={"MONARCH_BUS": path})
    code = daemon.process.wait(20)
    expect(code == 1, "exit code %d", code)
    lines = [line for line in daemon.text().split("\n") if "in force" not in line]
    expect_one_line("monarchd", "\n".join(lines), [path, "expected a socket", "--bus-socket"])
    expect(read(path) == "precious", "the file is not what it was: %r", read(path))


def case_guest_still_booting(lab):
    name = PREFIX + "booting"
    lab.plain_vm(name)
    wait_until("it is attached to", lambda: lab.state(name) not in (None, "attaching"))
    state = lab.state(name)
    expect(state == "booting", "state %s: %s", state, lab.vm(name))
    lab.refused(1, "suspend", name, "load", names=[name, "booting"])
    lab.refused(1, "ps", name, names=[name, "booting"])
    lab.script("vm", "stop", name)
    wait_until("it is forgotten", lambda: lab.vm(name) is None)
    lab.refused(4, "ps", name, names=[name, lab.one.name])


LONG_MODE = """
	.code16
	.globl _start
_start:	cli
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $0x7c00, %sp
	/* PML4 0x1000, PDPT 0x2000: the first GiB at 0 and in the kernel half */
	movw $0x1000, %di
	movw $0x1000, %cx
	cld
	rep stosl
	movl $0x2003, 0x1000
	movl $0x2003, 0x1ff8
	movl $0x83, 0x2000
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $0x1000, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	lgdt gdtr
	movl %cr0, %eax
	orl $0x80000001, %eax
	movl %eax, %cr0
	ljmp $8, $long
	.code64
long:	movabsq $1f + 0xffffff8000000000, %rax
	jmp *%rax
1:	jmp 1b
	.align 8
gdt:	.quad 0, 0x00209a0000000000
gdtr:	.word 15
	.long gdt
	.org 510
	.word 0xaa55
"""


def case_guests_that_are_not_Linux(lab):
    """A machine that sits in its firmware; a 64-bit kernel of another kind."""
    source, sector = LOGS + "/sector.s", LOGS + "/sector"
    write(source, LONG_MODE)
    must("gcc", "-nostdlib", "-static", "-Wl,--build-id=none,-Ttext=0x7c00,--oformat=binary",
         "-o", sector, source)
    names = {PREFIX + "firmware": [],
             PREFIX + "alien": ["-drive", "if=ide,format=raw,snapshot=on,file=" + sector]}
    machines = [lab.qemu(name, "-M", "pc", "-m", "64", "-qmp",
                         "unix:%s/%s,server=on,wait=off" % (RUN, name), *options)
                for name, options in names.items()]
    wait_until("the alien kernel is seen as not Linux",
               lambda: lab.state(PREFIX + "alien") == "not-linux")
    lab.refused(1, "ps", PREFIX + "alien", names=[PREFIX + "alien", "not-linux"])
    wait_until("the firmware is seen for what it is",
               lambda: lab.state(PREFIX + "firmware") in ("not-linux", "booting"))
    lab.refused(1, "suspend", PREFIX + "firmware", "1", names=[PREFIX + "firmware"])
    for machine in machines:
        machine.terminate()
    wait_until("they are forgotten", lambda: not any(lab.vm(name) for name in names))


def fake_encrypted(lab, name):
    """No encrypted guest can run here: a process that looks like its QEMU, until stdin ends."""
    fake = RUN + "/qemu-system-x86_64"
    if not os.path.exists(fake):
        shutil.copyfile("/bin/dash", fake)
        os.chmod(fake, 0o755)
    return lab.spawn(fake, "-c", "read x", "-name", "guest=" + name, "-machine",
                     "q35,confidential-guest-support=sev0", "-object", "sev-guest,id=sev0",
                     stdin=subprocess.PIPE)


def case_hostile_VM_name_is_escaped(lab):
    lab.need_daemon()
    logged = len(lab.daemon.text())
    machine = lab.qemu(PREFIX + "\033[31m\nx", "-M", "pc", "-m", "64", "-S")
    # why it cannot be reached quotes its name once more
    other = fake_encrypted(lab, PREFIX + "\033[32m\ny")
    shown, refused = PREFIX + "\\x1b[31m\\x0ax", PREFIX + "\\x1b[32m\\x0ay"
    wait_until("it is seen", lambda: lab.vm(shown))
    wait_until("the other is refused", lambda: lab.state(refused) == "unreachable")
    expect(lab.done("vms").replace("\n", "").isprintable(), "vms: unprintable output")
    lab.refused(1, "ps", shown, names=[shown])
    lab.refused(1, "suspend", refused, "1", names=[refused, "encrypted"])
    machine.terminate()
    other.stdin.close()
    wait_until("they are forgotten", lambda: not lab.vm(shown) and not lab.vm(refused))
    lines = lab.daemon.text()[logged:].rstrip("\n").split("\n")
    expect(any(refused + ": unreachable" in line and "encrypted" in line for line in lines),
           "not logged: %s", lines)
    expect(all(line.startswith("monarchd: ") and line.isprintable() for line in lines),
           "the log is not escaped: %r", lines)


def case_fake_encrypted_VM(lab):
    name = PREFIX + "encrypted"
    machine = fake_encrypted(lab, name)
    wait_until("it is refused", lambda: lab.state(name) == "unreachable")
    lab.refused(1, "ps", name, names=[name, "encrypted", "cannot be read"])
    lab.refused(1, "suspend", name, "1", names=[name, "encrypted"])
    machine.stdin.close()
    machine.wait(10)
    wait_until("it is forgotten", lambda: lab.vm(name) is None)


def case_VM_without_shared_memory_works_and_says_so(lab):
    guest = lab.plain_vm(PREFIX + "private", "--ram", "private", "--pvh")
    guest.wait_booted()
    lab.wait_state(guest.name, "running")
    pid = guest.load("spin", "spinner")
    lab.wait_seen(guest, pid)
    lab.done("suspend", guest.name, "spinner")
    guest.expect_stopped(pid)
    lab.done("resume", guest.name, "spinner")
    guest.expect_runs(pid)
    expect("memoryBacking" in lab.vm(guest.name)["hint"], "no hint: %s", lab.vm(guest.name))
    row = [line for line in lab.done("vms").split("\n") if guest.name in line]
    expect("memoryBacking" in row[0], "vms does not show it: %s", row)
    lab.script("vm", "stop", guest.name)


def case_VM_without_a_monitor_can_be_seen_only(lab):
    name, kernels = PREFIX + "blind", CACHE + "/kernels/6.1"
    machine = lab.qemu(name, "-M", "q35", "-m", "256", "-kernel", kernels + "/vmlinux", "-initrd",
                       BUILD + "/guest/initrd", "-append",
                       "console=ttyS0 panic=-1 quiet mode=spin", "-serial",
                       "file:%s/%s.console" % (LOGS, name))
    lab.wait_state(name, "running")
    wait_until("it is seen into", lambda: any(process["name"] == "spin" for process in
                                              lab.processes_of(name).values()))
    lab.refused(1, "suspend", name, "spin", names=[name, "-qmp unix:"])
    lab.refused(4, "suspend", name, "nosuch", names=[name, "nosuch"])
    lab.refused(1, "recover", name, names=[name, "-qmp unix:"])
    lab.refused(1, "recover", names=[name, "stay stopped", "-qmp unix:"])
    skipped = json.loads(lab.ctl("--json", "recover").stdout)["skipped"]
    expect(list(skipped) == [name], "recover skipped %s", skipped)
    row = [line for line in lab.done("vms").split("\n") if name in line]
    expect("-qmp unix:" in row[0], "vms does not show it: %s", row)
    machine.terminate()


def case_VM_whose_monitor_is_taken_for_a_while(lab):
    """QEMU serves one client per QMP socket: until it leaves, the VM can be seen only."""
    name = PREFIX + "taken"
    guest = lab.plain_vm(name, "--pvh")
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(os.path.dirname(guest.console) + "/qmp.sock")
        guest.wait_booted()
        lab.wait_state(name, "running")
        pid = guest.load("spin", "spinner")
        lab.wait_seen(guest, pid)
        lab.refused(1, "suspend", name, pid, names=[name, "another client is connected"])
    wait_until("its monitor can be used",
               lambda: not lab.vm(name)["no_edit_why"], 60)
    lab.wait_seen(guest, pid)
    lab.done("suspend", name, pid)
    guest.expect_stopped(pid)
    lab.done("resume", name, pid)
    guest.expect_runs(pid)
    lab.script("vm", "stop", name)
