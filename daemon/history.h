/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much CPU time a process used in the recent past.
 *
 * A sample is an interval and the CPU used until its end, and is taken only when
 * the process used any, so a sleeping process costs nothing. A window that begins
 * within an interval gets its share of it: a VM that is read once a second did
 * not do the work of that second in the last window. Samples older than the
 * longest window that anybody asks for are folded into @base_ns.
 *
 * A history that is full joins neighbours into one sample where that is no more
 * than a 64th of their age: so much of its length is the error of a window. That
 * way ten minutes of a process that always works fit, and its last second is as
 * fine as the quanta were.
 *
 * All histories share a pool that bounds their memory. A guest with very many
 * busy processes gets coarser and shorter histories, not our memory; but none so
 * short that the process is not seen.
 */
#ifndef DAEMON_HISTORY_H
#define DAEMON_HISTORY_H

#include "../guestinfo/core/env.h"

struct history_sample {
	u64 start_ns;
	u64 time_ns;
	u64 used_ns;
};

/**
 * struct history_pool - memory of all histories together
 * @samples: allocated now
 * @max_samples: bound; only a history's first few are allowed beyond it
 * @cut: times that samples were dropped early, or joined too coarsely
 */
struct history_pool {
	u64 samples;
	u64 max_samples;
	u64 cut;
};

/**
 * struct history - a ring of samples, oldest at @first
 * @capacity: a power of two, or 0
 * @base_ns: CPU used before the oldest sample's interval
 */
struct history {
	struct history_sample *samples;
	u32 capacity;
	u32 first;
	u32 nr;
	u64 base_ns;
};

/**
 * history_add() - note that @used_ns had been used by @time_ns
 * None of the figures decreases. @start_ns: what is new was used after it.
 * @keep_ns: windows longer than this are not asked for.
 */
void history_add(struct history *history, struct history_pool *pool,
		 u64 start_ns, u64 time_ns, u64 used_ns, u64 keep_ns);

/* CPU time used after @from_ns; of an interval around it, in proportion. */
u64 history_used(const struct history *history, u64 from_ns);

/* When the last sample was taken, 0 if never. */
u64 history_last(const struct history *history);

void history_deinit(struct history *history, struct history_pool *pool);

#endif /* DAEMON_HISTORY_H */
