// SPDX-License-Identifier: GPL-2.0-only
/* See snapshot.h. */
#include "snapshot.h"

#include <stdlib.h>

int snapshot_reserve(struct gi_snapshot *snapshot, u32 processes, u32 threads)
{
	/* For guests whose RAM is not mapped here, see linux_task.h. */
	if (!snapshot->scratch)
		snapshot->scratch = malloc(GI_TASK_SPAN_MAX);
	if (!snapshot->scratch)
		return -ENOMEM;
	if (snapshot->max_processes < processes) {
		void *more = reallocarray(snapshot->processes, processes,
					  sizeof(*snapshot->processes));
		if (!more)
			return -ENOMEM;
		snapshot->processes = more;
		snapshot->max_processes = processes;
	}
	if (snapshot->max_threads < threads) {
		void *more = reallocarray(snapshot->threads, threads,
					  sizeof(*snapshot->threads));
		if (!more)
			return -ENOMEM;
		snapshot->threads = more;
		snapshot->max_threads = threads;
	}
	return 0;
}

void snapshot_deinit(struct gi_snapshot *snapshot)
{
	free(snapshot->processes);
	free(snapshot->threads);
	free(snapshot->scratch);
	*snapshot = (struct gi_snapshot){};
}
