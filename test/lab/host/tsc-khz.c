// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints how many thousand times a second this machine's time stamp counter
 * counts. An emulated machine has the same one, and on a busy host it can not find
 * its rate by itself: it gets it wrong by factors, and all its time with it.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define WINDOW_NS	30000000

/* One moment, by both clocks. */
struct moment {
	uint64_t tsc;
	uint64_t ns;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* The best of a few tries: between two of them we may be put aside. */
static struct moment look(void)
{
	struct moment best = { 0 };
	uint64_t shortest = UINT64_MAX, before, after;
	int i;

	for (i = 0; i < 20; i++) {
		uint64_t ns;

		before = __rdtsc();
		ns = now_ns();
		after = __rdtsc();
		if (after - before < shortest) {
			shortest = after - before;
			best = (struct moment){ before + shortest / 2, ns };
		}
	}
	return best;
}

int main(void)
{
	struct moment first = look(), last;

	while (now_ns() - first.ns < WINDOW_NS)
		;
	last = look();
	printf("%.0f\n", (last.tsc - first.tsc) * 1e6 / (last.ns - first.ns));
	return 0;
}
