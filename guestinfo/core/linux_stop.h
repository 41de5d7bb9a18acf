/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stopping and resuming a Linux process from outside.
 *
 * Methods, chosen by what the guest's kernel has:
 *  - freezer trap (task_struct has "frozen", Linux >= 5.2): JOBCTL_TRAP_FREEZE
 *    and TIF_SIGPENDING on every thread; each parks by itself on its way to
 *    user mode. Resume clears the bit and wakes parked threads through the
 *    guest's own cross-CPU call queue.
 *  - silent group stop (older, >= 3.1): JOBCTL_STOP_PENDING without
 *    JOBCTL_STOP_CONSUME; parks in TASK_STOPPED with no SIGCHLD.
 *
 * What is stopped can be told from guest memory alone (gi_stop_state), so an
 * orphan of a dead host is found and freed.
 *
 * Plans must be made and applied under one hold: they assume that the guest
 * does not run between the two, and the comparisons prove it.
 */
#ifndef GUESTINFO_CORE_LINUX_STOP_H
#define GUESTINFO_CORE_LINUX_STOP_H

#include "edit.h"
#include "linux_task.h"

enum gi_stop_method {
	GI_STOP_NONE,		/* the layout does not allow any */
	GI_STOP_FREEZER,
	GI_STOP_SILENT,
};

/*
 * How far a thread is stopped, weakest first: a process is as stopped as its
 * least stopped live thread.
 */
enum gi_stop_state {
	GI_RUNS,		/* not marked */
	GI_WAKING,		/* unmarked, still parked: to be woken */
	GI_STOPPING,		/* marked and runnable: on its way to the trap */
	GI_ASLEEP,		/* marked while asleep in the kernel: parks when it
				 * wakes, before any user instruction */
	GI_PARKED,		/* in the trap; executes nothing */
	GI_GUEST_FROZEN,	/* the guest's own freezer has it, not us */
};

/* Whether a state is our doing, so that resuming is ours to do too. */
static inline bool gi_stop_is_ours(u8 state)
{
	return state > GI_RUNS && state < GI_GUEST_FROZEN;
}

#define GI_JOBCTL_STOP_PENDING	BIT_ULL(17)
#define GI_JOBCTL_STOP_CONSUME	BIT_ULL(18)
#define GI_JOBCTL_TRAP_FREEZE	BIT_ULL(23)	/* since 5.2 */
#define GI_JOBCTL_STOPPED	BIT_ULL(26)	/* since 6.0 */
#define GI_TASK_INTERRUPTIBLE	0x0001u
#define GI_TASK_STOPPED		0x0004u

/* What classifying a thread takes, each read once. */
struct gi_stop_facts {
	u64 jobctl;
	u32 state;
	u8 on_cpu;
	u8 on_rq;
	u8 frozen;
};

/* Quick test: can the thread be anything but GI_RUNS? */
static inline bool gi_stop_marked(const struct gi_stop_facts *facts)
{
	return facts->frozen || (facts->state & GI_TASK_STOPPED) ||
	       (facts->jobctl &
		(GI_JOBCTL_TRAP_FREEZE | GI_JOBCTL_STOP_PENDING));
}

/**
 * gi_stop_classify() - how far a thread is stopped
 * @task, @signal: gva of its task_struct and signal_struct
 */
enum gi_stop_state gi_stop_classify(const struct gi_kernel *kernel, u64 task,
				    u64 signal,
				    const struct gi_stop_facts *facts);

const char *gi_stop_state_name(enum gi_stop_state state);

/* Why a plan was refused; each is counted. Positive: the caller handles it. */
enum gi_refusal {
	GI_REFUSE_NONE,
	GI_REFUSE_KTHREAD,	/* kernel thread */
	GI_REFUSE_INIT,		/* pid 0 or 1 */
	GI_REFUSE_EXITING,	/* no live thread left, or group exit */
	GI_REFUSE_PTRACED,
	GI_REFUSE_VFORK_EXEC,	/* in a vfork or exec window */
	GI_REFUSE_GUEST_FROZEN,	/* the guest's cgroup freezer holds it */
	GI_REFUSE_SIGLOCK,	/* siglock held: retry */
	GI_REFUSE_TRAP_WINDOW,	/* a thread is between the trap and schedule(): retry */
	GI_REFUSE_QUEUE,	/* no wake-up slot or queue free: retry */
	GI_REFUSE_GONE,		/* not the process that was meant */
	GI_REFUSE_UNREADABLE,	/* its structures cannot be read or are inconsistent */
	GI_REFUSE_NO_METHOD,	/* layout lacks what any method needs */
	GI_REFUSE_MAX
};

const char *gi_refusal_name(enum gi_refusal refusal);	/* "siglock" */
const char *gi_refusal_text(enum gi_refusal refusal);	/* one line for a person */
bool gi_refusal_retry(enum gi_refusal refusal);		/* worth another quantum */

/*
 * The method for kernels of this layout, by what exists: removing a fact from
 * a decoded layout selects the next method (tests do).
 */
enum gi_stop_method gi_stop_method(const struct gi_layout *layout);
const char *gi_stop_method_name(enum gi_stop_method method);

#define GI_PLAN_THREADS	128	/* see gi_target */

/**
 * struct gi_target - the process meant
 * Identity is (task, start_time): a pid alone can be reused.
 * @from: the thread to begin with (gi_stop_first()), 0: the first of the list. A
 *	process may have tens of thousands, and the guest is held meanwhile: a
 *	plan that is given a beginning looks at GI_PLAN_THREADS of them, and says
 *	in @pending that there are more
 */
struct gi_target {
	u64 task;
	u64 start_time;
	u64 from;
};

/**
 * struct gi_stop_result - what a plan does
 * @threads: live threads seen
 * @marked: threads that the plan newly marks (stop) or unmarks (resume)
 * @woken: wake-ups that the plan queues (resume)
 * @pending: threads that another plan must deal with: the plan was full, a
 *	wake-up is in flight, or the thread was at a point where it must be left
 *	alone. With @pending and an empty plan the refusal says why.
 */
struct gi_stop_result {
	u32 threads;
	u32 marked;
	u32 woken;
	u32 pending;
};

/*
 * The first thread of @proc for which a plan to stop (or to resume) has
 * something to do, as @snap has it; 0: none.
 */
u64 gi_stop_first(const struct gi_snapshot *snap,
		  const struct gi_process *proc, bool stop);

/**
 * gi_plan_stop() - plan to stop every thread of a process
 * Idempotent: an empty plan means that all are marked.
 * Return: enum gi_refusal; GI_REFUSE_NONE with the plan in @plan.
 */
enum gi_refusal gi_plan_stop(const struct gi_kernel *kernel,
			     const struct gi_target *target,
			     struct gi_plan *plan, struct gi_stop_result *ret);

/**
 * gi_plan_resume() - plan to resume every thread of a process
 * Level triggered: call again until an empty plan comes back with no @pending.
 * Return: as gi_plan_stop().
 */
enum gi_refusal gi_plan_resume(const struct gi_kernel *kernel,
			       const struct gi_target *target,
			       struct gi_plan *plan, struct gi_stop_result *ret);

/*
 * Plan the end of wake-ups that borrowed a reference (task->usage): give back
 * those that the guest has taken. Empty plan: nothing to do.
 */
enum gi_refusal gi_plan_settle(const struct gi_kernel *kernel,
			       struct gi_plan *plan);

#endif /* GUESTINFO_CORE_LINUX_STOP_H */
