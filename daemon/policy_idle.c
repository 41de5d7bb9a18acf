// SPDX-License-Identifier: GPL-2.0-only
/*
 * Type=idle: a set runs only while others are idle. It is stopped as soon as
 * the others used more than the threshold within the period, and resumed when
 * they have not done so for the quiet time.
 *
 * "Others" are the sets of While=, or else every user process of every VM that
 * is not in Stop=. Kernel threads do not count then: they write out what the
 * stopped program left behind, and it would never get going again.
 */
#include "decide.h"

static bool idle_counts(const struct policy *policy, const struct proc *proc)
{
	if (policy->during)
		return proc->sets & policy->during;
	return !proc_kthread(proc) && !(proc->sets & policy->stop);
}

static u64 idle_used(const struct table *table, const struct policy *policy,
		     u64 from_ns)
{
	const struct proc *proc;
	u64 used = 0;

	TAILQ_FOREACH(proc, &table->active, active)
		if (idle_counts(policy, proc))
			used += history_used(&proc->history, from_ns);
	return used;
}

struct verdict policy_idle(const struct table *table,
			   const struct policy *policy,
			   const struct verdict *before, u64 now_ns)
{
	u64 from_ns = now_ns > policy->period_ns ? now_ns - policy->period_ns : 0;
	struct verdict verdict = *before;

	verdict.used_ns = idle_used(table, policy, from_ns);
	verdict.limit_ns = policy->period_ns * policy->threshold_ppm / 1000000;
	if (verdict.used_ns > verdict.limit_ns) {
		verdict.busy_ns = now_ns;
		verdict.hold = true;
	} else if (now_ns - verdict.busy_ns >= policy->quiet_ns) {
		verdict.hold = false;
	}
	return verdict;
}
