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

const char *policy_type_name(enum policy_type type)
{
	switch (type) {
	case POLICY_IDLE:
		return "idle";
	}
	return "?";
}
