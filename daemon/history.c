// SPDX-License-Identifier: GPL-2.0-only
/* See history.h. */
#include "history.h"

#include <stdlib.h>

#define HISTORY_FIRST_CAPACITY	8
#define HISTORY_MAX_CAPACITY	1024
#define HISTORY_FINENESS	64

static struct history_sample *history_at(const struct history *history, u32 i)
{
	return &history->samples[(history->first + i) & (history->capacity - 1)];
}

static void history_drop(struct history *history)
{
	history->base_ns = history_at(history, 0)->used_ns;
	history->first = (history->first + 1) & (history->capacity - 1);
	history->nr--;
}

static bool history_grow(struct history *history, struct history_pool *pool)
{
	u32 capacity = history->capacity ? 2 * history->capacity :
					   HISTORY_FIRST_CAPACITY;
	struct history_sample *samples;

	if (capacity > HISTORY_MAX_CAPACITY)
		return false;
	if (history->capacity &&
	    pool->samples + capacity - history->capacity > pool->max_samples)
		return false;
	samples = calloc(capacity, sizeof(*samples));
	if (!samples)
		return false;
	for (u32 i = 0; i < history->nr; i++)
		samples[i] = *history_at(history, i);
	free(history->samples);
	pool->samples += capacity - history->capacity;
	history->samples = samples;
	history->capacity = capacity;
	history->first = 0;
	return true;
}

/* Join neighbours as long as the joint sample is short for its age. */
static void history_join(struct history *history, u64 now_ns, u64 fineness)
{
	u32 last = 0;

	for (u32 i = 1; i < history->nr; i++) {
		const struct history_sample *sample = history_at(history, i);
		struct history_sample *into = history_at(history, last);

		if (sample->time_ns - into->start_ns >
		    (now_ns - sample->time_ns) / fineness) {
			*history_at(history, ++last) = *sample;
			continue;
		}
		into->time_ns = sample->time_ns;
		into->used_ns = sample->used_ns;
	}
	history->nr = last + 1;
}

/* Make room in a history that is full and cannot grow. */
static void history_fold(struct history *history, struct history_pool *pool,
			 u64 now_ns)
{
	u64 fineness = HISTORY_FINENESS;

	history_join(history, now_ns, fineness);
	if (history->nr < history->capacity)
		return;
	pool->cut++;
	while (history->nr == history->capacity && (fineness /= 2))
		history_join(history, now_ns, fineness);
	if (history->nr == history->capacity)
		history_drop(history);
}

void history_add(struct history *history, struct history_pool *pool,
		 u64 start_ns, u64 time_ns, u64 used_ns, u64 keep_ns)
{
	while (history->nr &&
	       history_at(history, 0)->time_ns + keep_ns <= time_ns)
		history_drop(history);
	if (history->nr == history->capacity && !history_grow(history, pool)) {
		if (!history->capacity) {
			history->base_ns = used_ns;
			return;
		}
		history_fold(history, pool, time_ns);
	}
	*history_at(history, history->nr++) = (struct history_sample){
		.start_ns = min(start_ns, time_ns),
		.time_ns = time_ns,
		.used_ns = used_ns,
	};
}

/* How much of @used_ns, used in @sample's interval, was so by @from_ns. */
static u64 history_share(const struct history_sample *sample, u64 used_ns,
			 u64 from_ns)
{
	if (from_ns <= sample->start_ns)
		return 0;
	return (u64)((unsigned __int128)used_ns * (from_ns - sample->start_ns) /
		     (sample->time_ns - sample->start_ns));
}

u64 history_used(const struct history *history, u64 from_ns)
{
	u32 low = 0, high = history->nr;
	u64 before;

	if (!history->nr)
		return 0;
	/* low: how many samples lie at or before from_ns */
	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (history_at(history, middle)->time_ns <= from_ns)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == history->nr)
		return 0;
	before = low ? history_at(history, low - 1)->used_ns : history->base_ns;
	before += history_share(history_at(history, low),
				history_at(history, low)->used_ns - before,
				from_ns);
	return history_at(history, history->nr - 1)->used_ns - before;
}

u64 history_last(const struct history *history)
{
	return history->nr ? history_at(history, history->nr - 1)->time_ns : 0;
}

void history_deinit(struct history *history, struct history_pool *pool)
{
	free(history->samples);
	pool->samples -= history->capacity;
	*history = (struct history){};
}
