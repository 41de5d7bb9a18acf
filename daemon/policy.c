// SPDX-License-Identifier: GPL-2.0-only
/* See policy.h. */
#include "policy.h"

#include <stdlib.h>

struct policies *policies_create(void)
{
	return calloc(1, sizeof(struct policies));
}

struct policies *policies_destroy(struct policies *policies)
{
	if (!policies)
		return NULL;
	for (u32 i = 0; i < policies->nr_sets; i++) {
		policy_regex_destroy(policies->sets[i].vm);
		policy_regex_destroy(policies->sets[i].process);
	}
	free(policies);
	return NULL;
}

u64 policies_quantum(const struct policies *policies, u64 otherwise)
{
	u64 quantum = U64_MAX;

	for (u32 i = 0; i < policies->nr_policies; i++)
		quantum = min(quantum, policies->policies[i].quantum_ns);
	return quantum == U64_MAX ? otherwise : quantum;
}

u64 policies_window(const struct policies *policies)
{
	u64 window = 0;

	for (u32 i = 0; i < policies->nr_policies; i++)
		window = max(window, policies->policies[i].period_ns);
	return window;
}

static bool set_same(const struct policy_set *a, const struct policy_set *b)
{
	return !strcmp(a->name, b->name) && !strcmp(a->vm_text, b->vm_text) &&
	       !strcmp(a->process_text, b->process_text) &&
	       a->has_uid == b->has_uid && a->uid == b->uid &&
	       a->has_gid == b->has_gid && a->gid == b->gid;
}

static bool masks_same(const struct policies *a, u64 a_mask,
		       const struct policies *b, u64 b_mask)
{
	for (; a_mask && b_mask; a_mask &= a_mask - 1, b_mask &= b_mask - 1)
		if (!set_same(&a->sets[__builtin_ctzll(a_mask)],
			      &b->sets[__builtin_ctzll(b_mask)]))
			return false;
	return !a_mask && !b_mask;
}

bool policies_same(const struct policies *a, u32 i, const struct policies *b,
		   u32 j)
{
	const struct policy *p = &a->policies[i], *q = &b->policies[j];

	return !strcmp(p->file, q->file) && p->type == q->type &&
	       p->quantum_ns == q->quantum_ns &&
	       p->period_ns == q->period_ns &&
	       p->threshold_ppm == q->threshold_ppm &&
	       p->quiet_ns == q->quiet_ns &&
	       masks_same(a, p->stop, b, q->stop) &&
	       masks_same(a, p->during, b, q->during);
}

const char *policy_type_name(enum policy_type type)
{
	switch (type) {
	case POLICY_IDLE:
		return "idle";
	}
	return "?";
}
