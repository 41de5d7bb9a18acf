// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which sets a process is in. PCRE2, whole names, bytes (a guest's names need
 * not be UTF-8), with limits on steps, depth and memory. A match that hits a
 * limit is no match, and is counted.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "policy.h"

#define REGEX_MATCH_LIMIT	20000
#define REGEX_MATCH_PER_BYTE	250	/* a guest's names are short */
#define REGEX_DEPTH_LIMIT	500
#define REGEX_HEAP_KIB		256
#define REGEX_PATTERN_LEN	200
#define REGEX_NEST_LIMIT	20

struct policy_regex {
	pcre2_code *code;
	pcre2_match_context *context;
	pcre2_match_data *data;
};

static pcre2_code *regex_code(const char *text, int *ret_error,
			      PCRE2_SIZE *ret_at)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	pcre2_code *code;

	if (!context) {
		*ret_error = PCRE2_ERROR_NOMEMORY;
		*ret_at = 0;
		return NULL;
	}
	pcre2_set_max_pattern_length(context, REGEX_PATTERN_LEN);
	pcre2_set_parens_nest_limit(context, REGEX_NEST_LIMIT);
	code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
			     PCRE2_ANCHORED | PCRE2_ENDANCHORED |
			     PCRE2_NEVER_BACKSLASH_C,
			     ret_error, ret_at, context);
	pcre2_compile_context_free(context);
	return code;
}

static bool regex_prepare(struct policy_regex *regex)
{
	regex->context = pcre2_match_context_create(NULL);
	regex->data = pcre2_match_data_create_from_pattern(regex->code, NULL);
	if (!regex->context || !regex->data)
		return false;
	pcre2_set_depth_limit(regex->context, REGEX_DEPTH_LIMIT);
	pcre2_set_heap_limit(regex->context, REGEX_HEAP_KIB);
	return true;
}

struct policy_regex *policy_regex_compile(const char *text, char *why,
					  size_t why_size, size_t *ret_at)
{
	struct policy_regex *regex = calloc(1, sizeof(*regex));
	int error = PCRE2_ERROR_NOMEMORY;
	PCRE2_SIZE at = 0;

	if (regex)
		regex->code = regex_code(text, &error, &at);
	if (!regex || !regex->code || !regex_prepare(regex)) {
		pcre2_get_error_message(error, (PCRE2_UCHAR *)why, why_size);
		*ret_at = at;
		return policy_regex_destroy(regex);
	}
	return regex;
}

struct policy_regex *policy_regex_destroy(struct policy_regex *regex)
{
	if (!regex)
		return NULL;
	pcre2_match_data_free(regex->data);
	pcre2_match_context_free(regex->context);
	pcre2_code_free(regex->code);
	free(regex);
	return NULL;
}

int policy_regex_match(const struct policy_regex *regex, const char *name,
		       size_t len)
{
	u32 limit = min(REGEX_MATCH_PER_BYTE * ((u32)len + 1), REGEX_MATCH_LIMIT);
	int result;

	pcre2_set_match_limit(regex->context, limit);
	result = pcre2_match(regex->code, (PCRE2_SPTR)name, len, 0, 0,
			     regex->data, regex->context);
	if (result >= 0)
		return 1;
	return result == PCRE2_ERROR_NOMATCH ? 0 : -E2BIG;
}

static bool regex_fits(struct policies *policies,
		       const struct policy_regex *regex, const char *name,
		       size_t len)
{
	int result = regex ? policy_regex_match(regex, name, len) : 1;

	if (result < 0)
		policies->regex_limits++;
	return result == 1;
}

u64 policies_match_vm(struct policies *policies, const char *name)
{
	u64 sets = 0;

	for (u32 i = 0; i < policies->nr_sets; i++)
		if (regex_fits(policies, policies->sets[i].vm, name,
			       strlen(name)))
			sets |= BIT_ULL(i);
	return sets;
}

/*
 * A kernel thread is in a set only where its name is asked for: a set that is
 * a whole VM means the programs in it.
 */
static bool set_has(struct policies *policies, const struct policy_set *set,
		    const struct gi_process *process)
{
	bool kernel = !process->pid || (process->flags & GI_PF_KTHREAD);

	if (kernel && !set->process)
		return false;
	if (set->has_uid && set->uid != process->uid)
		return false;
	if (set->has_gid && set->gid != process->gid)
		return false;
	return regex_fits(policies, set->process, process->comm,
			  strnlen(process->comm, sizeof(process->comm)));
}

u64 policies_match(struct policies *policies, u64 candidates,
		   const struct gi_process *process)
{
	u64 sets = 0;

	for (u32 i = 0; i < policies->nr_sets; i++)
		if ((candidates & BIT_ULL(i)) &&
		    set_has(policies, &policies->sets[i], process))
			sets |= BIT_ULL(i);
	return sets;
}
