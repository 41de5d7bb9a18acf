/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page that every load process keeps at the same virtual address, so that
 * the host can read from outside what the process has done. A forked child has
 * a page of its own (private mapping), threads share their process's page.
 */
#ifndef TEST_GUEST_INSIDE_LOAD_H
#define TEST_GUEST_INSIDE_LOAD_H

#include <stdint.h>

#define LOAD_PAGE_VA 0x5eed0000UL
#define LOAD_MAGIC 0x4d4f4e4c4f414431ULL	/* "MONLOAD1" */
#define LOAD_COUNTERS 64

/**
 * struct load_page - what a load process says of itself
 * @magic: LOAD_MAGIC as soon as the rest is valid
 * @pid: its pid as it sees it
 * @counter: [0] rounds of the main thread, [i] of thread i
 * @eintr: system calls that came back with EINTR
 * @errors: results that can not be; 0 unless something is broken
 * @signals: signals delivered (SIGCHLD for stopwatch, SIGALRM for sigtimer)
 * @mode: the mode's name
 */
struct load_page {
	uint64_t magic;
	uint64_t pid;
	volatile uint64_t counter[LOAD_COUNTERS];
	volatile uint64_t eintr;
	volatile uint64_t errors;
	volatile uint64_t signals;
	char mode[16];
};

#endif /* TEST_GUEST_INSIDE_LOAD_H */
