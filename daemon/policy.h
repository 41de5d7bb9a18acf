/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policies, compiled. A file is one policy and the task sets that it names; all
 * files together are loaded or none is (struct policies is built beside the one
 * in force and replaces it whole).
 *
 * A regular expression must match the whole name, as if written ^(?:...)$, and
 * runs with limits: a guest chooses its names, and must not choose how long the
 * daemon thinks about them.
 */
#ifndef DAEMON_POLICY_H
#define DAEMON_POLICY_H

#include <stdio.h>

#include "../guestinfo/core/linux_task.h"

#define POLICY_MAX		32
#define POLICY_SETS_MAX		64	/* bits of a mask */
#define POLICY_NAME_LEN		64
#define POLICY_TEXT_LEN		256
#define POLICY_QUANTUM_MIN_NS	1000000ull
#define POLICY_QUANTUM_MAX_NS	1000000000ull
#define POLICY_PERIOD_MAX_NS	600000000000ull

struct policy_regex;

/**
 * struct policy_set - guest processes, by what they are
 * @vm, @process: NULL: any
 * @vm_text, @process_text: as written, "" if not
 * @has_uid, @uid: only of this user
 */
struct policy_set {
	char name[POLICY_NAME_LEN];
	struct policy_regex *vm;
	struct policy_regex *process;
	char vm_text[POLICY_TEXT_LEN];
	char process_text[POLICY_TEXT_LEN];
	bool has_uid, has_gid;
	u32 uid, gid;
};

enum policy_type { POLICY_IDLE };

/**
 * struct policy - one policy
 * @quantum_ns: how often it wants to decide
 * @period_ns: window over which it looks at CPU time
 * @threshold_ppm: of one CPU, in millionths
 * @quiet_ns: how long the others must be quiet before a resume
 * @stop: mask of sets to stop
 * @during: mask of sets whose work stops them; 0: all other processes
 */
struct policy {
	char name[POLICY_NAME_LEN];
	char file[POLICY_TEXT_LEN];
	enum policy_type type;
	u64 quantum_ns;
	u64 period_ns;
	u64 threshold_ppm;
	u64 quiet_ns;
	u64 stop;
	u64 during;
};

/**
 * struct policies - a complete set
 * @regex_limits: how often a match ran into its limits (then: no match)
 */
struct policies {
	struct policy policies[POLICY_MAX];
	struct policy_set sets[POLICY_SETS_MAX];
	u32 nr_policies;
	u32 nr_sets;
	u64 regex_limits;
};

struct policies *policies_create(void);
struct policies *policies_destroy(struct policies *policies);

/* The smallest quantum asked for, @otherwise if there is no policy. */
u64 policies_quantum(const struct policies *policies, u64 otherwise);

/* The longest window (period or quiet time) asked for. */
u64 policies_window(const struct policies *policies);

/*
 * Whether policy @i of @a is policy @j of @b: of the same file, with the same
 * settings and the same sets.
 */
bool policies_same(const struct policies *a, u32 i, const struct policies *b,
		   u32 j);

/* Sets that can match in VM @name. */
u64 policies_match_vm(struct policies *policies, const char *name);

/* Those of @candidates that @process is in. */
u64 policies_match(struct policies *policies, u64 candidates,
		   const struct gi_process *process);

const char *policy_type_name(enum policy_type type);

/* Regular expressions (policy_match.c). */

/**
 * policy_regex_compile() - compile @text
 * @why: what is wrong with it, one line; @ret_at: the offset
 * Return: the expression, or NULL.
 */
struct policy_regex *policy_regex_compile(const char *text, char *why,
					  size_t why_size, size_t *ret_at);
struct policy_regex *policy_regex_destroy(struct policy_regex *regex);

/* Return: 1 all of @name matches, 0 it does not, -E2BIG a limit was hit. */
int policy_regex_match(const struct policy_regex *regex, const char *name,
		       size_t len);

#endif /* DAEMON_POLICY_H */
