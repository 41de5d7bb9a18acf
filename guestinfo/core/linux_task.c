// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading a live guest's processes; the idea is in linux_task.h.
 *
 * A struct view is where the bytes of one task_struct can be loaded from: guest
 * RAM itself where it is mapped, a copy otherwise. Each field is loaded once.
 * Fields whose size changed over the years (state, on_cpu, on_rq) are loaded
 * by their low bytes, which x86 stores first.
 */
#include "linux_task.h"
#include "linux_stop.h"

#define PREFETCH_AHEAD	8

/*
 * The module's table holds these structures as they are: its walk writes them
 * there, and who maps the table reads them.
 */
#define SAME(ours, member, theirs, its) \
	_Static_assert(offsetof(struct ours, member) == \
		       offsetof(struct theirs, its) && \
		       sizeof(((struct ours *)0)->member) == \
		       sizeof(((struct theirs *)0)->its), #member)

_Static_assert(sizeof(struct gi_process) == sizeof(struct monarch_process),
	       "process");
SAME(gi_process, task, monarch_process, task);
SAME(gi_process, start_time, monarch_process, start_time);
SAME(gi_process, runtime_ns, monarch_process, runtime_ns);
SAME(gi_process, utime_ns, monarch_process, utime_ns);
SAME(gi_process, stime_ns, monarch_process, stime_ns);
SAME(gi_process, pgd, monarch_process, pgd);
SAME(gi_process, mm, monarch_process, mm);
SAME(gi_process, signal, monarch_process, signal);
SAME(gi_process, cred, monarch_process, cred);
SAME(gi_process, parent_task, monarch_process, parent_task);
SAME(gi_process, pid, monarch_process, pid);
SAME(gi_process, parent, monarch_process, parent);
SAME(gi_process, uid, monarch_process, uid);
SAME(gi_process, gid, monarch_process, gid);
SAME(gi_process, state, monarch_process, state);
SAME(gi_process, flags, monarch_process, task_flags);
SAME(gi_process, first_thread, monarch_process, first_thread);
SAME(gi_process, nr_threads, monarch_process, nr_threads);
SAME(gi_process, exit_state, monarch_process, exit_state);
SAME(gi_process, stopped, monarch_process, stopped);
SAME(gi_process, comm, monarch_process, comm);

_Static_assert(sizeof(struct gi_thread) == sizeof(struct monarch_thread),
	       "thread");
SAME(gi_thread, task, monarch_thread, task);
SAME(gi_thread, start_time, monarch_thread, start_time);
SAME(gi_thread, runtime_ns, monarch_thread, runtime_ns);
SAME(gi_thread, utime_ns, monarch_thread, utime_ns);
SAME(gi_thread, stime_ns, monarch_thread, stime_ns);
SAME(gi_thread, pid, monarch_thread, pid);
SAME(gi_thread, state, monarch_thread, state);
SAME(gi_thread, flags, monarch_thread, task_flags);
SAME(gi_thread, cpu, monarch_thread, cpu);
SAME(gi_thread, process, monarch_thread, process);
SAME(gi_thread, on_cpu, monarch_thread, on_cpu);
SAME(gi_thread, on_rq, monarch_thread, on_rq);
SAME(gi_thread, exit_state, monarch_thread, exit_state);
SAME(gi_thread, stopped, monarch_thread, stopped);
#undef SAME

struct bit_field {
	u16 offset;
	u8 bit;
	bool present;
};

/* The layout's answers, looked up once per walk. */
struct task_offsets {
	u16 state, flags, exit_state, pid, tgid, comm, tasks, thread_node;
	u16 signal, mm, real_parent, cred, start_time, sum_exec, utime, stime;
	u16 on_cpu, on_rq, cpu, jobctl;
	struct bit_field frozen;
	u16 thread_head, sum_sched, sig_utime, sig_stime, sig_flags, group_stop;
	u16 pgd, uid, gid;
	u16 lo, hi;		/* span of task_struct that holds them all */
	u16 misaligned;		/* low bits of offsets that should have none */
};

/* The RAM range that answered last, by direct-map address: nearly all do. */
struct window {
	u64 gva;
	u64 size;
	const u8 *hva;
};

struct walk {
	const struct gi_kernel *kernel;
	const struct gi_snapshot *prev;
	struct gi_snapshot *snap;
	struct task_offsets at;
	struct window window;
	u32 cursor;		/* where prev is expected to go on */
	u32 budget;
};

static const u16 walk_needs[] = {
	MONARCH_F_SYM_INIT_TASK, MONARCH_F_TASK_STATE, MONARCH_F_TASK_FLAGS,
	MONARCH_F_TASK_EXIT_STATE, MONARCH_F_TASK_PID, MONARCH_F_TASK_TGID,
	MONARCH_F_TASK_COMM, MONARCH_F_TASK_TASKS, MONARCH_F_TASK_THREAD_NODE,
	MONARCH_F_TASK_SIGNAL, MONARCH_F_TASK_MM, MONARCH_F_TASK_REAL_PARENT,
	MONARCH_F_TASK_CRED, MONARCH_F_TASK_START_TIME,
	MONARCH_F_TASK_SUM_EXEC, MONARCH_F_TASK_UTIME, MONARCH_F_TASK_STIME,
	MONARCH_F_TASK_ON_CPU, MONARCH_F_TASK_ON_RQ, MONARCH_F_TASK_CPU,
	MONARCH_F_TASK_JOBCTL, MONARCH_F_SIGNAL_THREAD_HEAD,
	MONARCH_F_SIGNAL_SUM_SCHED, MONARCH_F_SIGNAL_UTIME,
	MONARCH_F_SIGNAL_STIME, MONARCH_F_SIGNAL_FLAGS,
	MONARCH_F_SIGNAL_GROUP_STOP_COUNT, MONARCH_F_MM_PGD,
	MONARCH_F_CRED_UID, MONARCH_F_CRED_GID,
};

bool gi_linux_walk_supported(const struct gi_layout *layout, u32 *ret_missing)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(walk_needs); i++) {
		if (gi_has(layout, walk_needs[i]))
			continue;
		*ret_missing = walk_needs[i];
		return false;
	}
	return true;
}

static void task_offset(const struct gi_layout *layout, u32 id, u32 size,
			struct task_offsets *at, u16 *ret)
{
	u32 offset = gi_offset(layout, id);

	*ret = (u16)offset;
	at->misaligned |= offset & (min(size, 8u) - 1);
	at->lo = min(at->lo, (u16)(offset & ~7u));
	at->hi = (u16)max((u32)at->hi, min(offset + size, 0xffffu));
}

static int offsets_init(const struct gi_layout *layout, struct task_offsets *at)
{
	const struct gi_fact *frozen = &layout->facts[MONARCH_F_TASK_FROZEN];
	u32 missing;
	u16 dummy;

	if (!gi_linux_walk_supported(layout, &missing))
		return -ENOENT;
	at->lo = 0xffff;
	at->hi = 0;
	at->misaligned = 0;
	task_offset(layout, MONARCH_F_TASK_STATE, 4, at, &at->state);
	task_offset(layout, MONARCH_F_TASK_FLAGS, 4, at, &at->flags);
	task_offset(layout, MONARCH_F_TASK_EXIT_STATE, 4, at, &at->exit_state);
	task_offset(layout, MONARCH_F_TASK_PID, 4, at, &at->pid);
	task_offset(layout, MONARCH_F_TASK_TGID, 4, at, &at->tgid);
	task_offset(layout, MONARCH_F_TASK_COMM, GI_COMM_LEN, at, &at->comm);
	task_offset(layout, MONARCH_F_TASK_TASKS, 16, at, &at->tasks);
	task_offset(layout, MONARCH_F_TASK_THREAD_NODE, 16, at,
		    &at->thread_node);
	task_offset(layout, MONARCH_F_TASK_SIGNAL, 8, at, &at->signal);
	task_offset(layout, MONARCH_F_TASK_MM, 8, at, &at->mm);
	task_offset(layout, MONARCH_F_TASK_REAL_PARENT, 8, at,
		    &at->real_parent);
	task_offset(layout, MONARCH_F_TASK_CRED, 8, at, &at->cred);
	task_offset(layout, MONARCH_F_TASK_START_TIME, 8, at, &at->start_time);
	task_offset(layout, MONARCH_F_TASK_SUM_EXEC, 8, at, &at->sum_exec);
	task_offset(layout, MONARCH_F_TASK_UTIME, 8, at, &at->utime);
	task_offset(layout, MONARCH_F_TASK_STIME, 8, at, &at->stime);
	task_offset(layout, MONARCH_F_TASK_ON_CPU, 1, at, &at->on_cpu);
	task_offset(layout, MONARCH_F_TASK_ON_RQ, 1, at, &at->on_rq);
	task_offset(layout, MONARCH_F_TASK_CPU, 4, at, &at->cpu);
	task_offset(layout, MONARCH_F_TASK_JOBCTL, 8, at, &at->jobctl);
	at->frozen.present = frozen->kind == MONARCH_FACT_FIELD;
	if (at->frozen.present) {
		task_offset(layout, MONARCH_F_TASK_FROZEN, 1, at, &dummy);
		at->frozen.offset = dummy;
		at->frozen.bit = frozen->bit;
	}
	at->thread_head = gi_offset(layout, MONARCH_F_SIGNAL_THREAD_HEAD);
	at->sum_sched = gi_offset(layout, MONARCH_F_SIGNAL_SUM_SCHED);
	at->sig_utime = gi_offset(layout, MONARCH_F_SIGNAL_UTIME);
	at->sig_stime = gi_offset(layout, MONARCH_F_SIGNAL_STIME);
	at->sig_flags = gi_offset(layout, MONARCH_F_SIGNAL_FLAGS);
	at->group_stop = gi_offset(layout, MONARCH_F_SIGNAL_GROUP_STOP_COUNT);
	at->pgd = gi_offset(layout, MONARCH_F_MM_PGD);
	at->uid = gi_offset(layout, MONARCH_F_CRED_UID);
	at->gid = gi_offset(layout, MONARCH_F_CRED_GID);
	return at->misaligned ? -EINVAL : 0;
}

static const u8 *window_move(struct walk *walk, u64 gva, u32 len)
{
	const struct gi_kernel *kernel = walk->kernel;
	u64 gpa = gva - kernel->boot.page_offset;
	const struct gi_ram_range *range;

	if (gva - kernel->image_gva < kernel->image_size) {
		gpa = gva - GI_KERNEL_MAP + kernel->boot.phys_base;
		return gi_memory_hva(kernel->mem, gpa, len);
	}
	range = gi_memory_range(kernel->mem, gpa);
	if (!range || !range->hva || range->size < len)
		return NULL;
	walk->window.gva = kernel->boot.page_offset + range->gpa;
	walk->window.size = range->size;
	walk->window.hva = range->hva;
	gva -= walk->window.gva;
	return gva <= range->size - len ? range->hva + gva : NULL;
}

/* Where [gva, gva + len) of the direct map or the image is mapped, or NULL. */
static inline const u8 *kernel_hva(struct walk *walk, u64 gva, u32 len)
{
	u64 offset = gva - walk->window.gva;

	if (likely(offset < walk->window.size &&
		   walk->window.size - offset >= len))
		return walk->window.hva + offset;
	return window_move(walk, gva, len);
}

/*
 * The bytes of the task_struct at @gva as if it began at the pointer returned.
 * NULL: not readable.
 */
static inline const u8 *task_view(struct walk *walk, u64 gva)
{
	const struct task_offsets *at = &walk->at;
	u32 span = at->hi - at->lo;
	const u8 *hva;

	if (unlikely((gva & 7) || gva > U64_MAX - 65536))
		return NULL;
	hva = kernel_hva(walk, gva + at->lo, span);
	if (likely(hva))
		return hva - at->lo;
	if (!walk->snap->scratch || span > GI_TASK_SPAN_MAX)
		return NULL;
	if (gi_kernel_read(walk->kernel, gva + at->lo, walk->snap->scratch,
			   span))
		return NULL;
	return walk->snap->scratch - at->lo;
}

static inline u64 load64(const u8 *task, u16 offset)
{
	return READ_ONCE(*(const u64 *)(task + offset));
}

static inline u32 load32(const u8 *task, u16 offset)
{
	return READ_ONCE(*(const u32 *)(task + offset));
}

static inline u8 load8(const u8 *task, u16 offset)
{
	return READ_ONCE(task[offset]);
}

static inline void prefetch_task(struct walk *walk, u64 gva)
{
	const struct task_offsets *at = &walk->at;
	const u8 *task = kernel_hva(walk, gva + at->lo, at->hi - at->lo);

	if (!task)
		return;
	task -= at->lo;
	prefetch(task + at->state);
	prefetch(task + at->on_rq);
	prefetch(task + at->sum_exec);
	prefetch(task + at->tasks);
	prefetch(task + at->pid);
	prefetch(task + at->jobctl);
	prefetch(task + at->real_parent);
}

/* What the mark bits say of one thread; see linux_stop.h. */
static inline u8 stop_state(const struct walk *walk, const u8 *task,
		     const struct gi_thread *thread, u64 signal)
{
	const struct task_offsets *at = &walk->at;
	struct gi_stop_facts facts = {
		.jobctl = load64(task, at->jobctl),
		.state = thread->state,
		.on_cpu = thread->on_cpu,
		.on_rq = thread->on_rq,
	};

	if (at->frozen.present)
		facts.frozen = (load8(task, at->frozen.offset) >>
				at->frozen.bit) & 1;
	if (likely(!gi_stop_marked(&facts)))
		return GI_RUNS;
	return gi_stop_classify(walk->kernel, thread->task, signal, &facts);
}

/* Scheduler state: changed by others too, so never taken over. */
static inline void load_sched(const struct walk *walk, const u8 *task,
			      struct gi_thread *thread)
{
	const struct task_offsets *at = &walk->at;

	thread->state = load32(task, at->state);
	thread->on_cpu = load8(task, at->on_cpu);
	thread->on_rq = load8(task, at->on_rq);
	if (thread->on_cpu && thread->cpu < GI_MAX_CPUS)
		walk->snap->running[thread->cpu] =
			thread - walk->snap->threads;
}

static void load_thread(const struct walk *walk, const u8 *task, u64 gva,
			u64 signal, struct gi_thread *thread)
{
	const struct task_offsets *at = &walk->at;

	thread->task = gva;
	thread->pid = load32(task, at->pid);
	thread->flags = load32(task, at->flags);
	thread->exit_state = load8(task, at->exit_state);
	thread->cpu = load32(task, at->cpu);
	thread->start_time = load64(task, at->start_time);
	thread->runtime_ns = load64(task, at->sum_exec);
	thread->utime_ns = load64(task, at->utime);
	thread->stime_ns = load64(task, at->stime);
	load_sched(walk, task, thread);
	thread->stopped = stop_state(walk, task, thread, signal);
}

/* Return: false if the thread executed, or is not the one it was. */
static inline bool thread_quiet(struct walk *walk, const u8 *task,
			 const struct gi_thread *old, u64 signal)
{
	struct gi_snapshot *snap = walk->snap;
	const struct task_offsets *at = &walk->at;
	struct gi_thread *thread = &snap->threads[snap->nr_threads];

	if (!task)
		return false;
	if (old->on_cpu || load8(task, at->on_cpu) ||
	    load64(task, at->sum_exec) != old->runtime_ns ||
	    load32(task, at->pid) != old->pid)
		return false;
	*thread = *old;
	load_sched(walk, task, thread);
	thread->stopped = stop_state(walk, task, thread, signal);
	thread->process = snap->nr_processes;
	snap->nr_threads++;
	return true;
}

static void load_parent(const struct walk *walk, const u8 *task,
			struct gi_process *proc)
{
	u64 tgid = 0;

	proc->parent_task = load64(task, walk->at.real_parent);
	if (gi_kernel_read_uint(walk->kernel,
				proc->parent_task + walk->at.tgid, 4, &tgid))
		tgid = 0;
	proc->parent = (u32)tgid;
}

/* A process is as stopped as its least stopped live thread. */
static inline u8 weakest_stop(const struct gi_snapshot *snap,
		       const struct gi_process *proc)
{
	const struct gi_thread *thread = &snap->threads[proc->first_thread];
	u8 weakest = 0xff;
	u32 i;

	for (i = 0; i < proc->nr_threads; i++, thread++)
		if (!thread->exit_state && thread->stopped < weakest)
			weakest = thread->stopped;
	return weakest == 0xff ? GI_RUNS : weakest;
}

/* The process's part that is the sum over its threads. */
static void add_threads(const struct gi_snapshot *snap, struct gi_process *proc)
{
	const struct gi_thread *thread = &snap->threads[proc->first_thread];
	u32 i;

	for (i = 0; i < proc->nr_threads; i++, thread++) {
		proc->runtime_ns += thread->runtime_ns;
		proc->utime_ns += thread->utime_ns;
		proc->stime_ns += thread->stime_ns;
	}
	proc->stopped = weakest_stop(snap, proc);
}

static void load_owner(const struct walk *walk, struct gi_process *proc)
{
	const struct gi_kernel *kernel = walk->kernel;
	u64 uid = 0, gid = 0, pgd = 0;

	/* A credential or mm that cannot be read leaves its fields 0. */
	if (!gi_kernel_read_uint(kernel, proc->cred + walk->at.uid, 4, &uid) &&
	    !gi_kernel_read_uint(kernel, proc->cred + walk->at.gid, 4, &gid)) {
		proc->uid = (u32)uid;
		proc->gid = (u32)gid;
	}
	if (proc->mm &&
	    !gi_kernel_read_uint(kernel, proc->mm + walk->at.pgd, 8, &pgd) &&
	    gi_kernel_gpa(kernel, pgd, &proc->pgd))
		proc->pgd = 0;
}

static void load_signal_times(const struct walk *walk, struct gi_process *proc)
{
	const struct gi_kernel *kernel = walk->kernel;
	u64 runtime = 0, utime = 0, stime = 0;

	/* Time of threads that are gone; unreadable counts as none. */
	if (gi_kernel_read_uint(kernel, proc->signal + walk->at.sum_sched, 8,
				&runtime) ||
	    gi_kernel_read_uint(kernel, proc->signal + walk->at.sig_utime, 8,
				&utime) ||
	    gi_kernel_read_uint(kernel, proc->signal + walk->at.sig_stime, 8,
				&stime))
		return;
	proc->runtime_ns = runtime;
	proc->utime_ns = utime;
	proc->stime_ns = stime;
}

/* Return: 0; -EUCLEAN the list changed or lies; -ENOSPC no room or budget. */
static int load_threads(struct walk *walk, struct gi_process *proc)
{
	struct gi_snapshot *snap = walk->snap;
	u64 head = proc->signal + walk->at.thread_head;
	u64 from = head, node, back;

	if (gi_kernel_read_uint(walk->kernel, head, 8, &node))
		return -EUCLEAN;
	while (node != head) {
		u64 gva = node - walk->at.thread_node;
		const u8 *task = task_view(walk, gva);

		if (!task)
			return -EUCLEAN;
		if (!walk->budget || snap->nr_threads >= snap->max_threads)
			return -ENOSPC;
		walk->budget--;
		back = load64(task, walk->at.thread_node + 8);
		if (back != from || load64(task, walk->at.signal) !=
					    proc->signal)
			return -EUCLEAN;
		load_thread(walk, task, gva, proc->signal,
			    &snap->threads[snap->nr_threads]);
		snap->threads[snap->nr_threads++].process = snap->nr_processes;
		proc->nr_threads++;
		from = node;
		node = load64(task, walk->at.thread_node);
	}
	return 0;
}

/* What the leader and the shared structures say; not the threads. */
static void load_leader(const struct walk *walk, const u8 *task, u64 gva,
			struct gi_process *proc)
{
	const struct task_offsets *at = &walk->at;

	proc->task = gva;
	proc->start_time = load64(task, at->start_time);
	proc->pid = load32(task, at->tgid);
	proc->state = load32(task, at->state);
	proc->flags = load32(task, at->flags);
	proc->exit_state = load8(task, at->exit_state);
	proc->signal = load64(task, at->signal);
	proc->mm = load64(task, at->mm);
	proc->cred = load64(task, at->cred);
	memcpy(proc->comm, task + at->comm, GI_COMM_LEN);
	proc->comm[GI_COMM_LEN - 1] = '\0';
	load_parent(walk, task, proc);
	load_owner(walk, proc);
	load_signal_times(walk, proc);
}

/* Everything of the process whose leader is at @gva. */
static int load_process(struct walk *walk, const u8 *task, u64 gva,
			struct gi_process *proc)
{
	int err;

	memset(proc, 0, sizeof(*proc));
	load_leader(walk, task, gva, proc);
	proc->first_thread = walk->snap->nr_threads;
	err = load_threads(walk, proc);
	if (err == -EUCLEAN && proc->exit_state)
		err = 0;	/* being reaped: its thread list comes apart */
	add_threads(walk->snap, proc);
	return err;
}

/* The previous record of the process at @gva, or NULL. */
static const struct gi_process *expected(struct walk *walk, u64 gva)
{
	const struct gi_snapshot *prev = walk->prev;
	u32 i;

	if (!prev)
		return NULL;
	/* The list keeps its order; a few exits in a row are skipped. */
	for (i = walk->cursor; i < prev->nr_processes && i < walk->cursor + 8;
	     i++) {
		if (prev->processes[i].task != gva)
			continue;
		walk->cursor = i + 1;
		return &prev->processes[i];
	}
	return NULL;
}

static inline void prefetch_ahead(struct walk *walk)
{
	const struct gi_snapshot *prev = walk->prev;
	u32 next = walk->cursor + PREFETCH_AHEAD;

	if (prev && next < prev->nr_processes)
		prefetch_task(walk, prev->processes[next].task);
}

/* Take over all threads of @old. Return: false: one executed. */
static inline bool reuse_threads(struct walk *walk, const u8 *task,
			  const struct gi_process *old)
{
	const struct gi_thread *thread =
		&walk->prev->threads[old->first_thread];
	struct gi_snapshot *snap = walk->snap;
	u32 first = snap->nr_threads, i;

	if (!old->nr_threads || old->nr_threads > walk->budget ||
	    old->nr_threads > snap->max_threads - first)
		return false;
	for (i = 0; i < old->nr_threads; i++, thread++) {
		/* @task is the leader's view, until another takes its place */
		if (i || thread->task != old->task)
			task = task_view(walk, thread->task);
		if (thread_quiet(walk, task, thread, old->signal))
			continue;
		snap->nr_threads = first;
		return false;
	}
	walk->budget -= old->nr_threads;
	return true;
}

/*
 * Take over a process that executed nothing. The threads come last: their views
 * may share our scratch buffer. Return: false: read it instead.
 */
static bool reuse_process(struct walk *walk, const u8 *task,
			  const struct gi_process *old)
{
	struct gi_snapshot *snap = walk->snap;
	struct gi_process *proc = &snap->processes[snap->nr_processes];
	u32 first = snap->nr_threads;

	if ((snap->nr_processes + snap->sequence) % GI_WALK_FRESH == 0)
		return false;
	*proc = *old;
	proc->first_thread = first;
	proc->state = load32(task, walk->at.state);
	if (unlikely(load64(task, walk->at.real_parent) != old->parent_task))
		load_parent(walk, task, proc);
	if (!reuse_threads(walk, task, old))
		return false;
	proc->stopped = weakest_stop(snap, proc);
	snap->reused++;
	return true;
}

static int visit(struct walk *walk, const u8 *task, u64 gva)
{
	struct gi_snapshot *snap = walk->snap;
	const struct gi_process *old = expected(walk, gva);
	int err;

	prefetch_ahead(walk);
	if (old && reuse_process(walk, task, old)) {
		snap->nr_processes++;
		return 0;
	}
	if (old)	/* its threads' views may have taken the scratch buffer */
		task = task_view(walk, gva);
	if (!task)
		return -EUCLEAN;
	err = load_process(walk, task, gva,
			   &snap->processes[snap->nr_processes]);
	if (!err)
		snap->nr_processes++;
	return err;
}

/* Return: as visit(); also -EFAULT where init_task cannot be read. */
static int walk_once(struct walk *walk)
{
	u64 init = gi_kernel_symbol(walk->kernel, MONARCH_F_SYM_INIT_TASK);
	u64 head = init + walk->at.tasks;
	u64 from = head, node;
	const u8 *task = task_view(walk, init);
	int err;

	if (!task)
		return -EFAULT;
	node = load64(task, walk->at.tasks);
	while (node != head) {
		u64 gva = node - walk->at.tasks, next;

		task = task_view(walk, gva);
		if (!task || load64(task, walk->at.tasks + 8) != from)
			return -EUCLEAN;
		next = load64(task, walk->at.tasks);
		if (!walk->budget ||
		    walk->snap->nr_processes >= walk->snap->max_processes)
			return -ENOSPC;
		walk->budget--;
		err = visit(walk, task, gva);
		if (err)
			return err;
		from = node;
		node = next;
	}
	return 0;
}

int gi_linux_walk(const struct gi_kernel *kernel,
		  const struct gi_snapshot *prev, struct gi_snapshot *snap,
		  u32 budget)
{
	struct walk walk = { .kernel = kernel, .prev = prev, .snap = snap };
	u32 try;
	int err;

	err = offsets_init(kernel->layout, &walk.at);
	if (err)
		return err;
	snap->restarts = 0;
	snap->sequence = prev ? prev->sequence + 1 : 0;
	walk.budget = budget;
	for (try = 0; try < GI_WALK_TRIES; try++) {
		snap->nr_processes = 0;
		snap->nr_threads = 0;
		snap->reused = 0;
		walk.cursor = 0;
		err = walk_once(&walk);
		if (err != -EUCLEAN)
			break;
		snap->restarts++;
	}
	snap->complete = !err;
	if (err == -ENOSPC)
		return 0;
	if (err) {
		snap->nr_processes = 0;
		snap->nr_threads = 0;
	}
	return err;
}

static int cpu_activity(const struct gi_kernel *kernel, u32 cpu, u64 *switches,
			u64 *curr)
{
	u64 rq = gi_kernel_per_cpu(kernel, MONARCH_F_SYM_RUNQUEUES, cpu);
	int err;

	if (!rq)
		return -ENOENT;
	err = gi_kernel_field(kernel, rq, MONARCH_F_RQ_NR_SWITCHES, switches);
	return err ? err : gi_kernel_field(kernel, rq, MONARCH_F_RQ_CURR, curr);
}

int gi_linux_activity(const struct gi_kernel *kernel, struct gi_activity *ret)
{
	u64 forks = gi_kernel_symbol(kernel, MONARCH_F_SYM_TOTAL_FORKS);
	u64 threads = gi_kernel_symbol(kernel, MONARCH_F_SYM_NR_THREADS);
	u32 cpu;
	int err;

	ret->valid = false;
	ret->nr_cpus = kernel->boot.nr_cpus;
	if (!forks || !threads)
		return -ENOENT;
	if (!gi_kernel_cpus_same(kernel))
		return -ESTALE;
	err = gi_kernel_read_uint(kernel, forks, 8, &ret->forks);
	if (!err)
		err = gi_kernel_read_uint(kernel, threads, 4, &ret->nr_threads);
	for (cpu = 0; !err && cpu < ret->nr_cpus; cpu++)
		err = cpu_activity(kernel, cpu, &ret->switches[cpu],
				   &ret->curr[cpu]);
	ret->valid = !err;
	return err;
}

bool gi_activity_same(const struct gi_activity *a, const struct gi_activity *b)
{
	u32 cpu;

	if (!a->valid || !b->valid || a->nr_cpus != b->nr_cpus ||
	    a->forks != b->forks || a->nr_threads != b->nr_threads)
		return false;
	for (cpu = 0; cpu < a->nr_cpus; cpu++)
		if (a->switches[cpu] != b->switches[cpu] ||
		    a->curr[cpu] != b->curr[cpu])
			return false;
	return true;
}

/* The running thread of @cpu in the snapshot, or NULL. */
static struct gi_thread *running_thread(struct gi_snapshot *snap, u32 cpu,
					u64 task)
{
	u32 guess = snap->running[cpu], i;

	if (guess < snap->nr_threads && snap->threads[guess].task == task)
		return &snap->threads[guess];
	for (i = 0; i < snap->nr_threads; i++)
		if (snap->threads[i].task == task) {
			snap->running[cpu] = i;
			return &snap->threads[i];
		}
	return NULL;
}

static int refresh_thread(struct walk *walk, struct gi_thread *thread)
{
	struct gi_snapshot *snap = walk->snap;
	struct gi_process *proc = &snap->processes[thread->process];
	const u8 *task = task_view(walk, thread->task);

	if (!task || load32(task, walk->at.pid) != thread->pid)
		return -ESTALE;
	load_thread(walk, task, thread->task, proc->signal, thread);
	task = task_view(walk, proc->task);
	if (!task || load64(task, walk->at.start_time) != proc->start_time ||
	    load64(task, walk->at.signal) != proc->signal)
		return -ESTALE;
	load_leader(walk, task, proc->task, proc);
	add_threads(snap, proc);
	return 0;
}

int gi_linux_refresh(const struct gi_kernel *kernel,
		     const struct gi_activity *activity,
		     struct gi_snapshot *snap)
{
	struct walk walk = { .kernel = kernel, .snap = snap };
	u32 cpu;
	int err;

	err = offsets_init(kernel->layout, &walk.at);
	if (err)
		return err;
	for (cpu = 0; cpu < activity->nr_cpus; cpu++) {
		u64 rq = gi_kernel_per_cpu(kernel, MONARCH_F_SYM_RUNQUEUES,
					   cpu);
		struct gi_thread *thread;
		u64 idle;

		err = gi_kernel_field(kernel, rq, MONARCH_F_RQ_IDLE, &idle);
		if (err)
			return err;
		if (activity->curr[cpu] == idle)
			continue;
		thread = running_thread(snap, cpu, activity->curr[cpu]);
		if (!thread)
			return -ESTALE;
		err = refresh_thread(&walk, thread);
		if (err)
			return err;
	}
	return 0;
}
