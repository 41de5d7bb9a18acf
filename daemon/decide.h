/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What should run: a pure function of the process table with its history, the
 * policies, what they said last time, and the time. It reads nothing else and
 * changes nothing, so the daemon, tests and simulations call the same code.
 *
 * A process runs only if no policy stops it.
 */
#ifndef DAEMON_DECIDE_H
#define DAEMON_DECIDE_H

#include "policy.h"
#include "table.h"

/**
 * struct verdict - what one policy says, with its figures
 * @hold: it stops its sets
 * @busy_ns: when its condition last held, 0 never
 * @used_ns: CPU time of the others in its window
 * @limit_ns: more than this stops
 */
struct verdict {
	bool hold;
	u64 busy_ns;
	u64 used_ns;
	u64 limit_ns;
};

/* One process to be stopped, and the first policy that says so. */
struct wanted {
	struct proc *proc;
	u32 policy;
};

/**
 * struct decision - the outcome
 * @verdicts: by policy; the next decision starts from them
 * @wanted: grows as needed, reused from decision to decision
 */
struct decision {
	struct verdict verdicts[POLICY_MAX];
	struct wanted *wanted;
	u32 nr_wanted, max_wanted;
};

/**
 * decide() - decide
 * @before: verdicts of the last decision under the same policies (POLICY_MAX
 *	of them, zero at first)
 * Return: 0, or -ENOMEM: @ret then is unchanged.
 */
int decide(const struct table *table, const struct policies *policies,
	   const struct verdict *before, u64 now_ns, struct decision *ret);

void decision_deinit(struct decision *decision);

/* policy_idle.c */
struct verdict policy_idle(const struct table *table,
			   const struct policy *policy,
			   const struct verdict *before, u64 now_ns);

#endif /* DAEMON_DECIDE_H */
