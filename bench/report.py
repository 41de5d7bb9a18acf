#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Put measurements together: report.py MEASURED INSIDE RESULTS.json

MEASURED: lines "NAME VALUE" of guest_bench. INSIDE: lines "MEANS.WHAT NS", one
per round, of the latency program in the guest. Prints a table, writes JSON.
"""

import json
import sys

# name -> goal, where one is set
GOALS = {
    "walk.ns_per_process.400.warm": "<= 15",
    "walk.ns_per_process.400.cold": "<= 100",
    "quantum.idle_cost_ratio.2000_vs_36": "about 1",
}

# name -> what it must be below
REQUIRED = {
    "attach.cold_s": 1,
    "attach.peak_mib": 64,
}

# Measured several times: memory counts at its worst; time at its best, since
# what else the machine does only adds to it.
CHOSEN = {"attach.cold_s": min, "attach.peak_mib": max}


def percentile(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def read_measured(path):
    results = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            name, value = line.split()
            choose = CHOSEN.get(name, lambda _, new: new)
            results[name] = choose(results.get(name, float(value)), float(value))
    return results


def read_inside(path):
    rounds = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            name, value = line.split()
            rounds.setdefault(name, []).append(int(value))
    return rounds


def add_inside(results, rounds):
    for name, values in rounds.items():
        means, what = name.split(".")
        for percent in (50, 90, 99):
            results[f"guest_{means}.{what}_latency.p{percent}_ms"] = (
                percentile(values, percent) / 1e6)


def add_ratios(results):
    for means in ("freezer", "sig"):
        for what in ("stop", "resume"):
            for percent in (50, 99):
                name = f"{what}.latency_ratio_vs_guest_{means}.p{percent}"
                results[name] = (
                    results[f"{what}.latency.p{percent}_ms"]
                    / results[f"guest_{means}.{what}_latency.p{percent}_ms"])
    results["quantum.idle_cost_ratio.2000_vs_36"] = (
        results["quantum.idle_ns.2000"] / results["quantum.idle_ns.36"])
    for label in ("36", "400", "2000"):
        results[f"quantum.idle_vs_walk_ratio.{label}"] = (
            results[f"quantum.idle_ns.{label}"]
            / results[f"quantum.walk_ns.{label}"])


def print_table(results):
    width = max(len(name) for name in results)
    for name in sorted(results):
        note = f"   goal {GOALS[name]}" if name in GOALS else ""
        if name in REQUIRED:
            note = f"   required < {REQUIRED[name]}"
        print(f"{name:<{width}}  {results[name]:>12.4g}{note}")


def missed(results):
    """Nothing at all was not measured."""
    return [f"{name}: {results[name]:.4g}, required > 0 and < {limit}"
            for name, limit in REQUIRED.items() if not 0 < results[name] < limit]


def main():
    measured, inside, target = sys.argv[1:]
    results = read_measured(measured)
    add_inside(results, read_inside(inside))
    add_ratios(results)
    with open(target, "w", encoding="ascii") as out:
        json.dump(results, out, indent=1, sort_keys=True)
        out.write("\n")
    print_table(results)
    if missed(results):
        sys.exit("bench: not as required: " + "; ".join(missed(results)))


main()
