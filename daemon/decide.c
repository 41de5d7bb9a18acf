// SPDX-License-Identifier: GPL-2.0-only
/* See decide.h. */
#include "decide.h"

#include <stdlib.h>

static struct verdict decide_policy(const struct table *table,
				    const struct policy *policy,
				    const struct verdict *before, u64 now_ns)
{
	switch (policy->type) {
	case POLICY_IDLE:
		return policy_idle(table, policy, before, now_ns);
	}
	return (struct verdict){};
}

/* Room for all that could be wanted, so that nothing fails halfway. */
static int decision_reserve(struct decision *decision,
			    const struct table *table)
{
	struct wanted *wanted;
	const struct proc *proc;
	u32 nr = 0;

	TAILQ_FOREACH(proc, &table->members, member)
		nr++;
	if (nr <= decision->max_wanted)
		return 0;
	nr = max(nr, 2 * decision->max_wanted);
	wanted = reallocarray(decision->wanted, nr, sizeof(*wanted));
	if (!wanted)
		return -ENOMEM;
	decision->wanted = wanted;
	decision->max_wanted = nr;
	return 0;
}

/* The first policy that stops @proc, or nr_policies. */
static u32 decide_holder(const struct policies *policies,
			 const struct verdict *verdicts,
			 const struct proc *proc)
{
	for (u32 i = 0; i < policies->nr_policies; i++)
		if (verdicts[i].hold && (proc->sets & policies->policies[i].stop))
			return i;
	return policies->nr_policies;
}

int decide(const struct table *table, const struct policies *policies,
	   const struct verdict *before, u64 now_ns, struct decision *ret)
{
	struct verdict verdicts[POLICY_MAX] = {};
	struct proc *proc;

	if (decision_reserve(ret, table))
		return -ENOMEM;
	for (u32 i = 0; i < policies->nr_policies; i++)
		verdicts[i] = decide_policy(table, &policies->policies[i],
					    &before[i], now_ns);
	ret->nr_wanted = 0;
	TAILQ_FOREACH(proc, &table->members, member) {
		u32 holder = decide_holder(policies, verdicts, proc);

		if (holder == policies->nr_policies || !proc_stoppable(proc))
			continue;
		ret->wanted[ret->nr_wanted++] = (struct wanted){
			.proc = proc,
			.policy = holder,
		};
	}
	memcpy(ret->verdicts, verdicts, sizeof(verdicts));
	return 0;
}

void decision_deinit(struct decision *decision)
{
	free(decision->wanted);
	*decision = (struct decision){};
}
