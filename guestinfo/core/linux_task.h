/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The processes and threads of a running Linux guest.
 *
 * A walk reads a live guest: lists change under it. It follows init_task.tasks
 * and each process's signal->thread_head, checks that every node's prev is the
 * node it came from, and starts again when that fails; after
 * GI_WALK_TRIES it reports -EUCLEAN and keeps nothing. Every process and
 * thread costs budget; a list that does not end costs no more than that.
 *
 * Most tasks of most guests sleep. A task whose sum_exec_runtime did not move
 * and that is not on a CPU, now or at the previous walk, has executed nothing
 * in between; so what only a task itself changes (its name, credentials,
 * address space, threads, times) is as it was, and is taken over from the
 * previous snapshot: seven cache lines instead of fifteen. What others change
 * (scheduler state, parent, stop marks) is always read. The rare foreign change
 * of the rest (a sibling writing /proc/PID/comm) is picked up because one walk in
 * GI_WALK_FRESH reads each record in full.
 */
#ifndef GUESTINFO_CORE_LINUX_TASK_H
#define GUESTINFO_CORE_LINUX_TASK_H

#include "kernel.h"

#define GI_COMM_LEN	16
#define GI_WALK_TRIES	8
#define GI_WALK_FRESH	128
#define GI_TASK_SPAN_MAX	16384

/* Linux's PF_* that matter here (include/linux/sched.h, unchanged 5.10..7.2). */
#define GI_PF_EXITING	0x00000004u
#define GI_PF_KTHREAD	0x00200000u

/**
 * struct gi_thread - one thread (task_struct)
 * @task: its gva; with @start_time its identity
 * @runtime_ns: se.sum_exec_runtime; up to a tick stale while it runs
 * @utime_ns, @stime_ns: the guest's own sampled figures
 * @start_time: ns of the guest's monotonic clock
 * @state: __state (0 running)
 * @process: index of its process in the snapshot
 */
struct gi_thread {
	u64 task;
	u64 start_time;
	u64 runtime_ns;
	u64 utime_ns;
	u64 stime_ns;
	u32 pid;
	u32 state;
	u32 flags;
	u32 cpu;
	u32 process;
	u8 on_cpu;
	u8 on_rq;
	u8 exit_state;
	u8 stopped;		/* enum gi_stop_state, linux_stop.h */
};

/**
 * struct gi_process - one process (thread group)
 * @task: gva of the leader; with @start_time its identity
 * @runtime_ns: of all live threads plus signal->sum_sched_runtime (the dead)
 * @pgd: gpa of its page-table root, 0 for kernel threads
 * @first_thread, @nr_threads: its run in the snapshot's threads, leader first
 * @comm: NUL-terminated, any bytes the guest likes
 */
struct gi_process {
	u64 task;
	u64 start_time;
	u64 runtime_ns;
	u64 utime_ns;
	u64 stime_ns;
	u64 pgd;
	u64 mm;
	u64 signal;
	u64 cred;
	u64 parent_task;
	u32 pid;		/* = tgid */
	u32 parent;		/* tgid of real_parent */
	u32 uid;
	u32 gid;
	u32 state;		/* the leader's */
	u32 flags;
	u32 first_thread;
	u32 nr_threads;
	u8 exit_state;
	u8 stopped;		/* enum gi_stop_state: the weakest of its threads */
	char comm[GI_COMM_LEN];
};

/**
 * struct gi_snapshot - all processes at about one moment
 * @processes, @threads: the caller's arrays with their capacities @max_*
 * @complete: false when the arrays or the budget were too small: what is
 *	there is right, but not all
 * @scratch: GI_TASK_SPAN_MAX bytes, or NULL. Where guest RAM is not mapped, a
 *	task is then fetched with one read instead of one per field
 * @sequence: counts walks; decides which quiet records are read afresh
 * @restarts: how often the list was found changing
 * @reused: processes whose unchanging facts came from the previous snapshot
 */
struct gi_snapshot {
	struct gi_process *processes;
	struct gi_thread *threads;
	u8 *scratch;
	u32 sequence;
	u32 nr_processes, max_processes;
	u32 nr_threads, max_threads;
	u32 running[GI_MAX_CPUS];	/* guess: index of each CPU's thread */
	u32 restarts;
	u32 reused;
	bool complete;
};

/**
 * gi_linux_walk() - read all processes and threads
 * @prev: the snapshot before, or NULL. Guides prefetching and supplies what
 *	did not change (see above). Must not be @snap.
 * @budget: processes plus threads to visit at most
 * Return: 0 (see @complete); -ENOENT a required member is not in the layout;
 * -EINVAL a member's offset in the layout is not aligned as its type is;
 * -EUCLEAN the lists contradict themselves at each of GI_WALK_TRIES tries;
 * -EFAULT or -ENXIO init_task itself cannot be read.
 */
int __must_check gi_linux_walk(const struct gi_kernel *kernel,
			       const struct gi_snapshot *prev,
			       struct gi_snapshot *snap, u32 budget);

/**
 * struct gi_activity - how to tell cheaply that nothing ran
 * @switches: per CPU, rq->nr_switches
 * @curr: per CPU, the running task
 */
struct gi_activity {
	u64 switches[GI_MAX_CPUS];
	u64 curr[GI_MAX_CPUS];
	u64 forks;
	u64 nr_threads;
	u32 nr_cpus;
	bool valid;
};

/*
 * Read the guest's activity counters: O(CPUs).
 * Return: 0; -ENOENT (layout); -ESTALE other CPUs are online than when the
 * kernel was found, so that theirs would be missing; or a read error. ret->valid
 * says the same.
 */
int __must_check gi_linux_activity(const struct gi_kernel *kernel,
				   struct gi_activity *ret);

/**
 * gi_linux_refresh() - bring a snapshot up to date where nothing was scheduled
 * Between two equal activities (gi_activity_same()) only the tasks that were
 * and are current have executed: re-reads just them, O(CPUs). Scheduler states
 * of the others (woken, but not yet run) stay as of the last walk.
 * Return: 0; -ESTALE one of them is not in the snapshot or changed beyond
 * this: walk instead; -ENOENT the layout lacks something.
 */
int __must_check gi_linux_refresh(const struct gi_kernel *kernel,
				  const struct gi_activity *activity,
				  struct gi_snapshot *snap);

bool gi_activity_same(const struct gi_activity *a, const struct gi_activity *b);

/* Whether the layout has what the walk needs; names the first missing fact. */
bool gi_linux_walk_supported(const struct gi_layout *layout, u32 *ret_missing);

#endif /* GUESTINFO_CORE_LINUX_TASK_H */
