// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which sets the processes of a VM are in. A guest chooses its names, can change
 * them at any time, and has as many processes as it likes. So of a quantum it gets
 * a share, in which at least one process is matched; what is left waits for the
 * next quantum. All of it counts as the cost of sampling that VM.
 */
#include "clock.h"
#include "policy.h"
#include "vm.h"

#define CLASSIFY_SHARE 5	/* a fifth of the quantum */

static void classify_proc(struct proc *proc, struct policies *policies)
{
	table_classify(proc, policies_match(policies, proc->vm->sets, &proc->now));
}

/*
 * Those that are stopped, without a limit: in no set, they would be resumed until
 * it is their turn. What is stopped does not rename itself.
 */
static void classify_stops(struct table_vm *table, struct policies *policies)
{
	struct proc *proc;

	TAILQ_FOREACH(proc, &table->stops, stopping)
		if (!proc->classified)
			classify_proc(proc, policies);
}

/* Return: whether all were, by @end_ns. */
static bool classify_others(struct table_vm *table, struct policies *policies,
			    u64 end_ns)
{
	for (u32 i = 0; i < table->nr; i++) {
		if (table->order[i]->classified)
			continue;
		classify_proc(table->order[i], policies);
		if (clock_ns() >= end_ns)
			return false;
	}
	return true;
}

void vm_classify(struct vm *vm, struct policies *policies)
{
	struct table_vm *table = vm->table;
	u64 end_ns = clock_ns() + vm->host->quantum_ns / CLASSIFY_SHARE;
	u64 cpu_ns = clock_cpu_ns();

	if (!table->unclassified)
		return;
	if (!table->classified)
		table->sets = policies_match_vm(policies, table->name);
	table->classified = true;
	classify_stops(table, policies);
	table->unclassified = !classify_others(table, policies, end_ns);
	vm->pace.match_ns += clock_cpu_ns() - cpu_ns;
}
