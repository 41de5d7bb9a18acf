// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of known constants. An entry is no version test: it says which
 * member's existence proves the value, and without that member the constant
 * is unknown.
 */
#include "table.h"

struct proof {
	const char *name;
	const char *member;
};

/*
 * TASK_WAKING is 0x200 since Linux kernel commit 8ef9925b02c2 ("sched/debug:
 * Add explicit TASK_PARKED printing") (in v4.14), 0x100 before. Both members
 * below are younger: wake_entry became a __call_single_node (with u_flags) in
 * v5.8, state became __state in v5.14. It held in all guests tried, 5.10 to 7.2.
 */
static const struct proof task_waking_proofs[] = {
	{ "task_struct", "__state" },
	{ "task_struct", "wake_entry.u_flags" },
};

int table_task_waking(struct types *types, u64 *ret)
{
	const struct proof *proof = task_waking_proofs;
	struct type_member member;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(task_waking_proofs); i++, proof++) {
		if (types->ops->member(types, proof->name, proof->member,
				       &member) < 0)
			continue;
		*ret = 0x200;
		return 0;
	}
	return -ENOENT;
}
