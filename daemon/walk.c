// SPDX-License-Identifier: GPL-2.0-only
/* See walk.h. */
#include "walk.h"

#include "snapshot.h"

#define WALK_FIRST_PROCESSES	1024u
#define WALK_FIRST_THREADS	2048u

void walk_set_guest(struct walk *walk, const struct gi_kernel *kernel)
{
	if (kernel && kernel == walk->kernel) {
		walk->activity.valid = false;
		walk->has_running = false;
		return;
	}
	for (u32 i = 0; i < 2; i++)
		snapshot_deinit(&walk->snapshots[i]);
	*walk = (struct walk){ .kernel = kernel };
}

static bool walk_full_grown(const struct gi_snapshot *snapshot)
{
	return snapshot->max_processes >= WALK_MAX_PROCESSES &&
	       snapshot->max_threads >= WALK_MAX_THREADS;
}

static int walk_read(struct walk *walk, struct gi_snapshot *next)
{
	const struct gi_snapshot *last = &walk->snapshots[walk->current];

	return gi_linux_walk(walk->kernel, walk->valid ? last : NULL, next,
			     next->max_processes + next->max_threads);
}

/* Walk into the spare snapshot, with more room as long as it is too small. */
static int walk_all(struct walk *walk)
{
	struct gi_snapshot *next = &walk->snapshots[!walk->current];
	const struct gi_snapshot *last = &walk->snapshots[walk->current];
	int error = snapshot_reserve(next,
				     max(last->max_processes, WALK_FIRST_PROCESSES),
				     max(last->max_threads, WALK_FIRST_THREADS));

	if (!error)
		error = walk_read(walk, next);
	while (!error && !next->complete && !walk_full_grown(next)) {
		error = snapshot_reserve(next,
					 min(4 * next->max_processes, WALK_MAX_PROCESSES),
					 min(4 * next->max_threads, WALK_MAX_THREADS));
		if (!error)
			error = walk_read(walk, next);
	}
	if (error)
		return error;
	walk->current = !walk->current;
	walk->valid = true;
	walk->has_running = false;
	return 0;
}

/* Which process is on which CPU; the same until the next walk. */
static void walk_find_running(struct walk *walk,
			      const struct gi_activity *activity)
{
	const struct gi_snapshot *snapshot = &walk->snapshots[walk->current];

	for (u32 cpu = 0; cpu < activity->nr_cpus; cpu++) {
		walk->running[cpu] = U32_MAX;
		for (u32 i = 0; i < snapshot->nr_threads; i++)
			if (snapshot->threads[i].task == activity->curr[cpu])
				walk->running[cpu] = snapshot->threads[i].process;
	}
	walk->has_running = true;
}

static void walk_put_running(struct walk *walk,
			     const struct gi_activity *activity,
			     struct backend_sample *ret)
{
	const struct gi_snapshot *snapshot = &walk->snapshots[walk->current];

	if (!walk->has_running)
		walk_find_running(walk, activity);
	for (u32 cpu = 0; cpu < activity->nr_cpus; cpu++)
		if (walk->running[cpu] < snapshot->nr_processes)
			ret->running[ret->nr_running++] = walk->running[cpu];
}

static bool walk_is_quiet(const struct walk *walk,
			  const struct gi_activity *activity)
{
	return walk->valid && activity->valid && walk->activity.valid &&
	       walk->snapshots[walk->current].complete &&
	       gi_activity_same(activity, &walk->activity);
}

int walk_sample(struct walk *walk, bool full, struct backend_sample *ret)
{
	struct gi_activity activity = {};
	int error = gi_linux_activity(walk->kernel, &activity);

	ret->nr_running = 0;
	ret->all = false;
	ret->other_cpus = error == -ESTALE;
	/* no counters in the layout, or CPU hotplug: walk every time */
	if (error == -ENOENT || error == -ESTALE)
		activity.valid = false;
	else if (error)
		return error;
	error = full || !walk_is_quiet(walk, &activity) ? -ESTALE :
		gi_linux_refresh(walk->kernel, &activity,
				 &walk->snapshots[walk->current]);
	if (!error) {
		walk_put_running(walk, &activity, ret);
	} else if (error == -ESTALE) {
		walk->activity.valid = false;
		error = walk_all(walk);
		if (!error)
			walk->activity = activity;
		ret->all = true;
	}
	ret->snapshot = &walk->snapshots[walk->current];
	return error;
}
