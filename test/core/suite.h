/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The suite of guestinfo/core: the same cases in user space (main.c) and inside
 * a kernel module (test/kbuild). A case is a function that returns true; CHECK()
 * reports the first thing that is not so and ends the case.
 */
#ifndef TEST_CORE_SUITE_H
#define TEST_CORE_SUITE_H

#include "../../guestinfo/core/env.h"

struct suite_case {
	const char *name;
	bool (*run)(void);
};

extern const struct suite_case cases_edit[], cases_memory[], cases_pgtable[],
	cases_stop[], cases_task[];

/* Supplied by whoever runs the suite. */
void suite_report(const char *text, const char *file, int line);

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			suite_report(#condition, __FILE__, __LINE__); \
			return false; \
		} \
	} while (0)

void suite_run(u32 *ret_passed, u32 *ret_failed);

/* A small generator, so that a failing property test fails again. */
static inline u32 suite_random(u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(*state >> 33);
}

#endif /* TEST_CORE_SUITE_H */
