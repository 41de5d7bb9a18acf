/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sampling a guest by walking its memory from here. Where the guest's counters
 * say that nothing was scheduled since the last look, only the tasks on its CPUs
 * are read again; else all are walked.
 */
#ifndef DAEMON_WALK_H
#define DAEMON_WALK_H

#include "backend.h"

#define WALK_MAX_PROCESSES	32768u
#define WALK_MAX_THREADS	65536u

/**
 * struct walk - a guest under observation
 * @kernel: borrowed; NULL: none
 * @current: which of @snapshots is valid, if @valid
 * @activity: as of that snapshot
 * @running: per CPU, index of the running process in it, if @has_running
 */
struct walk {
	const struct gi_kernel *kernel;
	struct gi_snapshot snapshots[2];
	u32 current;
	bool valid;
	struct gi_activity activity;
	u32 running[GI_MAX_CPUS];
	bool has_running;
};

/* As backend_ops.set_guest(). */
void walk_set_guest(struct walk *walk, const struct gi_kernel *kernel);

/* As backend_ops.sample(). */
int walk_sample(struct walk *walk, bool full, struct backend_sample *ret);

#endif /* DAEMON_WALK_H */
