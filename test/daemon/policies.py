# SPDX-License-Identifier: GPL-2.0-only
"""The idle policy over two VMs; policy files that are wrong."""

import os
import signal

from lab import PREFIX, RUN, expect, wait_until, write

IDLE = """
# The indexer in one VM yields to the server in the other.
[Policy]
Type=idle
Stop=indexer
While=server
Threshold=3%
Period=100ms
QuietTime=200ms

[Set indexer]
VM={prefix}one
Process=indexer

[Set server]
VM={prefix}(two|three)
Process=server
""".format(prefix=PREFIX)

# What a file with a mistake in it says beside the mistake.
OTHER = IDLE.replace("Period=100ms", "Period=150ms").replace("QuietTime=200ms", "QuietTime=250ms")

FILE = RUN + "/policies/idle.conf"


def put_policy(lab, text):
    write(FILE, text)
    lab.done("reload")


def drop_policy(lab):
    if os.path.exists(FILE):
        os.unlink(FILE)
        lab.done("reload")


def policy(lab):
    return lab.json("policy")[0]


SETTINGS = ("name", "file", "type", "quantum_ns", "period_ns", "threshold_percent", "quiet_ns",
            "stop", "while")


def settings(lab):
    """What the files say, without what the policies do at the moment."""
    return [{key: entry[key] for key in SETTINGS} for entry in lab.json("policy")]


def case_idle_policy_across_two_VMs(lab):
    indexer = lab.one.load("spin", "indexer")
    other = lab.one.load("duty", "bystander")
    lab.wait_seen(lab.one, indexer, other)
    put_policy(lab, IDLE)
    lab.one.expect_runs(indexer)
    expect(not policy(lab)["holding"], "holds though no server runs")
    for _ in range(2):
        server = lab.two.load("duty", "server")
        lab.wait_stop(lab.one, indexer, "parked")
        lab.one.expect_stopped(indexer)
        lab.one.expect_runs(other)
        held = policy(lab)
        expect(held["holding"] and held["holds"] == 1 and held["used_ns"] > held["limit_ns"],
               "policy shows %s", held)
        expect(lab.process(lab.one.name, indexer)["more"]["held_by"] == "idle", "held by?")
        lab.two.kill(server)
        lab.wait_stop(lab.one, indexer, "runs")
        lab.one.expect_runs(indexer)
    drop_policy(lab)
    lab.one.kill(indexer, other)


def case_policy_and_hand_together(lab):
    indexer = lab.one.load("spin", "indexer")
    server = lab.two.load("spin", "server")
    lab.wait_seen(lab.one, indexer)
    put_policy(lab, IDLE)
    lab.wait_stop(lab.one, indexer, "parked")
    lab.refused(1, "resume", lab.one.name, "indexer", names=[indexer, "held", "policy", "idle"])
    lab.done("suspend", lab.one.name, "indexer")
    lab.two.kill(server)
    wait_until("the policy lets go", lambda: not policy(lab)["holding"])
    lab.one.expect_stopped(indexer)
    lab.done("resume", lab.one.name, "indexer")
    lab.one.expect_runs(indexer)
    drop_policy(lab)
    lab.one.kill(indexer)


def case_SIGHUP_reloads_or_keeps(lab):
    lab.need_daemon()
    write(FILE, IDLE)
    lab.daemon.process.send_signal(signal.SIGHUP)
    wait_until("the policy is in force", lambda: lab.json("policy"))
    expect(any(notice.startswith("RELOADING=1") for notice in lab.daemon.notices),
           "systemd was not told RELOADING=1")
    before = settings(lab)
    write(FILE, OTHER.replace("Type=idle", "Type=idel"))
    lab.daemon.process.send_signal(signal.SIGHUP)
    wait_until("the error is logged", lambda: "idle.conf:4" in lab.daemon.text())
    wait_until("and what follows", lambda: "those in force stay" in lab.daemon.text())
    expect(settings(lab) == before, "the policy in force changed: %s", settings(lab))
    drop_policy(lab)


def case_wrong_policy_files_change_nothing(lab):
    put_policy(lab, OTHER)
    other = settings(lab)
    put_policy(lab, IDLE)
    before = settings(lab)
    expect(before != other, "what the wrong files say would not show: %s", other)
    wrong = {
        "half written": (OTHER.rstrip("\n"), ["idle.conf", "newline"]),
        "cut off": (OTHER[:OTHER.index("[Set indexer]")], ["idle.conf", "indexer"]),
        "unknown key": (OTHER.replace("Period=150ms", "Perido=150ms"), ["idle.conf:8", "Perido"]),
        "unknown section": (OTHER + "[Polcy]\nType=idle\n", ["idle.conf", "Polcy"]),
        "line too long": (OTHER.replace("Process=server", "Process=" + "x" * 220),
                          ["idle.conf:17", "190"]),
        "bad value": (OTHER.replace("Threshold=3%", "Threshold=3"), ["idle.conf:7", "Threshold"]),
        "bad expression": (OTHER.replace("Process=server", "Process=(server"),
                           ["idle.conf:17", "Process"]),
    }
    for what, (text, names) in wrong.items():
        write(FILE, text)
        try:
            lab.refused(1, "reload", names=names, lines=2 if what == "cut off" else 1)
        finally:
            expect(settings(lab) == before, "%s: the policies in force changed: %s", what,
                   settings(lab))
    drop_policy(lab)
