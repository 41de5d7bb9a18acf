/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's clock, CLOCK_MONOTONIC; and what the calling thread consumed. */
#ifndef DAEMON_CLOCK_H
#define DAEMON_CLOCK_H

#include <time.h>

#include "../guestinfo/core/env.h"

#define NS_PER_US	1000ull
#define NS_PER_MS	1000000ull
#define NS_PER_S	1000000000ull

static inline u64 clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec;
}

static inline u64 clock_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec;
}

static inline u64 clock_ms(void)
{
	return clock_ns() / NS_PER_MS;
}

#endif /* DAEMON_CLOCK_H */
