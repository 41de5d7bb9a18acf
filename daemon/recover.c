// SPDX-License-Identifier: GPL-2.0-only
/*
 * Orphans: processes stopped by a Monarch that died. They are recognised in
 * guest memory alone: marked, though the guest's own freezer does not hold them.
 *
 * When a VM is attached, all that is marked is an orphan. Later a mark, or a
 * thread without one that still sits in the trap, can show up only where
 * something went wrong (a wake-up was lost) or the process changed its identity
 * (exec from a thread), and only after a while is it taken for one. One such
 * thread among others that run is enough.
 */
#include <stdio.h>

#include "../include/monarch/escape.h"
#include "clock.h"
#include "log.h"
#include "vm.h"

#define RECOVER_AFTER_NS (500 * NS_PER_MS)

static void recover_adopt(struct vm *vm, struct proc *proc, u64 now_ns)
{
	char name[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.name))];
	char comm[MONARCH_ESCAPED_SIZE(GI_COMM_LEN)];

	log_info("VM %s: process %u (%s) is stopped by nobody known; it is resumed unless a policy wants it stopped",
		 monarch_escape(name, sizeof(name), vm->identity.name),
		 proc->now.pid,
		 monarch_escape(comm, sizeof(comm), proc->now.comm));
	vm->host->stats.orphans++;
	proc_wish(proc, now_ns);
	snprintf(proc->stop.held_by, sizeof(proc->stop.held_by), "orphan");
}

/*
 * The process of a thread that is stopped, or not yet woken. Any thread will do:
 * of a half-stopped process the leader may run.
 */
static struct proc *recover_marked(struct vm *vm, u32 thread)
{
	const struct gi_snapshot *snapshot = vm->snapshot;
	const struct gi_process *process;

	if (!gi_stop_is_ours(snapshot->threads[thread].stopped) ||
	    snapshot->threads[thread].process >= snapshot->nr_processes)
		return NULL;
	process = &snapshot->processes[snapshot->threads[thread].process];
	return table_find(vm->table, process->task, process->start_time);
}

u32 vm_recover(struct vm *vm, u64 now_ns)
{
	u32 found = 0;

	if (vm->state != VM_RUNS || !vm->snapshot)
		return 0;
	for (u32 i = 0; i < vm->snapshot->nr_threads; i++) {
		struct proc *proc = recover_marked(vm, i);

		if (!proc || proc->stop.involved)
			continue;
		recover_adopt(vm, proc, now_ns);
		found++;
	}
	return found;
}

/* Has every walk for so long found @proc like this? */
static bool recover_is_lasting(struct proc *proc, u64 round, u64 now_ns)
{
	struct stop *stop = &proc->stop;

	if (!stop->suspect_ns || stop->suspect_round + 1 < round)
		stop->suspect_ns = now_ns;
	stop->suspect_round = round;
	return now_ns - stop->suspect_ns >= RECOVER_AFTER_NS;
}

void vm_suspect(struct vm *vm, u64 now_ns)
{
	for (u32 i = 0; i < vm->snapshot->nr_threads; i++) {
		struct proc *proc = recover_marked(vm, i);

		if (likely(!proc) || proc->stop.involved)
			continue;
		/* nobody else's doing may have the next walk come */
		vm->force_walk = true;
		if (recover_is_lasting(proc, vm->table->round, now_ns))
			recover_adopt(vm, proc, now_ns);
	}
}
