# SPDX-License-Identifier: GPL-2.0-only
"""RAM and CPUs that are plugged into a VM while processes are stopped in it."""

import json
import os
import socket

from lab import PREFIX, expect, wait_until
from endings import start


def qmp(lab, guest, *commands):
    """The answers to (name, arguments). QMP serves one client: wait for our turn."""
    path = os.path.join(lab.script("vm", "dir", guest.name), "qmp.sock")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(path)
        lines = client.makefile("rw")
        answers = []
        lines.readline()
        for name, arguments in (("qmp_capabilities", {}),) + commands:
            lines.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
            lines.flush()
            answer = {}
            while not answer.keys() & {"return", "error"}:
                answer = json.loads(lines.readline())
            expect("return" in answer, "%s: %s: %s", guest.name, name, answer)
            answers.append(answer["return"])
    return answers[1:]


def plug_ram(lab, guest, mib):
    qmp(lab, guest,
        ("object-add", {"qom-type": "memory-backend-memfd", "id": "more", "share": True,
                        "size": mib << 20}),
        ("device_add", {"driver": "pc-dimm", "id": "dimm", "memdev": "more"}))
    blocks = "cat /sys/devices/system/memory/memory*/state | sort -u"
    wait_until("%s has memory to online" % guest.name,
               lambda: "offline" in guest.sh(blocks).split())
    guest.sh("for block in /sys/devices/system/memory/memory*; do"
             " grep -q offline $block/state && echo online > $block/state; done; true")
    expect(guest.sh(blocks) == "online", "%s: not all memory is online", guest.name)


def plug_cpu(lab, guest):
    slots, = qmp(lab, guest, ("query-hotpluggable-cpus", {}))
    slot = [slot for slot in slots if "qom-path" not in slot][0]
    qmp(lab, guest, ("device_add", {"driver": slot["type"], "id": "cpu", **slot["props"]}))
    wait_until("%s sees CPU 1" % guest.name,
               lambda: guest.sh("test -d /sys/devices/system/cpu/cpu1 && echo yes; true") == "yes")
    guest.sh("echo 1 > /sys/devices/system/cpu/cpu1/online")


def expect_stop_kept(lab, guest, pid):
    process = lab.process(guest.name, pid)
    expect(process and process["stop"] == "parked" and process["more"]["held_by"] == "manual",
           "process %d is no longer stopped by hand: %s", pid, process)
    guest.expect_stopped(pid)


def case_RAM_and_CPU_plugged_in_while_a_process_is_stopped(lab):
    start(lab)
    guest = lab.plain_vm(PREFIX + "plug", "--", "-m", "slots=2,maxmem=2G", "-smp", "1,maxcpus=2")
    guest.wait_booted()
    lab.wait_state(guest.name, "running")
    held = guest.load("spin", "held")
    lab.wait_seen(guest, held)
    lab.done("suspend", guest.name, held)
    guest.expect_stopped(held)
    before = lab.vm(guest.name)

    plug_ram(lab, guest, 512)
    # new memory is taken first, it is above 4 GiB: once slabs begun before are full
    guest.sh("(for i in $(seq 60); do load sleep -n crowd & done) > /dev/null 2>&1 &")
    born = guest.load("spin", "born")
    wait_until("monarchd sees the new RAM",
               lambda: lab.vm(guest.name)["ram_bytes"] == before["ram_bytes"] + (512 << 20))
    lab.wait_seen(guest, born)
    expect_stop_kept(lab, guest, held)
    lab.done("suspend", guest.name, born)
    guest.expect_stopped(born)
    lab.done("resume", guest.name, held)
    guest.expect_runs(held)
    lab.done("suspend", guest.name, held)

    plug_cpu(lab, guest)
    wait_until("monarchd sees the new vCPU", lambda: lab.vm(guest.name)["vcpus"] == 2)
    wait_until("monarchd sees the guest's new CPU",
               lambda: "%s: has 2 CPUs online" % guest.name in lab.daemon.text())
    expect_stop_kept(lab, guest, held)
    expect_stop_kept(lab, guest, born)
    # one that runs where a kick has to find it
    other = guest.load("spin", "other", prefix="busybox taskset 2")
    lab.wait_seen(guest, other)
    lab.done("suspend", guest.name, other)
    guest.expect_stopped(other)
    for pid in (held, born, other):
        lab.done("resume", guest.name, pid)
    guest.expect_runs(held, other, born)
    guest.sh("kill -9 $(pgrep crowd) 2> /dev/null; true")
    expect(not lab.vm(guest.name)["sample_failures"], "its samples fail")
    lost = [line for line in lab.daemon.text().split("\n")
            if guest.name in line and "stopped by nobody known" in line]
    expect(not lost, "the daemon forgot what it had stopped: %s", lost)
    lab.script("vm", "check", guest.name)
    lab.script("vm", "stop", guest.name)
    lab.plain_vms.remove(guest.name)
