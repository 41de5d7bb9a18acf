// SPDX-License-Identifier: GPL-2.0-only
/*
 * Planning to stop and resume a Linux process; the idea is in linux_stop.h.
 *
 * Why each edit is safe, in the guest's own terms (kernel/signal.c,
 * kernel/cgroup/freezer.c, kernel/smp.c, kernel/sched/core.c; 5.10 to 7.2):
 *  - jobctl is changed by the guest under siglock only, with plain
 *    read-modify-write: we need siglock free, nothing more.
 *  - thread_info.flags is changed with locked instructions: any moment will do.
 *  - a thread between __set_current_state() and schedule() in do_freezer_trap()
 *    would sleep for ever if the bit vanished there: such threads wait.
 *  - a parked thread is woken as another CPU would wake it: put into TASK_WAKING
 *    and onto its CPU's call_single_queue (try_to_wake_up() -> ttwu_queue()), or
 *    where that is not possible, by a call of wake_up_process() queued there.
 *    The call's data lives in the free tail of the vmcoreinfo page, and the
 *    task's usage count is raised for as long.
 */
#include "linux_stop.h"

#define SIGNAL_STOP_STOPPED	0x1u
#define SIGNAL_GROUP_EXIT	0x4u
/* 16..22, 24 (TASK_WORK in 5.10, PTRACE_FROZEN later): all but TRAP_FREEZE */
#define JOBCTL_OTHERS		(GENMASK_ULL(24, 16) & ~GI_JOBCTL_TRAP_FREEZE)
#define CSD_FLAG_LOCK		1u
#define VECTOR_RESCHEDULE	0xfd
#define VECTOR_CALL_SINGLE	0xfb	/* CALL_FUNCTION_SINGLE_VECTOR */
#define LOCK_MAX_BYTES		64u
#define SPINLOCK_MAGIC		0xdead4ead	/* CONFIG_DEBUG_SPINLOCK */
#define CAVE_SLOT		64u
#define CAVE_MAX_SLOTS		48u
#define THREADS_MAX		32768u
#define THREAD_STEPS_MAX	(LOCK_MAX_BYTES / 4 + 16)
#define TASK_RTLOCK_WAIT	0x1000u	/* PREEMPT_RT, since 5.15 */

/* One thread as planning sees it. */
struct thread {
	u64 task;
	u64 jobctl;
	u64 ti_flags;
	u32 pid;
	u32 state;
	u32 flags;
	u32 cpu;
	u8 on_cpu, on_rq, delayed, frozen, exit_state;
	bool ptraced, exec_window;
	enum gi_stop_state stop;
};

/* One planning run over one process. */
struct job {
	const struct gi_kernel *kernel;
	const struct gi_layout *layout;
	struct gi_plan *plan;
	struct gi_stop_result *result;
	enum gi_stop_method method;
	enum gi_refusal later;	/* why threads are pending */
	bool full;		/* the plan has no room for another thread */
	u64 leader;
	u64 signal;
	u64 tif_sigpending;
};

static const char *const refusal_names[GI_REFUSE_MAX] = {
	[GI_REFUSE_NONE] = "none",
	[GI_REFUSE_KTHREAD] = "kernel-thread",
	[GI_REFUSE_INIT] = "init",
	[GI_REFUSE_EXITING] = "exiting",
	[GI_REFUSE_PTRACED] = "ptraced",
	[GI_REFUSE_VFORK_EXEC] = "vfork-or-exec",
	[GI_REFUSE_GUEST_FROZEN] = "guest-frozen",
	[GI_REFUSE_SIGLOCK] = "siglock",
	[GI_REFUSE_TRAP_WINDOW] = "trap-window",
	[GI_REFUSE_QUEUE] = "wake-queue",
	[GI_REFUSE_GONE] = "gone",
	[GI_REFUSE_UNREADABLE] = "unreadable",
	[GI_REFUSE_NO_METHOD] = "no-method",
};

static const char *const refusal_texts[GI_REFUSE_MAX] = {
	[GI_REFUSE_NONE] = "nothing refused",
	[GI_REFUSE_KTHREAD] = "is a kernel thread, which is never stopped",
	[GI_REFUSE_INIT] = "is pid 0 or 1, which is never stopped",
	[GI_REFUSE_EXITING] = "is exiting",
	[GI_REFUSE_PTRACED] = "is traced by a debugger in the guest",
	[GI_REFUSE_VFORK_EXEC] = "is inside vfork or exec; it is tried again",
	[GI_REFUSE_GUEST_FROZEN] =
		"is frozen or stopped by the guest itself",
	[GI_REFUSE_SIGLOCK] = "has its signal lock held; it is tried again",
	[GI_REFUSE_TRAP_WINDOW] =
		"has a thread entering or leaving the trap; it is tried again",
	[GI_REFUSE_QUEUE] = "has a wake-up under way; it is tried again",
	[GI_REFUSE_GONE] = "is gone",
	[GI_REFUSE_UNREADABLE] =
		"has structures in guest memory that contradict themselves",
	[GI_REFUSE_NO_METHOD] =
		"runs on a kernel of which too little is known to stop it",
};

const char *gi_refusal_name(enum gi_refusal refusal)
{
	return refusal < GI_REFUSE_MAX ? refusal_names[refusal] : "?";
}

const char *gi_refusal_text(enum gi_refusal refusal)
{
	return refusal < GI_REFUSE_MAX ? refusal_texts[refusal] : "?";
}

bool gi_refusal_retry(enum gi_refusal refusal)
{
	return refusal == GI_REFUSE_SIGLOCK ||
	       refusal == GI_REFUSE_TRAP_WINDOW ||
	       refusal == GI_REFUSE_QUEUE ||
	       refusal == GI_REFUSE_VFORK_EXEC ||
	       refusal == GI_REFUSE_UNREADABLE;
}

const char *gi_stop_method_name(enum gi_stop_method method)
{
	switch (method) {
	case GI_STOP_FREEZER:
		return "freezer-trap";
	case GI_STOP_SILENT:
		return "silent-stop";
	case GI_STOP_NONE:
		break;
	}
	return "none";
}

const char *gi_stop_state_name(enum gi_stop_state state)
{
	switch (state) {
	case GI_RUNS:
		return "runs";
	case GI_WAKING:
		return "waking";
	case GI_STOPPING:
		return "stopping";
	case GI_ASLEEP:
		return "asleep";
	case GI_PARKED:
		return "parked";
	case GI_GUEST_FROZEN:
		return "guest-frozen";
	}
	return "?";
}

static bool has_all(const struct gi_layout *layout, const u16 *ids, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (!gi_has(layout, ids[i]))
			return false;
	return true;
}

/* What both methods need: to mark, and to queue a wake_up_process() call. */
static const u16 stop_needs[] = {
	MONARCH_F_TASK_PID, MONARCH_F_TASK_TGID, MONARCH_F_TASK_STATE,
	MONARCH_F_TASK_FLAGS, MONARCH_F_TASK_EXIT_STATE,
	MONARCH_F_TASK_START_TIME,
	MONARCH_F_TASK_SIGNAL, MONARCH_F_TASK_SIGHAND,
	MONARCH_F_TASK_THREAD_NODE, MONARCH_F_TASK_JOBCTL,
	MONARCH_F_TASK_TI_FLAGS, MONARCH_F_TASK_ON_CPU, MONARCH_F_TASK_ON_RQ,
	MONARCH_F_TASK_CPU, MONARCH_F_TASK_PTRACE, MONARCH_F_TASK_PENDING_SIG,
	MONARCH_F_TASK_BLOCKED, MONARCH_F_TASK_USAGE, MONARCH_F_TASK_PI_LOCK,
	MONARCH_F_TASK_VFORK_DONE,
	MONARCH_F_SIGNAL_THREAD_HEAD, MONARCH_F_SIGNAL_FLAGS,
	MONARCH_F_SIGNAL_SHARED_PENDING, MONARCH_F_SIGNAL_GROUP_STOP_COUNT,
	MONARCH_F_SIGHAND_SIGLOCK,
	MONARCH_F_CSD_NODE, MONARCH_F_CSD_FLAGS, MONARCH_F_CSD_FUNC,
	MONARCH_F_CSD_INFO, MONARCH_F_SIZEOF_CSD,
	MONARCH_F_SYM_CALL_SINGLE_QUEUE, MONARCH_F_SYM_WAKE_UP_PROCESS,
	MONARCH_F_SYM_PUT_TASK_STRUCT,
	MONARCH_F_SYM_VMCOREINFO_DATA, MONARCH_F_SYM_VMCOREINFO_SIZE,
	MONARCH_F_TIF_SIGPENDING_BIT,
};

/* Waking as try_to_wake_up() does, since 5.8 (commit a148866489fb). */
static const u16 ttwu_needs[] = {
	MONARCH_F_TASK_WAKE_NODE, MONARCH_F_TASK_WAKE_FLAGS,
	MONARCH_F_TASK_REMOTE_WAKEUP, MONARCH_F_TASK_CPUS_MASK,
	MONARCH_F_RQ_TTWU_PENDING, MONARCH_F_SYM_RUNQUEUES,
	MONARCH_F_TASK_WAKING_VALUE, MONARCH_F_CSD_TYPE_TTWU_VALUE,
};

/*
 * A kernel with kCFI checks the type of what it calls by a pointer: to it,
 * wake_up_process() is no function for a call_single_data.
 */
static bool calls_allowed(const struct gi_layout *layout)
{
	return !gi_has(layout, MONARCH_F_SYM_CFI_WAKE_UP_PROCESS);
}

enum gi_stop_method gi_stop_method(const struct gi_layout *layout)
{
	if (!has_all(layout, stop_needs, ARRAY_SIZE(stop_needs)) ||
	    layout->facts[MONARCH_F_TIF_SIGPENDING_BIT].value > 31)
		return GI_STOP_NONE;
	/* task_struct.frozen: Linux kernel commit 76f969e8948d (in v5.2) */
	if (gi_has(layout, MONARCH_F_TASK_FROZEN))
		return calls_allowed(layout) ||
		       has_all(layout, ttwu_needs, ARRAY_SIZE(ttwu_needs)) ?
			       GI_STOP_FREEZER : GI_STOP_NONE;
	return calls_allowed(layout) ? GI_STOP_SILENT : GI_STOP_NONE;
}

static const u16 freezer_needs[] = {
	MONARCH_F_TASK_CGROUPS, MONARCH_F_CSS_SET_DFL_CGRP,
	MONARCH_F_CGROUP_E_FREEZE,
};

/* Does the guest itself want this task frozen (cgroup.freeze)? */
static bool guest_freezes(const struct gi_kernel *kernel, u64 task)
{
	u64 css_set, cgroup, freeze;

	if (!has_all(kernel->layout, freezer_needs, ARRAY_SIZE(freezer_needs)))
		return false;
	if (gi_kernel_field(kernel, task, MONARCH_F_TASK_CGROUPS, &css_set) ||
	    gi_kernel_field(kernel, css_set, MONARCH_F_CSS_SET_DFL_CGRP,
			    &cgroup) ||
	    gi_kernel_field(kernel, cgroup, MONARCH_F_CGROUP_E_FREEZE,
			    &freeze))
		return true;	/* unknown: not ours to touch */
	return freeze;
}

/* A group stop by signal, under way or complete? */
static bool guest_group_stop(const struct gi_kernel *kernel, u64 signal)
{
	u64 flags, count;

	if (gi_kernel_field(kernel, signal, MONARCH_F_SIGNAL_FLAGS, &flags) ||
	    gi_kernel_field(kernel, signal, MONARCH_F_SIGNAL_GROUP_STOP_COUNT,
			    &count))
		return true;	/* unknown: not ours to touch */
	return (flags & SIGNAL_STOP_STOPPED) || count;
}

/* Off its CPU, and nobody is waking it: TASK_WAKING is as good as runnable. */
static bool asleep(const struct gi_kernel *kernel,
		   const struct gi_stop_facts *facts)
{
	const struct gi_fact *waking =
		&kernel->layout->facts[MONARCH_F_TASK_WAKING_VALUE];

	return !facts->on_cpu && !facts->on_rq && facts->state &&
	       !(waking->kind && facts->state == waking->value);
}

/* on_rq stays set in delayed dequeue (6.12): off the CPU all the same. */
static bool queued(const struct gi_kernel *kernel, u64 task,
		   const struct gi_stop_facts *facts)
{
	u64 delayed;

	return facts->on_rq &&
	       (gi_kernel_field(kernel, task, MONARCH_F_TASK_SCHED_DELAYED,
				&delayed) || !delayed);
}

static enum gi_stop_state classify_freezer(const struct gi_kernel *kernel,
					   u64 task,
					   const struct gi_stop_facts *facts)
{
	if (!(facts->jobctl & GI_JOBCTL_TRAP_FREEZE)) {
		if (!facts->frozen || facts->on_cpu ||
		    !(facts->state & GI_TASK_INTERRUPTIBLE) ||
		    queued(kernel, task, facts) || guest_freezes(kernel, task))
			return GI_RUNS;
		return GI_WAKING;
	}
	if (guest_freezes(kernel, task))
		return GI_GUEST_FROZEN;
	if (facts->frozen && !facts->on_cpu &&
	    (facts->state & GI_TASK_INTERRUPTIBLE))
		return GI_PARKED;
	return asleep(kernel, facts) ? GI_ASLEEP : GI_STOPPING;
}

static enum gi_stop_state classify_silent(const struct gi_kernel *kernel,
					  u64 signal,
					  const struct gi_stop_facts *facts)
{
	if (facts->state & GI_TASK_STOPPED)
		return guest_group_stop(kernel, signal) ? GI_RUNS :
		       facts->on_cpu ? GI_STOPPING : GI_PARKED;
	if (!(facts->jobctl & GI_JOBCTL_STOP_PENDING) ||
	    (facts->jobctl & GI_JOBCTL_STOP_CONSUME) ||
	    guest_group_stop(kernel, signal))
		return GI_RUNS;
	return asleep(kernel, facts) ? GI_ASLEEP : GI_STOPPING;
}

enum gi_stop_state gi_stop_classify(const struct gi_kernel *kernel, u64 task,
				    u64 signal,
				    const struct gi_stop_facts *facts)
{
	if (gi_has(kernel->layout, MONARCH_F_TASK_FROZEN))
		return classify_freezer(kernel, task, facts);
	return classify_silent(kernel, signal, facts);
}

static int field(const struct job *job, u64 gva, u32 id, u64 *ret)
{
	return gi_kernel_field(job->kernel, gva, id, ret);
}

/* As field(), 0 where the layout has no such member. */
static int field_or_0(const struct job *job, u64 gva, u32 id, u64 *ret)
{
	*ret = 0;
	return gi_has(job->layout, id) ? field(job, gva, id, ret) : 0;
}

static int read_thread(const struct job *job, u64 task, struct thread *ret)
{
	u64 pid, state, flags, exit_state, cpu, on_cpu, on_rq, ptrace;
	u64 frozen, delayed, vfork, execve;
	struct gi_stop_facts facts;
	struct thread t = { .task = task };

	if (field(job, task, MONARCH_F_TASK_PID, &pid) ||
	    field(job, task, MONARCH_F_TASK_STATE, &state) ||
	    field(job, task, MONARCH_F_TASK_FLAGS, &flags) ||
	    field(job, task, MONARCH_F_TASK_EXIT_STATE, &exit_state) ||
	    field(job, task, MONARCH_F_TASK_CPU, &cpu) ||
	    field(job, task, MONARCH_F_TASK_ON_CPU, &on_cpu) ||
	    field(job, task, MONARCH_F_TASK_ON_RQ, &on_rq) ||
	    field(job, task, MONARCH_F_TASK_PTRACE, &ptrace) ||
	    field(job, task, MONARCH_F_TASK_JOBCTL, &t.jobctl) ||
	    field(job, task, MONARCH_F_TASK_TI_FLAGS, &t.ti_flags) ||
	    field(job, task, MONARCH_F_TASK_VFORK_DONE, &vfork) ||
	    field_or_0(job, task, MONARCH_F_TASK_IN_EXECVE, &execve) ||
	    field_or_0(job, task, MONARCH_F_TASK_FROZEN, &frozen) ||
	    field_or_0(job, task, MONARCH_F_TASK_SCHED_DELAYED, &delayed))
		return -EUCLEAN;
	t.pid = (u32)pid;
	t.state = (u32)state;
	t.flags = (u32)flags;
	t.cpu = (u32)cpu;
	t.exit_state = !!exit_state;
	t.on_cpu = !!on_cpu;
	t.on_rq = !!on_rq;
	t.ptraced = !!ptrace;
	t.exec_window = vfork || execve;
	t.frozen = !!frozen;
	t.delayed = !!delayed;
	facts.jobctl = t.jobctl;
	facts.state = t.state;
	facts.on_cpu = t.on_cpu;
	facts.on_rq = t.on_rq;
	facts.frozen = t.frozen;
	t.stop = gi_stop_marked(&facts) ?
			 gi_stop_classify(job->kernel, task, job->signal,
					  &facts) : GI_RUNS;
	*ret = t;
	return 0;
}

static bool exiting(const struct thread *thread)
{
	return (thread->flags & GI_PF_EXITING) || thread->exit_state;
}

/* ---- steps ---- */

/*
 * Where a member can be edited: whole members of a natural size; a bitfield
 * through the byte that holds it. Return: 0; -ENOENT the layout has it otherwise.
 */
static int member_place(const struct job *job, u64 gva, u32 id, u64 *ret_gpa,
			u32 *ret_bytes)
{
	const struct gi_fact *fact = &job->layout->facts[id];
	u32 bytes = fact->width >= 8 ? fact->width / 8 : 1;

	if (fact->kind != MONARCH_FACT_FIELD || !fact->width ||
	    fact->width > 64 || fact->bit + fact->width > bytes * 8 ||
	    (bytes & (bytes - 1)))
		return -ENOENT;
	*ret_bytes = bytes;
	return gi_kernel_gpa(job->kernel, gva + fact->offset, ret_gpa);
}

static int member_step(struct job *job, u64 gva, u32 id, bool write,
		       u64 expected, u64 value, enum gi_purpose purpose)
{
	const struct gi_fact *fact = &job->layout->facts[id];
	u64 mask, gpa;
	u32 bytes;
	int err = member_place(job, gva, id, &gpa, &bytes);

	if (err)
		return err;
	mask = (fact->width >= 64 ? U64_MAX : BIT_ULL(fact->width) - 1)
	       << fact->bit;
	expected = (expected << fact->bit) & mask;
	value = (value << fact->bit) & mask;
	if (!write)
		return gi_plan_check(job->plan, gpa, bytes, mask, expected,
				     purpose);
	return gi_plan_write(job->plan, gpa, bytes, mask, expected, value,
			     purpose);
}

static int member_check(struct job *job, u64 gva, u32 id, u64 expected,
			enum gi_purpose purpose)
{
	return member_step(job, gva, id, false, expected, 0, purpose);
}

static int member_write(struct job *job, u64 gva, u32 id, u64 expected,
			u64 value, enum gi_purpose purpose)
{
	return member_step(job, gva, id, true, expected, value, purpose);
}

/* Set or clear bits of a member whose other bits are the guest's business. */
static int member_bits(struct job *job, u64 gva, u32 id, u64 old, u64 bits,
		       bool set, enum gi_purpose purpose)
{
	u64 gpa;
	u32 bytes;
	int err = member_place(job, gva, id, &gpa, &bytes);

	if (err)
		return err;
	return gi_plan_write(job->plan, gpa, bytes, bits, old & bits,
			     set ? bits : 0, purpose);
}

/*
 * A lock is free when all of it is zero: a raw spinlock, and as well the
 * rt_mutex that a spinlock is on PREEMPT_RT (no owner, no waiters). With
 * CONFIG_DEBUG_SPINLOCK a lock is never all zero.
 * Return: 1 free and checked by the plan, 0 held, -EOPNOTSUPP a debugging lock,
 * or -errno.
 */
static int lock_is_free(struct job *job, u64 gva, u32 id,
			enum gi_purpose purpose)
{
	const struct gi_fact *fact = &job->layout->facts[id];
	u32 bytes = fact->width / 8, at;
	u64 value, gpa;
	int err;

	if (bytes < 4 || bytes > LOCK_MAX_BYTES || bytes % 4)
		return -ENOENT;
	for (at = 0; at < bytes; at += 4) {
		err = gi_kernel_gpa(job->kernel, gva + fact->offset + at, &gpa);
		if (!err)
			err = gi_read_uint(job->kernel->mem, gpa, 4, &value);
		if (err)
			return err;
		if (at == 4 && value == SPINLOCK_MAGIC)
			return -EOPNOTSUPP;
		if (value)
			return 0;
		err = gi_plan_check(job->plan, gpa, 4, U32_MAX, 0, purpose);
		if (err)
			return err;
	}
	return 1;
}

static int identity_check(struct job *job, const struct thread *thread)
{
	return member_check(job, thread->task, MONARCH_F_TASK_PID, thread->pid,
			    GI_CHECK_IDENTITY);
}

/* A CPU that came online after we looked gets no kick: its next tick must do. */
static int kick(struct job *job, u32 cpu, u8 vector)
{
	if (cpu >= job->kernel->boot.nr_cpus)
		return 0;
	return gi_plan_kick(job->plan, job->kernel->boot.apic_id[cpu], vector);
}

/* ---- the guest's call_single_queue ---- */

/*
 * Push @node onto @cpu's queue. Several pushes of one plan chain up: the head
 * that an earlier one planned is this one's successor, and the head's step
 * moves to the end so that it is written last.
 */
static int queue_push(struct job *job, u32 cpu, u64 node, u64 node_next_old)
{
	struct gi_plan *plan = job->plan;
	u64 head_gva = gi_kernel_per_cpu(job->kernel,
					 MONARCH_F_SYM_CALL_SINGLE_QUEUE, cpu);
	u64 head_gpa, node_gpa, first, old;
	u32 i;
	int err;

	err = gi_kernel_gpa(job->kernel, head_gva, &head_gpa);
	if (!err)
		err = gi_kernel_gpa(job->kernel, node, &node_gpa);
	if (!err)
		err = gi_read_u64(job->kernel->mem, head_gpa, &old);
	if (err)
		return err;
	if ((head_gpa | node_gpa) & 7)
		return -EUCLEAN;
	first = old;
	for (i = 0; i < plan->nr_steps; i++) {
		if (plan->steps[i].purpose != GI_EDIT_QUEUE ||
		    plan->steps[i].gpa != head_gpa)
			continue;
		first = plan->steps[i].value;
		plan->nr_steps--;
		memmove(&plan->steps[i], &plan->steps[i + 1],
			(plan->nr_steps - i) * sizeof(plan->steps[0]));
		break;
	}
	err = gi_plan_write(plan, node_gpa, 8, U64_MAX, node_next_old, first,
			    GI_EDIT_CSD);
	if (!err)
		err = gi_plan_write(plan, head_gpa, 8, U64_MAX, old, node,
				    GI_EDIT_QUEUE);
	return err ? err : kick(job, cpu, VECTOR_CALL_SINGLE);
}

/*
 * The cave: slots for call_single_data in the tail of the vmcoreinfo page, a
 * page of its own that lives as long as the kernel (kernel/crash_core.c,
 * crash_save_vmcoreinfo_init()) and whose readers stop at vmcoreinfo_size.
 */
struct cave {
	u64 gva;
	u32 slots;
};

static int cave_find(const struct job *job, struct cave *ret)
{
	const struct gi_kernel *kernel = job->kernel;
	u64 data, size, start;

	if (gi_kernel_read_uint(kernel,
				gi_kernel_symbol(kernel,
						 MONARCH_F_SYM_VMCOREINFO_DATA),
				8, &data) ||
	    gi_kernel_read_uint(kernel,
				gi_kernel_symbol(kernel,
						 MONARCH_F_SYM_VMCOREINFO_SIZE),
				8, &size))
		return -EUCLEAN;
	if ((data & (GI_PAGE_SIZE - 1)) || !data || size > GI_PAGE_SIZE ||
	    job->layout->facts[MONARCH_F_SIZEOF_CSD].value > CAVE_SLOT)
		return -EUCLEAN;
	start = (size + CAVE_SLOT + CAVE_SLOT - 1) & ~(u64)(CAVE_SLOT - 1);
	if (start + 4 * CAVE_SLOT > GI_PAGE_SIZE)
		return -ENOSPC;
	ret->gva = data + start;
	ret->slots = (u32)min((GI_PAGE_SIZE - start) / CAVE_SLOT,
			      (u64)CAVE_MAX_SLOTS);
	return 0;
}

/* A slot's words; all zero: free. */
struct slot {
	u64 gva;
	u64 next, flags, func, info;
};

static int slot_read(const struct job *job, u64 gva, struct slot *ret)
{
	ret->gva = gva;
	if (field(job, gva, MONARCH_F_CSD_NODE, &ret->next) ||
	    field(job, gva, MONARCH_F_CSD_FLAGS, &ret->flags) ||
	    field(job, gva, MONARCH_F_CSD_FUNC, &ret->func) ||
	    field(job, gva, MONARCH_F_CSD_INFO, &ret->info))
		return -EUCLEAN;
	return 0;
}

static bool slot_free(const struct slot *slot)
{
	return !slot->next && !slot->flags && !slot->func && !slot->info;
}

/* Whether an earlier call of this plan already took the slot. */
static bool slot_planned(const struct job *job, const struct slot *slot)
{
	u64 gpa;
	u32 i;

	if (gi_kernel_gpa(job->kernel,
			  slot->gva + gi_offset(job->layout,
						MONARCH_F_CSD_FUNC), &gpa))
		return true;
	for (i = 0; i < job->plan->nr_steps; i++)
		if (job->plan->steps[i].gpa == gpa)
			return true;
	return false;
}

/*
 * A free slot for a call about @task.
 * Return: 1 with *ret; 0 a call about @task is in flight, or all are taken.
 */
static int slot_for(const struct job *job, u64 task, struct slot *ret)
{
	struct slot slot;
	struct cave cave;
	bool found = false;
	u32 i;
	int err = cave_find(job, &cave);

	if (err)
		return err;
	for (i = 0; i < cave.slots; i++) {
		err = slot_read(job, cave.gva + i * CAVE_SLOT, &slot);
		if (err)
			return err;
		if (slot.info == task)
			return 0;
		if (!found && slot_free(&slot) && !slot_planned(job, &slot)) {
			*ret = slot;
			found = true;
		}
	}
	return found;
}

/* Queue func(info) on @cpu, from @slot whose words are as read. */
static int slot_call(struct job *job, const struct slot *slot, u32 cpu,
		     u64 func, u64 info)
{
	int err;

	err = member_write(job, slot->gva, MONARCH_F_CSD_FUNC, slot->func, func,
			   GI_EDIT_CSD);
	if (!err)
		err = member_write(job, slot->gva, MONARCH_F_CSD_INFO,
				   slot->info, info, GI_EDIT_CSD);
	if (!err)
		err = member_write(job, slot->gva, MONARCH_F_CSD_FLAGS,
				   slot->flags, CSD_FLAG_LOCK, GI_EDIT_CSD);
	return err ? err : queue_push(job, cpu,
				      slot->gva + gi_offset(job->layout,
							    MONARCH_F_CSD_NODE),
				      slot->next);
}

/*
 * ASYNC wake: have the guest call wake_up_process(task) in hard irq, on the
 * task's CPU or, if that is offline, on CPU 0. Takes all locks itself, so it needs
 * no look at pi_lock or the run queue.
 * Return: 1 planned, 0 must wait, or -errno.
 */
static int wake_by_call(struct job *job, const struct thread *thread)
{
	struct slot slot;
	u64 usage;
	int err;

	if (!calls_allowed(job->layout))
		return 0;
	err = slot_for(job, thread->task, &slot);
	if (err <= 0)
		return err;
	err = field(job, thread->task, MONARCH_F_TASK_USAGE, &usage);
	if (err)
		return err;
	if (!usage || usage >= 0x7ffffffe)
		return -EUCLEAN;
	err = member_write(job, thread->task, MONARCH_F_TASK_USAGE, usage,
			   usage + 1, GI_EDIT_USAGE);
	if (!err)
		err = slot_call(job, &slot,
				gi_kernel_cpu_online(job->kernel, thread->cpu) ?
					thread->cpu : 0,
				gi_kernel_symbol(job->kernel,
						 MONARCH_F_SYM_WAKE_UP_PROCESS),
				thread->task);
	return err ? err : 1;
}

/*
 * Where try_to_wake_up() would queue the thread: on its own CPU, if the thread
 * may run there and the CPU is not on its way out (ttwu_queue_cond()).
 */
static bool cpu_allowed(const struct job *job, const struct thread *thread)
{
	u64 word;

	if (!gi_kernel_cpu_active(job->kernel, thread->cpu))
		return false;
	if (gi_kernel_read_uint(job->kernel,
				thread->task +
				gi_offset(job->layout,
					  MONARCH_F_TASK_CPUS_MASK) +
				thread->cpu / 64 * 8, 8, &word))
		return false;
	return (word >> (thread->cpu % 64)) & 1;
}

/*
 * The member writes of a TTWU wake: what try_to_wake_up() leaves behind for
 * sched_ttwu_pending(). sched_remote_wakeup left at 1 would make the enqueue
 * look like a migration and spoil vruntime (5.10, 6.1).
 */
static int ttwu_steps(struct job *job, const struct thread *thread)
{
	u64 rq = gi_kernel_per_cpu(job->kernel, MONARCH_F_SYM_RUNQUEUES,
				   thread->cpu);
	u64 waking = job->layout->facts[MONARCH_F_TASK_WAKING_VALUE].value;
	u64 type = job->layout->facts[MONARCH_F_CSD_TYPE_TTWU_VALUE].value;
	u64 remote, flags, next, pending;
	int err;

	if (field(job, thread->task, MONARCH_F_TASK_REMOTE_WAKEUP, &remote) ||
	    field(job, thread->task, MONARCH_F_TASK_WAKE_FLAGS, &flags) ||
	    gi_kernel_read_uint(job->kernel,
				thread->task +
				gi_offset(job->layout,
					  MONARCH_F_TASK_WAKE_NODE), 8,
				&next) ||
	    field(job, rq, MONARCH_F_RQ_TTWU_PENDING, &pending))
		return -EUCLEAN;
	err = member_write(job, thread->task, MONARCH_F_TASK_STATE,
			   thread->state, waking, GI_EDIT_TASK_STATE);
	if (!err && remote)
		err = member_write(job, thread->task,
				   MONARCH_F_TASK_REMOTE_WAKEUP, remote, 0,
				   GI_EDIT_TASK_STATE);
	if (!err && flags != type)
		err = member_write(job, thread->task, MONARCH_F_TASK_WAKE_FLAGS,
				   flags, type, GI_EDIT_CSD);
	if (!err)
		err = member_write(job, rq, MONARCH_F_RQ_TTWU_PENDING, pending,
				   1, GI_EDIT_RQ);
	return err ? err : queue_push(job, thread->cpu,
				      thread->task +
				      gi_offset(job->layout,
						MONARCH_F_TASK_WAKE_NODE),
				      next);
}

/* Return: 1 planned, 0 not possible this way, or -errno. */
static int wake_by_ttwu(struct job *job, const struct thread *thread)
{
	int err;

	if (!has_all(job->layout, ttwu_needs, ARRAY_SIZE(ttwu_needs)) ||
	    thread->on_rq || thread->on_cpu || !cpu_allowed(job, thread))
		return 0;
	err = lock_is_free(job, thread->task, MONARCH_F_TASK_PI_LOCK,
			   GI_CHECK_LOCK);
	if (err <= 0)
		return err;
	err = member_check(job, thread->task, MONARCH_F_TASK_ON_RQ, 0,
			   GI_CHECK_STATE);
	if (!err)
		err = member_check(job, thread->task, MONARCH_F_TASK_ON_CPU, 0,
				   GI_CHECK_STATE);
	if (!err)
		err = ttwu_steps(job, thread);
	return err ? err : 1;
}

/* Return: 1 planned, 0 must wait, or -errno. */
static int wake(struct job *job, const struct thread *thread)
{
	int err = wake_by_ttwu(job, thread);

	if (!err)
		err = wake_by_call(job, thread);
	if (err == 1)
		job->result->woken++;
	return err;
}

/* ---- per thread ---- */

static void postpone(struct job *job, enum gi_refusal why)
{
	job->result->pending++;
	job->later = why;
}

static u64 mark_bit(const struct job *job)
{
	return job->method == GI_STOP_FREEZER ? GI_JOBCTL_TRAP_FREEZE :
						GI_JOBCTL_STOP_PENDING;
}

static enum gi_refusal may_stop(const struct thread *thread)
{
	if (thread->flags & GI_PF_KTHREAD)
		return GI_REFUSE_KTHREAD;
	if (thread->ptraced)
		return GI_REFUSE_PTRACED;
	if (thread->exec_window)
		return GI_REFUSE_VFORK_EXEC;
	if (thread->stop == GI_GUEST_FROZEN)
		return GI_REFUSE_GUEST_FROZEN;
	return GI_REFUSE_NONE;
}

static int stop_thread(struct job *job, const struct thread *thread)
{
	int err;

	if (thread->stop >= GI_STOPPING)
		return 0;
	err = identity_check(job, thread);
	if (!err)
		err = member_bits(job, thread->task, MONARCH_F_TASK_JOBCTL,
				  thread->jobctl, mark_bit(job), true,
				  GI_EDIT_JOBCTL);
	if (!err && !(thread->ti_flags & job->tif_sigpending))
		err = member_bits(job, thread->task, MONARCH_F_TASK_TI_FLAGS,
				  thread->ti_flags, job->tif_sigpending, true,
				  GI_EDIT_TI_FLAGS);
	/* Without it a thread in user mode goes on until the next tick. */
	if (!err && thread->on_cpu)
		err = kick(job, thread->cpu, VECTOR_RESCHEDULE);
	if (!err)
		job->result->marked++;
	return err;
}

/* Is a signal really pending for a thread whose TIF_SIGPENDING we set? */
static bool signal_pending(const struct job *job, const struct thread *thread)
{
	u64 own, shared, blocked;

	if (field(job, thread->task, MONARCH_F_TASK_PENDING_SIG, &own) ||
	    field(job, job->signal, MONARCH_F_SIGNAL_SHARED_PENDING, &shared) ||
	    field(job, thread->task, MONARCH_F_TASK_BLOCKED, &blocked))
		return true;
	return ((own | shared) & ~blocked) || (thread->jobctl & JOBCTL_OTHERS &
					       ~mark_bit(job));
}

static int unmark(struct job *job, const struct thread *thread)
{
	int err = identity_check(job, thread);

	if (!err)
		err = member_bits(job, thread->task, MONARCH_F_TASK_JOBCTL,
				  thread->jobctl, mark_bit(job), false,
				  GI_EDIT_JOBCTL);
	/* A sleeper that never noticed is left as if nothing had been. */
	if (!err && thread->stop == GI_ASLEEP && !thread->frozen &&
	    (thread->ti_flags & job->tif_sigpending) &&
	    !signal_pending(job, thread))
		err = member_bits(job, thread->task, MONARCH_F_TASK_TI_FLAGS,
				  thread->ti_flags, job->tif_sigpending, false,
				  GI_EDIT_TI_FLAGS);
	if (!err)
		job->result->marked++;
	return err;
}

static int resume_freezer(struct job *job, const struct thread *thread)
{
	bool runnable = thread->on_cpu || (thread->on_rq && !thread->delayed);
	int err;

	/*
	 * Between setting its state and schedule(), or there asleep on a lock
	 * (PREEMPT_RT): if the bit vanished now, nobody would ever wake it.
	 */
	if (!thread->frozen &&
	    ((runnable && (thread->state & GI_TASK_INTERRUPTIBLE)) ||
	     (thread->state & TASK_RTLOCK_WAIT))) {
		postpone(job, GI_REFUSE_TRAP_WINDOW);
		return 0;
	}
	/* The mark stays where no wake-up is possible: it is what we go by. */
	if (thread->frozen && (thread->state & GI_TASK_INTERRUPTIBLE)) {
		err = wake(job, thread);
		if (!err)
			postpone(job, GI_REFUSE_QUEUE);
		if (err <= 0)
			return err;
	}
	return thread->stop == GI_WAKING ? 0 : unmark(job, thread);
}

/* Parked in TASK_STOPPED: make it an ordinary sleeper, then wake that. */
static int resume_silent(struct job *job, const struct thread *thread)
{
	struct thread sleeper = *thread;
	struct slot slot;
	u64 stopped = thread->jobctl &
		      (GI_JOBCTL_STOPPED | GI_JOBCTL_STOP_PENDING);
	int err;

	if (!(thread->state & GI_TASK_STOPPED))
		return unmark(job, thread);
	if (thread->on_cpu || (thread->on_rq && !thread->delayed)) {
		postpone(job, GI_REFUSE_TRAP_WINDOW);
		return 0;
	}
	/* State and wake-up go together: once changed, it is no longer known. */
	err = slot_for(job, thread->task, &slot);
	if (!err)
		postpone(job, GI_REFUSE_QUEUE);
	if (err <= 0)
		return err;
	err = lock_is_free(job, thread->task, MONARCH_F_TASK_PI_LOCK,
			   GI_CHECK_LOCK);
	if (!err)
		postpone(job, GI_REFUSE_QUEUE);
	if (err <= 0)
		return err;
	err = identity_check(job, thread);
	if (!err && stopped)
		err = member_bits(job, thread->task, MONARCH_F_TASK_JOBCTL,
				  thread->jobctl, stopped, false,
				  GI_EDIT_JOBCTL);
	if (!err)
		err = member_write(job, thread->task, MONARCH_F_TASK_STATE,
				   thread->state, GI_TASK_INTERRUPTIBLE,
				   GI_EDIT_TASK_STATE);
	sleeper.state = GI_TASK_INTERRUPTIBLE;
	if (!err)
		err = wake_by_call(job, &sleeper);
	if (err == 1) {
		job->result->woken++;
		job->result->marked++;
		return 0;
	}
	return err ? err : -EUCLEAN;
}

static int resume_thread(struct job *job, const struct thread *thread)
{
	if (!gi_stop_is_ours(thread->stop))
		return 0;
	return job->method == GI_STOP_FREEZER ? resume_freezer(job, thread) :
						resume_silent(job, thread);
}

/* ---- per process ---- */

/* Room for the steps of one more thread, whatever they turn out to be. */
static bool plan_has_room(const struct gi_plan *plan)
{
	return plan->nr_steps + THREAD_STEPS_MAX <= GI_PLAN_STEPS &&
	       plan->nr_kicks + 1 <= GI_PLAN_KICKS;
}

static int plan_thread(struct job *job, const struct thread *thread, bool stop)
{
	if (!plan_has_room(job->plan)) {
		job->full = true;
		postpone(job, GI_REFUSE_QUEUE);
		return 0;
	}
	return stop ? stop_thread(job, thread) : resume_thread(job, thread);
}

static enum gi_refusal refusal_of(int err)
{
	switch (err) {
	case -ENOSPC:
		return GI_REFUSE_QUEUE;
	case -EOPNOTSUPP:
		return GI_REFUSE_NO_METHOD;
	}
	return GI_REFUSE_UNREADABLE;
}

/* A place in the thread list: @node, reached from @back. */
struct place {
	u64 node, back;
};

/* Is the thread that the caller would start with in this process's list? */
static bool starts_at(const struct job *job, u64 task, struct place *ret)
{
	u64 link = gi_offset(job->layout, MONARCH_F_TASK_THREAD_NODE);
	struct place place = { .node = task + link };
	u64 signal, next;

	if (!task || field(job, task, MONARCH_F_TASK_SIGNAL, &signal) ||
	    signal != job->signal ||
	    gi_kernel_read_uint(job->kernel, place.node + 8, 8, &place.back) ||
	    gi_kernel_read_uint(job->kernel, place.back, 8, &next) ||
	    next != place.node)
		return false;
	*ret = place;
	return true;
}

/* The thread at @place, which must be one of this process. */
static int thread_at(const struct job *job, const struct place *place,
		     struct thread *ret)
{
	u64 task = place->node -
		   gi_offset(job->layout, MONARCH_F_TASK_THREAD_NODE);
	u64 back, signal;

	if (gi_kernel_read_uint(job->kernel, place->node + 8, 8, &back) ||
	    back != place->back ||
	    field(job, task, MONARCH_F_TASK_SIGNAL, &signal) ||
	    signal != job->signal)
		return -EUCLEAN;
	return read_thread(job, task, ret);
}

/* Return: GI_REFUSE_NONE also where the thread needs nothing. */
static enum gi_refusal visit_thread(struct job *job,
				    const struct thread *thread, bool stop)
{
	enum gi_refusal refusal;
	int err;

	if (exiting(thread))
		return GI_REFUSE_NONE;
	refusal = stop ? may_stop(thread) : GI_REFUSE_NONE;
	if (refusal)
		return refusal;
	job->result->threads++;
	err = plan_thread(job, thread, stop);
	return err ? refusal_of(err) : GI_REFUSE_NONE;
}

/*
 * Go over the thread list, from @first on if that is in it. The guest is held,
 * so a list that contradicts itself is not changing: it is broken. The hold is
 * short: once the plan is full, or where the caller knows where to start, no
 * more than GI_PLAN_THREADS are looked at.
 */
static enum gi_refusal each_thread(struct job *job, u64 first, bool stop)
{
	u64 head = job->signal + gi_offset(job->layout,
					   MONARCH_F_SIGNAL_THREAD_HEAD);
	struct place place = { .back = head };
	bool whole = !starts_at(job, first, &place);
	bool leader_seen = false;
	struct thread thread;
	u32 visited = 0;
	enum gi_refusal refusal;

	if (whole && gi_kernel_read_uint(job->kernel, head, 8, &place.node))
		return GI_REFUSE_UNREADABLE;
	for (; place.node != head; visited++) {
		if (visited >= GI_PLAN_THREADS && (job->full || !whole)) {
			postpone(job, GI_REFUSE_QUEUE);
			whole = false;
			break;
		}
		if (visited >= THREADS_MAX || thread_at(job, &place, &thread))
			return GI_REFUSE_UNREADABLE;
		leader_seen |= thread.task == job->leader;
		refusal = visit_thread(job, &thread, stop);
		if (refusal)
			return refusal;
		place.back = place.node;
		if (gi_kernel_read_uint(job->kernel, place.node, 8,
					&place.node))
			return GI_REFUSE_UNREADABLE;
	}
	if (whole && !leader_seen)
		return GI_REFUSE_GONE;
	/* Threads before @first are not known to be exiting. */
	return job->result->threads || !whole ? GI_REFUSE_NONE :
						GI_REFUSE_EXITING;
}

/* Is the target still itself, and in a condition to be edited? */
static enum gi_refusal admit(struct job *job, const struct gi_target *target,
			     bool stop)
{
	u64 start, pid, tgid, sighand, flags, exec_task;
	int free;

	job->leader = target->task;
	if (field(job, target->task, MONARCH_F_TASK_START_TIME, &start) ||
	    field(job, target->task, MONARCH_F_TASK_PID, &pid) ||
	    field(job, target->task, MONARCH_F_TASK_TGID, &tgid) ||
	    field(job, target->task, MONARCH_F_TASK_SIGNAL, &job->signal) ||
	    field(job, target->task, MONARCH_F_TASK_SIGHAND, &sighand))
		return GI_REFUSE_UNREADABLE;
	if (start != target->start_time || pid != tgid || !job->signal)
		return GI_REFUSE_GONE;
	if (pid <= 1)
		return GI_REFUSE_INIT;
	if (!sighand)
		return GI_REFUSE_EXITING;
	if (field(job, job->signal, MONARCH_F_SIGNAL_FLAGS, &flags) ||
	    field_or_0(job, job->signal, MONARCH_F_SIGNAL_GROUP_EXIT_TASK,
		       &exec_task))
		return GI_REFUSE_UNREADABLE;
	if (flags & SIGNAL_GROUP_EXIT)
		return GI_REFUSE_EXITING;
	if (stop && exec_task)
		return GI_REFUSE_VFORK_EXEC;
	/* The same bits serve the guest's own group stop. */
	if (stop && job->method == GI_STOP_SILENT &&
	    guest_group_stop(job->kernel, job->signal))
		return GI_REFUSE_GUEST_FROZEN;
	free = lock_is_free(job, sighand, MONARCH_F_SIGHAND_SIGLOCK,
			    GI_CHECK_LOCK);
	if (free < 0)
		return refusal_of(free);
	return free ? GI_REFUSE_NONE : GI_REFUSE_SIGLOCK;
}

static enum gi_refusal plan_process(const struct gi_kernel *kernel,
				    const struct gi_target *target,
				    struct gi_plan *plan,
				    struct gi_stop_result *ret, bool stop)
{
	struct job job = {
		.kernel = kernel, .layout = kernel->layout, .plan = plan,
		.result = ret, .method = gi_stop_method(kernel->layout),
		.tif_sigpending = BIT_ULL(kernel->layout->facts[
				MONARCH_F_TIF_SIGPENDING_BIT].value & 31),
	};
	enum gi_refusal refusal;

	gi_plan_init(plan);
	memset(ret, 0, sizeof(*ret));
	if (job.method == GI_STOP_NONE)
		return GI_REFUSE_NO_METHOD;
	refusal = admit(&job, target, stop);
	if (!refusal)
		refusal = each_thread(&job, target->from, stop);
	if (!refusal && !ret->marked && !ret->woken) {
		gi_plan_init(plan);	/* locks alone are nothing to do */
		refusal = ret->pending ? job.later : GI_REFUSE_NONE;
	}
	if (refusal)
		gi_plan_init(plan);
	return refusal;
}

u64 gi_stop_first(const struct gi_snapshot *snap,
		  const struct gi_process *proc, bool stop)
{
	u32 i;

	/* Of an older snapshot? */
	if (proc->first_thread >= snap->nr_threads ||
	    proc->nr_threads > snap->nr_threads - proc->first_thread ||
	    snap->threads[proc->first_thread].task != proc->task)
		return 0;
	for (i = 0; i < proc->nr_threads; i++) {
		const struct gi_thread *thread =
			&snap->threads[proc->first_thread + i];
		bool ours = gi_stop_is_ours(thread->stopped);

		if (thread->exit_state || (thread->flags & GI_PF_EXITING))
			continue;
		if (stop ? thread->stopped < GI_STOPPING : ours)
			return thread->task;
	}
	return 0;
}

enum gi_refusal gi_plan_stop(const struct gi_kernel *kernel,
			     const struct gi_target *target,
			     struct gi_plan *plan, struct gi_stop_result *ret)
{
	return plan_process(kernel, target, plan, ret, true);
}

enum gi_refusal gi_plan_resume(const struct gi_kernel *kernel,
			       const struct gi_target *target,
			       struct gi_plan *plan, struct gi_stop_result *ret)
{
	return plan_process(kernel, target, plan, ret, false);
}

/* ---- giving back what calls borrowed ---- */

static int slot_clear(struct job *job, const struct slot *slot)
{
	int err = member_write(job, slot->gva, MONARCH_F_CSD_FUNC, slot->func,
			       0, GI_EDIT_CSD);

	if (!err)
		err = member_write(job, slot->gva, MONARCH_F_CSD_INFO,
				   slot->info, 0, GI_EDIT_CSD);
	if (!err && slot->flags)
		err = member_write(job, slot->gva, MONARCH_F_CSD_FLAGS,
				   slot->flags, 0, GI_EDIT_CSD);
	if (!err && slot->next)
		err = member_write(job, slot->gva, MONARCH_F_CSD_NODE,
				   slot->next, 0, GI_EDIT_CSD);
	return err;
}

/*
 * The guest has taken the call (LOCK is clear). If ours was the task's last
 * reference, the guest itself must free it: __put_task_struct(), from the same
 * slot.
 */
static int slot_settle(struct job *job, const struct slot *slot)
{
	u64 put = gi_kernel_symbol(job->kernel, MONARCH_F_SYM_PUT_TASK_STRUCT);
	u64 wake_fn = gi_kernel_symbol(job->kernel,
				       MONARCH_F_SYM_WAKE_UP_PROCESS);
	u64 usage;
	int err;

	if ((slot->flags & CSD_FLAG_LOCK) || !slot->info)
		return 0;
	if (slot->func == put)
		return slot_clear(job, slot);
	if (slot->func != wake_fn)
		return 0;	/* not of our making */
	err = field(job, slot->info, MONARCH_F_TASK_USAGE, &usage);
	if (err)
		return err;
	if (!usage)
		return -EUCLEAN;
	err = member_write(job, slot->info, MONARCH_F_TASK_USAGE, usage,
			   usage - 1, GI_EDIT_USAGE);
	if (err)
		return err;
	return usage > 1 ? slot_clear(job, slot) :
			   slot_call(job, slot, 0, put, slot->info);
}

/*
 * Whoever finds a queue empty sends the interrupt, and nobody else does: a
 * Monarch that died between its edit and its kick leaves a queue that no one
 * will ever take, and all that is sent to that CPU waits behind it. An
 * interrupt too many is harmless.
 */
static int kick_queues(struct job *job)
{
	const struct gi_kernel *kernel = job->kernel;
	u64 head;
	u32 cpu;
	int err;

	for (cpu = 0; cpu < kernel->boot.nr_cpus; cpu++) {
		err = gi_kernel_read_uint(kernel, gi_kernel_per_cpu(kernel,
					  MONARCH_F_SYM_CALL_SINGLE_QUEUE, cpu),
					  8, &head);
		if (!err && head && gi_kernel_cpu_online(kernel, cpu))
			err = kick(job, cpu, VECTOR_CALL_SINGLE);
		if (err)
			return err == -ENOSPC ? 0 : err;
	}
	return 0;
}

enum gi_refusal gi_plan_settle(const struct gi_kernel *kernel,
			       struct gi_plan *plan)
{
	struct gi_stop_result unused = { 0 };
	struct job job = {
		.kernel = kernel, .layout = kernel->layout, .plan = plan,
		.result = &unused, .method = gi_stop_method(kernel->layout),
	};
	struct cave cave;
	struct slot slot;
	u32 i;

	gi_plan_init(plan);
	if (job.method == GI_STOP_NONE)
		return GI_REFUSE_NO_METHOD;
	if (kick_queues(&job) || cave_find(&job, &cave)) {
		gi_plan_init(plan);
		return GI_REFUSE_UNREADABLE;
	}
	for (i = 0; i < cave.slots; i++) {
		if (plan->nr_steps + 8 > GI_PLAN_STEPS)
			break;
		if (slot_read(&job, cave.gva + i * CAVE_SLOT, &slot) ||
		    slot_settle(&job, &slot)) {
			gi_plan_init(plan);
			return GI_REFUSE_UNREADABLE;
		}
	}
	return GI_REFUSE_NONE;
}
