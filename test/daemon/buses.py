# SPDX-License-Identifier: GPL-2.0-only
"""The D-Bus interface: on its own socket, and on a bus."""

import os

from lab import LOGS, RUN, TREE, expect, must, run, wait_until, write

NAME = "org.monarch1"
OBJECT = "/org/monarch1"
MANAGER = "org.monarch1.Manager"


def busctl(address, *arguments, env=None):
    return must("busctl", "--no-pager", *address, *arguments, env=env)


def check_interface(text):
    for member in ("ListVMs", "ListProcesses", "Suspend", "Resume", "Recover", "Reload",
                   "GetStatistics", "Version", "Quantum", "ProcessStopped"):
        expect("." + member in text, "introspection has no %s", member)


BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={run}/system-bus</listen>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>{tree}/daemon/org.monarch1.conf</include>
</busconfig>
"""


def case_the_socket_speaks_DBus_to_busctl(lab):
    lab.need_daemon()
    address = ["--address=unix:path=%s/bus" % RUN]
    check_interface(busctl(address, "introspect", NAME, OBJECT))
    vms = busctl(address, "call", NAME, OBJECT, MANAGER, "ListVMs")
    expect(vms.startswith("aa{sv} ") and lab.one.name in vms, "ListVMs: %s", vms)
    version = busctl(address, "get-property", NAME, OBJECT, MANAGER, "Version")
    expect(version.startswith('s "'), "Version: %s", version)
    pid = lab.one.load("spin", "overbus")
    lab.wait_seen(lab.one, pid)
    outcome = busctl(address, "call", NAME, OBJECT, MANAGER, "Suspend", "ssb", lab.one.name,
                     "overbus", "false")
    expect('"parked"' in outcome, "Suspend: %s", outcome)
    lab.one.expect_stopped(pid)
    busctl(address, "call", NAME, OBJECT, MANAGER, "Resume", "ssb", lab.one.name, pid, "false")
    lab.one.expect_runs(pid)
    wrong = run("busctl", *address, "call", NAME, OBJECT, MANAGER, "ListProcesses", "s", "nosuch")
    expect(wrong.returncode != 0 and "nosuch" in wrong.stderr, "%s%s", wrong.stdout, wrong.stderr)
    lab.one.kill(pid)


def start_bus(lab):
    bus = lab.spawn("dbus-daemon", "--config-file=" + RUN + "/bus.conf", "--nofork", "--nopidfile",
                    "--nosyslog")
    wait_until("the bus is there", lambda: os.path.exists(RUN + "/system-bus"))
    return bus


def case_the_system_bus_with_our_policy_for_it(lab):
    write(RUN + "/bus.conf", BUS_CONFIG.format(run=RUN, tree=TREE))
    bus = start_bus(lab)
    address = "unix:path=%s/system-bus" % RUN
    env = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=address)
    if lab.daemon:
        lab.daemon.end()
    lab.daemon = type(lab.daemon)(lab, "--libvirt-uri", lab.uri,
                                  env={"DBUS_SYSTEM_BUS_ADDRESS": address})
    lab.wait_state(lab.one.name, "running")
    wait_until("it is on the bus", lambda: lab.daemon.text().count("on the system bus as") == 1)
    check_interface(busctl(["--system"], "introspect", NAME, OBJECT, env=env))
    vms = busctl(["--system"], "call", NAME, OBJECT, MANAGER, "ListVMs", env=env)
    expect(lab.one.name in vms, "ListVMs: %s", vms)
    # the command without its socket finds the daemon on the bus
    clean = dict(env, MONARCH_BUS="")
    clean.pop("MONARCH_BUS")
    done = run(lab.program("monarchctl"), "--json", "vms", env=clean)
    expect(done.returncode == 0 and lab.two.name in done.stdout, "monarchctl: %s%s",
           done.stdout, done.stderr)
    other = run("setpriv", "--reuid", "nobody", "--clear-groups", "busctl", "--system", "call", NAME,
                OBJECT, MANAGER, "Reload", env=env)
    expect(other.returncode != 0 and "denied" in other.stderr.lower(),
           "a stranger may call Reload: %s%s", other.stdout, other.stderr)
    bus.terminate()
    bus.wait(10)
    wait_until("it misses the bus", lambda: "the system bus is gone" in lab.daemon.text())
    if os.path.exists(RUN + "/system-bus"):
        os.unlink(RUN + "/system-bus")
    start_bus(lab)
    wait_until("it is on the bus again",
               lambda: lab.daemon.text().count("on the system bus as") == 2)
    again = busctl(["--system"], "call", NAME, OBJECT, MANAGER, "ListVMs", env=env)
    expect(lab.one.name in again, "ListVMs, on the bus again: %s", again)
    lab.daemon.end()
    lab.daemon = None
    write(LOGS + "/bus-introspection", vms)


def case_systemd_is_told_how_it_goes(lab):
    """READY=1 is what every start in this file waits for."""
    if lab.daemon:
        lab.daemon.end()
    lab.start_daemon(env={"WATCHDOG_USEC": "2000000"})
    for notice in ("WATCHDOG=1", "STATUS=2 VMs (2 seen into)"):
        wait_until("systemd is told " + notice,
                   lambda: any(text.startswith(notice) for text in lab.daemon.notices))


def case_the_unit_file_is_sound(lab):
    unit = RUN + "/monarchd.service"
    with open(TREE + "/daemon/monarchd.service") as file:
        write(unit, file.read().replace("/usr/sbin/monarchd", lab.program("monarchd")))
    done = run("systemd-analyze", "--man=no", "verify", unit)
    expect(done.returncode == 0 and "monarchd.service" not in done.stderr, "%s", done.stderr.strip())
