// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sampling a VM: one look at its processes per quantum, from the backend into
 * the table.
 *
 * A guest pays for being expensive: when its samples cost more than a fifth of
 * the quantum, or fail, it is sampled less often, at least once a second.
 */
#include "clock.h"
#include "spaces.h"
#include "vm.h"

#define SAMPLE_SHARE		5	/* a fifth of the quantum */
#define SAMPLE_MAX_EVERY_NS	NS_PER_S
#define SAMPLE_MAX_VCPUS	GI_MAX_CPUS

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

/* What the host saw run, beside what the guest says. */
static void sample_spaces(struct vm *vm)
{
	struct space_time times[SPACES_MAX];
	u32 nr = 0;

	if (!vm->backend->ops->space_times ||
	    vm->backend->ops->space_times(vm->backend, times, SPACES_MAX, &nr))
		return;
	vm->table->space_method = vm->backend->accounting;
	spaces_charge(vm->table, times, nr);
}

static void sample_commit(struct vm *vm)
{
	sample_spaces(vm);
	table_commit(vm->table, sample_scale(vm));
}

static int sample_publish_all(struct vm *vm, u64 now_ns)
{
	const struct gi_snapshot *snapshot = vm->snapshot;
	int error = 0;

	table_begin(vm->table, now_ns);
	for (u32 i = 0; i < snapshot->nr_processes && !error; i++)
		error = table_see(vm->table, &snapshot->processes[i]);
	if (!error && snapshot->complete)
		table_sweep(vm->table);
	else if (!error)
		table_expire(vm->table);
	sample_commit(vm);
	return error;
}

static int sample_publish_running(struct vm *vm, u64 now_ns,
				  const struct backend_sample *sample)
{
	int error = 0;

	table_begin(vm->table, now_ns);
	for (u32 i = 0; i < sample->nr_running && !error; i++)
		error = table_see(vm->table,
				  &vm->snapshot->processes[sample->running[i]]);
	sample_commit(vm);
	return error;
}

static int sample_all(struct vm *vm, u64 now_ns)
{
	struct stats *stats = &vm->host->stats;
	int error;

	stats->walks++;
	stats->walk_restarts += vm->snapshot->restarts;
	stats->incomplete += !vm->snapshot->complete;
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
	struct backend_sample sample;
	int error = vm->backend->ops->sample(vm->backend, vm->force_walk,
					     &sample);

	if (sample.other_cpus)
		vm->look.wanted = true;
	if (error)
		return error;
	vm->snapshot = sample.snapshot;
	if (sample.all)
		return sample_all(vm, now_ns);
	vm->host->stats.refreshes++;
	return sample_publish_running(vm, now_ns, &sample);
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

	pace->cost_ns = (7 * pace->cost_ns + cost_ns + pace->match_ns) / 8;
	pace->match_ns = 0;
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
	start = clock_cpu_ns();
	error = sample_read(vm, now_ns);
	start = clock_cpu_ns() - start;
	vm->host->stats.walk_ns += start;
	vm->host->stats.walk_errors += !!error;
	sample_pace(vm, now_ns, start, error);
}
