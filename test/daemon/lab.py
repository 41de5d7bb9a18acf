# SPDX-License-Identifier: GPL-2.0-only
"""What scripts/check-daemon works with: guests, a libvirt of its own, monarchd.

Everything that is started is remembered here and ended by its pid when the lab
closes, whatever happened. All sockets, logs and configuration are in one
directory, RUN. VM names begin with PREFIX, and the daemon is told to manage no
others: whatever else runs on this host is left alone.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPTS = os.path.join(TREE, "scripts")
BUILD = os.path.join(TREE, os.environ.get("BUILD", "build"))
RUN = os.environ.get("MONARCH_RUN_DIR", "/run/monarch-test") + "/daemon"
LOGS = os.path.join(BUILD, "daemon-check")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "monarch")
PREFIX = "chkd%d-" % os.getpid()
# A loaded host is slow, not wrong: waits end early when all is well.
PATIENCE_S = 30


class Failed(Exception):
    """A case did not see what it expected."""


def expect(condition, text, *values):
    if not condition:
        raise Failed(text % values if values else text)


def wait_until(what, test, seconds=PATIENCE_S):
    """Poll test() until it is true; return its value."""
    end = time.monotonic() + seconds
    while True:
        value = test()
        if value:
            return value
        expect(time.monotonic() < end, "not within %d s: %s", seconds, what)
        time.sleep(0.1)


def run(*command, timeout=60, **more):
    return subprocess.run([str(word) for word in command], timeout=timeout, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, errors="replace", **more)


def must(*command, **more):
    done = run(*command, **more)
    expect(done.returncode == 0, "%s: exit code %d: %s", " ".join(map(str, command)),
           done.returncode, done.stderr.strip() or done.stdout.strip())
    return done.stdout.strip()


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


class Guest:
    """A booted test guest, seen through its own shell."""

    def __init__(self, name, directory, console, shell, pid=None):
        self.name = name
        self.console = os.path.join(directory, console)
        self.shell = os.path.join(directory, shell)
        self.process_id = pid

    def booted(self):
        return "MONARCH-READY" in read(self.console)

    def wait_booted(self):
        wait_until("%s boots (console: %s)" % (self.name, self.console), self.booted, 120)

    def sh(self, command):
        return must(os.path.join(SCRIPTS, "vm-shell"), self.shell, command)

    def load(self, mode, name, argument="", prefix=""):
        """Start a load program under a name; return its pid in the guest."""
        return int(self.sh("%s load %s -n %s %s > /dev/null 2>&1 & echo $!"
                           % (prefix, mode, name, argument)))

    def kill(self, *pids):
        self.sh("kill -9 %s 2> /dev/null; true" % " ".join(map(str, pids)))

    def exists(self, pid):
        return self.sh("test -d /proc/%d && echo yes; true" % pid) == "yes"

    def moving(self, *pids):
        """Those of the processes any thread of which ran within half a second."""
        look = "for p in %s; do echo $p $(cut -d' ' -f1 /proc/$p/task/*/schedstat); done" \
               % " ".join(map(str, pids))
        first, second = (part.strip().split("\n") for part in
                         self.sh("%s; sleep 0.5; echo ==; %s" % (look, look)).split("=="))
        return [pid for pid, before, after in zip(pids, first, second) if before != after]

    def expect_stopped(self, *pids):
        moving = self.moving(*pids)
        expect(not moving, "%s: %s run, though said to be stopped", self.name, moving)

    def expect_runs(self, *pids):
        wait_until("processes %s of %s run" % (pids, self.name),
                   lambda: len(self.moving(*pids)) == len(pids))


class Daemon:
    """monarchd, started with a notification socket as systemd has one."""

    def __init__(self, lab, *options, ready=True, env=None, run_dir=RUN):
        self.lab = lab
        lab.nr_daemons += 1
        self.log = os.path.join(LOGS, "monarchd.%d.log" % lab.nr_daemons)
        self.notices = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify = "%s/notify%d" % (RUN, lab.nr_daemons)
        self.listener.bind(notify)
        environment = dict(os.environ, NOTIFY_SOCKET=notify, **(env or {}))
        command = [os.path.join(BUILD, "monarchd"), "--only", "(?s)" + PREFIX + ".*",
                   "--config-dir", RUN + "/policies", "--runtime-dir", run_dir,
                   "--cache-dir", RUN + "/cache", *options]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=environment)
        lab.processes.append(self.process)
        # a full queue would block the daemon: systemd always reads, so do we
        threading.Thread(target=self.listen, daemon=True).start()
        if ready:
            wait_until("monarchd says READY=1 (log: %s)" % self.log, self.is_ready)

    def alive(self):
        return self.process.poll() is None

    def listen(self):
        while True:
            self.notices += self.listener.recv(4096).decode().split("\n")

    def is_ready(self):
        expect(self.alive(), "monarchd ended: %s", self.last_line())
        return "READY=1" in self.notices

    def text(self):
        return read(self.log)

    def last_line(self):
        return (self.text().strip().split("\n") or [""])[-1]

    def end(self, number=signal.SIGTERM, seconds=20):
        """Return (exit code, seconds that it took)."""
        begin = time.monotonic()
        if self.alive():
            self.process.send_signal(number)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed("monarchd did not end within %d s" % seconds) from None
        return code, time.monotonic() - begin


class Lab:
    def __init__(self):
        self.processes = []
        self.plain_vms = []
        self.nr_daemons = 0
        self.daemon = None
        self.uri = None
        self.libvirt_used = False
        self.environment = dict(os.environ, MONARCH_RUN_DIR=RUN)
        os.makedirs(os.path.dirname(RUN), mode=0o755, exist_ok=True)
        self.lock = open(RUN + ".lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.clear_leftovers()
        for path in (RUN, RUN + "/policies", RUN + "/cache"):
            os.makedirs(path, mode=0o755, exist_ok=True)
        shutil.rmtree(LOGS, ignore_errors=True)
        os.makedirs(LOGS)

    def clear_leftovers(self):
        """Of a run that was killed: we have the lock, so nobody uses them."""
        self.script("libvirt", "stop", check=False)
        for line in self.script("vm", "list").split("\n"):
            if line:
                self.script("vm", "stop", line.split()[0])
        shutil.rmtree(RUN, ignore_errors=True)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for name in self.plain_vms:
            self.script("vm", "stop", name, check=False)
        if self.libvirt_used:
            self.script("libvirt", "stop", check=False)
        self.keep_consoles()
        shutil.rmtree(RUN, ignore_errors=True)

    def keep_consoles(self):
        for directory, _, files in os.walk(RUN):
            for file in files:
                if "console" in file or file == "libvirtd.log":
                    name = os.path.relpath(os.path.join(directory, file), RUN).replace("/", "-")
                    shutil.copy(os.path.join(directory, file), os.path.join(LOGS, name))

    def script(self, name, *arguments, check=True):
        call = must if check else run
        return call(os.path.join(SCRIPTS, name), *arguments, timeout=400, env=self.environment)

    def tidy(self):
        """After a case that failed: only the two VMs stay."""
        for process in self.processes:
            if process.poll() is None and not (self.daemon and process is self.daemon.process):
                process.kill()
                process.wait()
        for name in self.plain_vms:
            self.script("vm", "stop", name, check=False)
        for file in os.listdir(RUN + "/policies"):
            os.unlink(os.path.join(RUN, "policies", file))
        for guest in (self.one, self.two):
            self.virsh("resume", guest.name, check=False)
            run(os.path.join(SCRIPTS, "vm-shell"), guest.shell,
                "for p in /proc/[0-9]*; do [ $(readlink $p/exe) = /bin/load ] &&"
                " kill -9 ${p#/proc/}; done 2> /dev/null", timeout=70)

    # The VMs of libvirt.

    def start_libvirt(self):
        self.libvirt_used = True
        self.uri = self.script("libvirt", "start")
        self.images = self.script("libvirt", "dir")
        kernels = os.path.join(CACHE, "kernels/6.1")
        if not os.path.exists(kernels + "/version"):
            self.script("kernels", "6.1")
        for source, name in ((kernels + "/vmlinuz", "vmlinuz"), (kernels + "/vmlinux", "vmlinux"),
                             (self.script("image"), "initrd")):
            shutil.copyfile(source, os.path.join(self.images, name))
            os.chmod(os.path.join(self.images, name), 0o644)

    def virsh(self, *arguments, check=True):
        call = must if check else run
        return call("virsh", "-q", "-c", self.uri, *arguments)

    def domain(self, name, kernel):
        """Define nothing, start a transient domain: as scripts/demo does."""
        definition = os.path.join(LOGS, name + ".xml")
        for leftover in (".console", ".shell"):
            path = os.path.join(self.images, name + leftover)
            if os.path.exists(path):
                os.unlink(path)
        write(definition, DOMAIN.format(name=name, kernel=kernel, images=self.images))
        self.virsh("create", definition)
        return Guest(name, self.images, name + ".console", name + ".shell")

    def qmp(self, domain, command):
        return json.loads(self.virsh("qemu-monitor-command", domain,
                                     json.dumps({"execute": command})))["return"]

    # The VMs without libvirt.

    def plain_vm(self, name, *options):
        self.plain_vms.append(name)
        self.script("vm", "run", name, "--no-wait", "--mem", "256", *options)
        directory = self.script("vm", "dir", name)
        return Guest(name, directory, "console", "shell.sock",
                     int(read(directory + "/pid")))

    def spawn(self, *command, **more):
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, **more)
        self.processes.append(process)
        return process

    def qemu(self, name, *options):
        """A bare QEMU: no devices, no monitor, but those of the options."""
        return self.spawn("qemu-system-x86_64", "-name", "guest=" + name, "-nodefaults",
                          "-no-user-config", "-display", "none", "-accel", "tcg", "-cpu",
                          "max,la57=off", *options, stdin=subprocess.DEVNULL)

    # monarchd and monarchctl.

    def start_daemon(self, *options, **more):
        self.daemon = Daemon(self, "--libvirt-uri", self.uri, "--no-system-bus",
                             *options, **more)
        return self.daemon

    def need_daemon(self):
        if not self.daemon or not self.daemon.alive():
            self.start_daemon()

    @staticmethod
    def program(name):
        return os.path.join(BUILD, name)

    def ctl(self, *arguments, env=None, timeout=30):
        environment = {**os.environ, "MONARCH_BUS": RUN + "/bus", **(env or {})}
        return run(self.program("monarchctl"), *arguments, env=environment,
                   timeout=timeout)

    def done(self, *arguments):
        """A monarchctl that must succeed; its output."""
        answer = self.ctl(*arguments)
        expect(answer.returncode == 0, "monarchctl %s: exit code %d: %s", " ".join(map(str, arguments)),
               answer.returncode, answer.stderr.strip())
        return answer.stdout

    def json(self, *arguments):
        return json.loads(self.done("--json", *arguments))

    def refused(self, code, *arguments, names=(), lines=1, **more):
        """A monarchctl that must fail, in one line, with each of names in it."""
        answer = self.ctl(*arguments, **more)
        call = "monarchctl " + " ".join(map(str, arguments))
        expect(answer.returncode == code, "%s: exit code %d, expected %d: %s%s", call,
               answer.returncode, code, answer.stdout, answer.stderr)
        expect_lines(call, answer.stderr, names, lines)
        return answer.stderr.strip()

    def vm(self, name):
        found = [vm for vm in self.json("vms") if vm["name"] == name]
        return found[0] if found else None

    def state(self, name):
        vm = self.vm(name)
        return vm["state"] if vm else None

    def wait_state(self, name, state):
        wait_until("VM %s is %s (is %s)" % (name, state, self.state(name)),
                   lambda: self.state(name) == state, 60)

    def processes_of(self, name):
        return {process["pid"]: process
                for process in self.json("--kernel", "ps", name)[0]["processes"]}

    def process(self, name, pid):
        return self.processes_of(name).get(pid)

    def wait_seen(self, guest, *pids):
        for pid in pids:
            wait_until("monarchd sees process %d of %s" % (pid, guest.name),
                       lambda: self.process(guest.name, pid))

    def wait_stop(self, guest, pid, *states):
        wait_until("process %d of %s is %s" % (pid, guest.name, " or ".join(states)),
                   lambda: (self.process(guest.name, pid) or {}).get("stop") in states)


def expect_lines(call, text, names, number=1):
    lines = text.rstrip("\n").split("\n")
    expect(text.strip() and len(lines) == number, "%s: expected %d lines, got %d: %s", call, number,
           len(lines), text.strip() or "nothing")
    expect(all(line.isprintable() for line in lines), "%s: unprintable output: %r", call, text)
    for name in names:
        expect(str(name) in text, "%s: \"%s\" is not in: %s", call, name, text.strip())


def expect_one_line(call, text, names):
    expect_lines(call, text, names)


DOMAIN = """
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>256</memory>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
  <vcpu placement='static'>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{images}/{kernel}</kernel>
    <initrd>{images}/initrd</initrd>
    <cmdline>console=ttyS0 panic=-1 quiet mode=idle</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='maximum'><feature policy='disable' name='la57'/></cpu>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <serial type='file'>
      <source path='{images}/{name}.console'/><target port='0'/>
    </serial>
    <serial type='unix'>
      <source mode='bind' path='{images}/{name}.shell'/><target port='1'/>
    </serial>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""
