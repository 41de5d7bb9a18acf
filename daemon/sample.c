// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sampling a VM: one look at its processes per quantum. Where the guest's
 * counters say that nothing was scheduled since the last look, only the tasks on
 * its CPUs are read again; else all are walked.
 *
 * A guest pays for being expensive: when its samples cost more than a fifth of
 * the quantum, or fail, it is sampled less often, at least once a second.
 */
#include <stdlib.h>

#include "clock.h"
#include "vm.h"

#define SAMPLE_FIRST_PROCESSES	1024u
#define SAMPLE_FIRST_THREADS	2048u
#define SAMPLE_SHARE		5	/* a fifth of the quantum */
#define SAMPLE_MAX_EVERY_NS	NS_PER_S
#define SAMPLE_MAX_VCPUS	GI_MAX_CPUS

static u64 sample_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec;
}

/* Snapshots. */

static int snapshot_reserve(struct gi_snapshot *snapshot, u32 processes,
			    u32 threads)
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

void vm_sample_deinit(struct vm *vm)
{
	for (u32 i = 0; i < 2; i++) {
		free(vm->snapshots[i].processes);
		free(vm->snapshots[i].threads);
		free(vm->snapshots[i].scratch);
		vm->snapshots[i] = (struct gi_snapshot){};
	}
	vm->has_snapshot = false;
	vm->activity.valid = false;
}

static bool snapshot_full_grown(const struct gi_snapshot *snapshot)
{
	return snapshot->max_processes >= VM_MAX_PROCESSES &&
	       snapshot->max_threads >= VM_MAX_THREADS;
}

static int snapshot_walk(struct vm *vm, struct gi_snapshot *next)
{
	const struct gi_snapshot *last = &vm->snapshots[vm->current];

	vm->host->stats.walks++;
	return gi_linux_walk(&vm->kernel, vm->has_snapshot ? last : NULL, next,
			     next->max_processes + next->max_threads);
}

/* Walk into the spare snapshot, with more room as long as it is too small. */
static int sample_walk(struct vm *vm)
{
	struct gi_snapshot *next = &vm->snapshots[!vm->current];
	const struct gi_snapshot *last = &vm->snapshots[vm->current];
	int error = snapshot_reserve(next,
				     max(last->max_processes, SAMPLE_FIRST_PROCESSES),
				     max(last->max_threads, SAMPLE_FIRST_THREADS));

	if (!error)
		error = snapshot_walk(vm, next);
	while (!error && !next->complete && !snapshot_full_grown(next)) {
		error = snapshot_reserve(next,
					 min(4 * next->max_processes, VM_MAX_PROCESSES),
					 min(4 * next->max_threads, VM_MAX_THREADS));
		if (!error)
			error = snapshot_walk(vm, next);
	}
	if (error)
		return error;
	vm->current = !vm->current;
	vm->has_snapshot = true;
	vm->has_running = false;
	vm->host->stats.walk_restarts += next->restarts;
	vm->host->stats.incomplete += !next->complete;
	return 0;
}

/* The table. */

/* A fold of host time into the guest's figures: only where there are any. */
static u32 sample_scale(struct vm *vm)
{
	struct vcpu_time times[SAMPLE_MAX_VCPUS];
	u64 host_ns = 0;
	u32 nr = 0;

	if (!vm->table->interval_ns)
		return vm->account.scale;
	if (vm->backend->ops->vcpu_times(vm->backend, times, SAMPLE_MAX_VCPUS,
					 &nr)) {
		vm->look.wanted = true;
		return vm->account.scale;
	}
	for (u32 i = 0; i < nr; i++)
		host_ns += times[i].cpu_ns;
	return account_add(&vm->account, host_ns, vm->table->interval_ns,
			   max(nr, 1u));
}

static int sample_publish_all(struct vm *vm, u64 now_ns)
{
	const struct gi_snapshot *snapshot = &vm->snapshots[vm->current];
	int error = 0;

	table_begin(vm->table, now_ns);
	for (u32 i = 0; i < snapshot->nr_processes && !error; i++)
		error = table_see(vm->table, &snapshot->processes[i]);
	if (!error && snapshot->complete)
		table_sweep(vm->table);
	table_commit(vm->table, sample_scale(vm));
	return error;
}

/* Which process is on which CPU; the same until the next walk. */
static void sample_find_running(struct vm *vm, const struct gi_activity *activity)
{
	const struct gi_snapshot *snapshot = &vm->snapshots[vm->current];

	for (u32 cpu = 0; cpu < activity->nr_cpus; cpu++) {
		vm->running[cpu] = U32_MAX;
		for (u32 i = 0; i < snapshot->nr_threads; i++)
			if (snapshot->threads[i].task == activity->curr[cpu])
				vm->running[cpu] = snapshot->threads[i].process;
	}
	vm->has_running = true;
}

static int sample_publish_running(struct vm *vm, u64 now_ns,
				  const struct gi_activity *activity)
{
	const struct gi_snapshot *snapshot = &vm->snapshots[vm->current];
	int error = 0;

	if (!vm->has_running)
		sample_find_running(vm, activity);
	table_begin(vm->table, now_ns);
	for (u32 cpu = 0; cpu < activity->nr_cpus && !error; cpu++)
		if (vm->running[cpu] < snapshot->nr_processes)
			error = table_see(vm->table,
					  &snapshot->processes[vm->running[cpu]]);
	table_commit(vm->table, sample_scale(vm));
	return error;
}

/* Reading. */

static bool sample_quiet(const struct vm *vm, const struct gi_activity *activity)
{
	return vm->has_snapshot && !vm->force_walk && activity->valid &&
	       vm->activity.valid && vm->snapshots[vm->current].complete &&
	       gi_activity_same(activity, &vm->activity);
}

static int sample_all(struct vm *vm, u64 now_ns,
		      const struct gi_activity *activity)
{
	int error = sample_walk(vm);

	vm->activity.valid = false;
	if (error)
		return error;
	vm->activity = *activity;
	vm->force_walk = false;
	vm->pace.active_ns = now_ns;
	vm->pace.verify_ns = 2 * NS_PER_S;
	error = sample_publish_all(vm, now_ns);
	if (vm->scan)
		vm_recover(vm, now_ns);
	else
		vm_suspect(vm, now_ns);
	vm->scan = false;
	return error;
}

static int sample_read(struct vm *vm, u64 now_ns)
{
	struct gi_activity activity = {};
	int error = gi_linux_activity(&vm->kernel, &activity);

	if (error == -ESTALE)
		vm->look.wanted = true;
	/* no counters in the layout, or CPU hotplug: walk every time */
	if (error == -ENOENT || error == -ESTALE)
		activity.valid = false;
	else if (error)
		return error;
	if (sample_quiet(vm, &activity)) {
		error = gi_linux_refresh(&vm->kernel, &activity,
					 &vm->snapshots[vm->current]);
		if (!error) {
			vm->host->stats.refreshes++;
			return sample_publish_running(vm, now_ns, &activity);
		}
		if (error != -ESTALE)
			return error;
	}
	return sample_all(vm, now_ns, &activity);
}

/* Pace. */

static u64 sample_backoff(const struct vm *vm)
{
	u64 every = vm->host->quantum_ns << min(vm->pace.failures, 10u);

	return min(every, SAMPLE_MAX_EVERY_NS);
}

static u64 sample_by_cost(const struct vm *vm)
{
	u64 every = SAMPLE_SHARE * vm->pace.cost_ns;

	return every <= vm->host->quantum_ns ? 0 : min(every, SAMPLE_MAX_EVERY_NS);
}

static void sample_pace(struct vm *vm, u64 now_ns, u64 cost_ns, int error)
{
	struct vm_pace *pace = &vm->pace;

	pace->cost_ns = (7 * pace->cost_ns + cost_ns) / 8;
	pace->error = error;
	pace->failures = error ? pace->failures + 1 : 0;
	if (!error)
		pace->good_ns = now_ns;
	pace->every_ns = error ? sample_backoff(vm) : sample_by_cost(vm);
	pace->next_ns = now_ns + pace->every_ns;
}

void vm_sample(struct vm *vm, u64 now_ns)
{
	u64 start;
	int error;

	if (vm->state != VM_RUNS || now_ns < vm->pace.next_ns)
		return;
	start = sample_cpu_ns();
	error = sample_read(vm, now_ns);
	start = sample_cpu_ns() - start;
	vm->host->stats.walk_ns += start;
	vm->host->stats.walk_errors += !!error;
	sample_pace(vm, now_ns, start, error);
}
