/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of the daemon, by name, for `monarchctl stats` and tests. One list
 * makes the fields and the names.
 */
#ifndef DAEMON_STATS_H
#define DAEMON_STATS_H

#include "../guestinfo/core/linux_stop.h"

#define STATS_COUNTERS(X) \
	X(quanta, "quantum.count") \
	X(overruns, "quantum.overruns") \
	X(work_ns, "quantum.work_ns") \
	X(work_max_ns, "quantum.work_max_ns") \
	X(late_max_ns, "quantum.late_max_ns") \
	X(walks, "sample.walks") \
	X(refreshes, "sample.refreshes") \
	X(walk_ns, "sample.walk_ns") \
	X(walk_errors, "sample.errors") \
	X(walk_restarts, "sample.restarts") \
	X(incomplete, "sample.incomplete") \
	X(decisions, "decide.count") \
	X(decide_ns, "decide.ns") \
	X(holds, "hold.count") \
	X(hold_ns, "hold.total_ns") \
	X(hold_max_ns, "hold.max_ns") \
	X(hold_wait_ns, "hold.wait_ns") \
	X(hold_wait_max_ns, "hold.wait_max_ns") \
	X(hold_failures, "hold.failures") \
	X(stops, "edit.stops") \
	X(resumes, "edit.resumes") \
	X(settles, "edit.settles") \
	X(stale, "edit.stale") \
	X(faults, "edit.faults") \
	X(orphans, "orphans.found") \
	X(attached, "vm.attached") \
	X(reattached, "vm.reattached") \
	X(lost, "vm.lost") \
	X(reloads, "policy.reloads") \
	X(reload_failures, "policy.reload_failures") \
	X(calls, "bus.calls")

/**
 * struct stats - counters since the daemon started
 * @refusals: plans refused, by reason
 */
struct stats {
#define STATS_FIELD(field, name) u64 field;
	STATS_COUNTERS(STATS_FIELD)
#undef STATS_FIELD
	u64 refusals[GI_REFUSE_MAX];
};

static inline void stats_max(u64 *counter, u64 value)
{
	if (value > *counter)
		*counter = value;
}

#endif /* DAEMON_STATS_H */
