// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policy files. What loads must keep to the bounds that the daemon relies on,
 * and be matched against a name in bounded time; what does not must say why.
 */
#include <stdlib.h>

#include "../../daemon/policy_conf.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void policy_judge(const struct policies *policies)
{
	const struct policy *policy = &policies->policies[0];
	u64 known = policies->nr_sets == POLICY_SETS_MAX ?
			    U64_MAX : BIT_ULL(policies->nr_sets) - 1;

	must(policies->nr_policies == 1);
	must(policy->stop && !(policy->stop & ~known));
	must(!(policy->during & ~known) && !(policy->during & policy->stop));
	must(policy->quantum_ns >= POLICY_QUANTUM_MIN_NS &&
	     policy->quantum_ns <= POLICY_QUANTUM_MAX_NS);
	must(policy->period_ns >= policy->quantum_ns &&
	     policy->period_ns <= POLICY_PERIOD_MAX_NS);
	must(policy->quiet_ns <= POLICY_PERIOD_MAX_NS);
}

static void policy_use(struct policies *policies)
{
	struct gi_process process = {
		.pid = 7, .uid = 33, .comm = "aaaaaaaaaaaaaa\xff",
	};
	u64 sets = policies_match_vm(policies, "web-1");

	must(!(policies_match(policies, sets, &process) & ~sets));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	struct policies *policies = policies_create();
	char *said = NULL;
	size_t size;
	FILE *errors = open_memstream(&said, &size);
	int result = policy_conf_add(policies, "/etc/monarch/x.conf",
				     (const char *)data, len, errors);

	fclose(errors);
	if (result) {
		must(size && said[size - 1] == '\n');
		/* fit for a terminal, whatever was in the file */
		for (size_t i = 0; i < size; i++)
			must(said[i] == '\n' ||
			     (said[i] >= 0x20 && said[i] <= 0x7e));
	} else {
		policy_judge(policies);
		policy_use(policies);
	}
	free(said);
	policies_destroy(policies);
	return 0;
}
