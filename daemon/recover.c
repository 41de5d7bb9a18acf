// SPDX-License-Identifier: GPL-2.0-only
/*
 * Orphans: processes stopped by a Monarch that died. They are recognised in
 * guest memory alone: marked, though the guest's own freezer does not hold them.
 *
 * When a VM is attached, all that is marked is an orphan. Later a mark can show
 * up only where something went wrong or the process changed its identity (exec
 * from a thread), and only after a while is it taken for one.
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

/* Any thread will do: of a half-stopped process the leader may run. */
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

void vm_suspect(struct vm *vm, u64 now_ns)
{
	for (u32 i = 0; i < vm->table->nr; i++) {
		struct proc *proc = vm->table->order[i];

		if (likely(!gi_stop_is_ours(proc->now.stopped)) ||
		    proc->now.stopped == GI_WAKING || proc->stop.involved)
			proc->stop.suspect_ns = 0;
		else if (!proc->stop.suspect_ns)
			proc->stop.suspect_ns = now_ns;
		else if (now_ns - proc->stop.suspect_ns >= RECOVER_AFTER_NS)
			recover_adopt(vm, proc, now_ns);
	}
}
