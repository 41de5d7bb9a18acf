// SPDX-License-Identifier: GPL-2.0-only
/* See table.h. */
#include "table.h"

#include <stdlib.h>
#include <sys/random.h>

#include "account.h"

#define TABLE_FIRST_BUCKETS	256
#define TABLE_MAX_SAMPLES	((64u << 20) / sizeof(struct history_sample))
#define TABLE_MAX_CHARGE	(1ull << 40)	/* 18 minutes at once: nonsense */

void table_init(struct table *table)
{
	*table = (struct table){
		.keep_ns = TABLE_SECOND_NS,
		.pool.max_samples = TABLE_MAX_SAMPLES,
	};
	/* without entropy any odd number does, only not against an attacker */
	if (getrandom(&table->hash_seed, sizeof(table->hash_seed),
		      GRND_NONBLOCK) != sizeof(table->hash_seed))
		table->hash_seed = 0x9e3779b97f4a7c15ull;
	table->hash_seed |= 1;
	TAILQ_INIT(&table->vms);
	TAILQ_INIT(&table->active);
	TAILQ_INIT(&table->members);
}

void table_deinit(struct table *table)
{
	while (!TAILQ_EMPTY(&table->vms))
		table_vm_destroy(TAILQ_FIRST(&table->vms));
}

void table_keep(struct table *table, u64 keep_ns)
{
	table->keep_ns = max(keep_ns, TABLE_SECOND_NS);
}

struct table_vm *table_vm_create(struct table *table, const char *name)
{
	struct table_vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return NULL;
	vm->buckets = calloc(TABLE_FIRST_BUCKETS, sizeof(*vm->buckets));
	if (!vm->buckets) {
		free(vm);
		return NULL;
	}
	vm->nr_buckets = TABLE_FIRST_BUCKETS;
	vm->table = table;
	strncpy(vm->name, name, sizeof(vm->name) - 1);
	TAILQ_INIT(&vm->changed);
	TAILQ_INIT(&vm->stops);
	TAILQ_INSERT_TAIL(&table->vms, vm, entry);
	return vm;
}

struct table_vm *table_vm_destroy(struct table_vm *vm)
{
	if (!vm)
		return NULL;
	table_vm_clear(vm);
	TAILQ_REMOVE(&vm->table->vms, vm, entry);
	free(vm->order);
	free(vm->buckets);
	free(vm);
	return NULL;
}

static struct proc_bucket *table_bucket(struct table_vm *vm, u64 task)
{
	u64 hash = (task >> 6) * vm->table->hash_seed;

	return &vm->buckets[(hash >> 32) & (vm->nr_buckets - 1)];
}

struct proc *table_find(struct table_vm *vm, u64 task, u64 start_time)
{
	struct proc *proc;

	LIST_FOREACH(proc, table_bucket(vm, task), bucket)
		if (proc->now.task == task && proc->now.start_time == start_time)
			return proc;
	return NULL;
}

struct proc *table_find_pid(struct table_vm *vm, u32 pid)
{
	for (u32 i = 0; i < vm->nr; i++)
		if (vm->order[i]->now.pid == pid)
			return vm->order[i];
	return NULL;
}

/* More buckets where there is memory for it; slower without. */
static void table_rehash(struct table_vm *vm)
{
	u32 nr = 4 * vm->nr_buckets;
	struct proc_bucket *buckets = calloc(nr, sizeof(*buckets));

	if (!buckets)
		return;
	free(vm->buckets);
	vm->buckets = buckets;
	vm->nr_buckets = nr;
	for (u32 i = 0; i < vm->nr; i++) {
		struct proc *proc = vm->order[i];

		LIST_INSERT_HEAD(table_bucket(vm, proc->now.task), proc, bucket);
	}
}

static int table_room(struct table_vm *vm)
{
	u32 wanted = vm->max ? 2 * vm->max : 256;
	struct proc **order;

	if (vm->nr < vm->max)
		return 0;
	order = reallocarray(vm->order, wanted, sizeof(*order));
	if (!order)
		return -ENOMEM;
	vm->order = order;
	vm->max = wanted;
	return 0;
}

static struct proc *proc_create(struct table_vm *vm,
				const struct gi_process *process)
{
	struct proc *proc;

	if (table_room(vm))
		return NULL;
	proc = calloc(1, sizeof(*proc));
	if (!proc)
		return NULL;
	proc->vm = vm;
	proc->now = *process;
	proc->position = vm->nr;
	vm->order[vm->nr++] = proc;
	LIST_INSERT_HEAD(table_bucket(vm, process->task), proc, bucket);
	if (vm->nr > 2 * vm->nr_buckets)
		table_rehash(vm);
	vm->unclassified = true;
	vm->born++;
	return proc;
}

static void proc_leave_active(struct proc *proc)
{
	if (proc->is_active)
		TAILQ_REMOVE(&proc->vm->table->active, proc, active);
	proc->is_active = false;
}

static void proc_leave_members(struct proc *proc)
{
	if (proc->is_member)
		TAILQ_REMOVE(&proc->vm->table->members, proc, member);
	proc->is_member = false;
}

/* Frees the process; the VM's order is the caller's. */
static void proc_destroy(struct proc *proc)
{
	proc_leave_active(proc);
	proc_leave_members(proc);
	table_stop_del(proc);
	if (proc->delta_ns)
		TAILQ_REMOVE(&proc->vm->changed, proc, changed);
	LIST_REMOVE(proc, bucket);
	history_deinit(&proc->history, &proc->vm->table->pool);
	free(proc);
}

void table_vm_clear(struct table_vm *vm)
{
	for (u32 i = 0; i < vm->nr; i++)
		proc_destroy(vm->order[i]);
	vm->nr = 0;
	vm->now_ns = 0;
	vm->baseline = false;
	vm->next_youngest = 0;
	vm->space_method = NULL;
}

void table_begin(struct table_vm *vm, u64 now_ns)
{
	vm->round++;
	vm->since_ns = vm->now_ns;
	vm->now_ns = now_ns;
	vm->interval_ns = 0;
	vm->cursor = 0;
	vm->youngest = vm->next_youngest;
}

static void proc_charge(struct proc *proc, u64 ns)
{
	if (!ns)
		return;
	ns = min(ns, TABLE_MAX_CHARGE);
	if (!proc->delta_ns)
		TAILQ_INSERT_TAIL(&proc->vm->changed, proc, changed);
	proc->delta_ns += ns;
	proc->vm->interval_ns += ns;
}

static bool proc_renamed(const struct gi_process *a, const struct gi_process *b)
{
	return memcmp(a->comm, b->comm, sizeof(a->comm)) || a->uid != b->uid ||
	       a->gid != b->gid || ((a->flags ^ b->flags) & GI_PF_KTHREAD);
}

static void proc_update(struct proc *proc, const struct gi_process *process)
{
	if (process->runtime_ns > proc->now.runtime_ns)
		proc_charge(proc, process->runtime_ns - proc->now.runtime_ns);
	if (proc_renamed(&proc->now, process)) {
		proc->classified = false;
		proc->vm->unclassified = true;
	}
	proc->now = *process;
}

/* Guests list processes in a stable order: try the next one first. */
static struct proc *table_expect(struct table_vm *vm,
				 const struct gi_process *process)
{
	if (vm->cursor < vm->nr) {
		struct proc *proc = vm->order[vm->cursor];

		if (proc->now.task == process->task &&
		    proc->now.start_time == process->start_time)
			return proc;
	}
	return table_find(vm, process->task, process->start_time);
}

/*
 * A process that is new to us but not young (exec from a thread makes one) had
 * its time counted before: only the young are charged what they used.
 */
static struct proc *table_meet(struct table_vm *vm,
			       const struct gi_process *process)
{
	struct proc *proc = proc_create(vm, process);

	if (proc && vm->baseline && process->start_time > vm->youngest)
		proc_charge(proc, process->runtime_ns);
	return proc;
}

int table_see(struct table_vm *vm, const struct gi_process *process)
{
	struct proc *proc = table_expect(vm, process);

	if (!proc && vm->nr >= TABLE_VM_MAX) {
		vm->turned_away++;
		return 0;
	}
	if (proc)
		proc_update(proc, process);
	else
		proc = table_meet(vm, process);
	if (!proc)
		return -ENOMEM;
	proc->seen = vm->round;
	proc->missed = 0;
	vm->cursor = proc->position + 1;
	vm->next_youngest = max(vm->next_youngest, process->start_time);
	return 0;
}

/* Drop those that this round did not see and that may not @stay. */
static void table_drop(struct table_vm *vm, bool (*stay)(struct proc *proc))
{
	u32 kept = 0;

	for (u32 i = 0; i < vm->nr; i++) {
		struct proc *proc = vm->order[i];

		if (proc->seen == vm->round || stay(proc)) {
			proc->position = kept;
			vm->order[kept++] = proc;
			continue;
		}
		vm->died++;
		vm->died_stopped += proc->stop.involved;
		proc_destroy(proc);
	}
	vm->nr = kept;
}

static bool stay_never(struct proc *proc)
{
	return false;
}

void table_sweep(struct table_vm *vm)
{
	table_drop(vm, stay_never);
	vm->baseline = true;
}

static bool stay_for_now(struct proc *proc)
{
	if (++proc->missed < TABLE_MISSES_MAX)
		return true;
	/* how far it was stopped is no longer known */
	proc->now.stopped = GI_RUNS;
	return proc->stop.involved;
}

static bool stay_if_stopped(struct proc *proc)
{
	stay_for_now(proc);
	return proc->stop.involved;
}

void table_expire(struct table_vm *vm)
{
	table_drop(vm, vm->nr < TABLE_VM_MAX ? stay_for_now : stay_if_stopped);
}

static void proc_commit(struct proc *proc, u32 scale)
{
	struct table_vm *vm = proc->vm;
	struct table *table = vm->table;
	u64 used = account_scaled(proc->delta_ns, scale);

	vm->guest_ns += proc->delta_ns;
	proc->delta_ns = 0;
	proc->used_ns += used;
	vm->used_ns += used;
	history_add(&proc->history, &table->pool, vm->since_ns, vm->now_ns,
		    proc->used_ns, table->keep_ns);
	if (!proc->is_active)
		TAILQ_INSERT_TAIL(&table->active, proc, active);
	proc->is_active = true;
}

void table_commit(struct table_vm *vm, u32 scale)
{
	struct proc *proc;

	while ((proc = TAILQ_FIRST(&vm->changed))) {
		TAILQ_REMOVE(&vm->changed, proc, changed);
		proc_commit(proc, scale);
	}
}

void table_age(struct table *table, u64 now_ns)
{
	struct proc *proc = TAILQ_FIRST(&table->active), *next;

	for (; proc; proc = next) {
		next = TAILQ_NEXT(proc, active);
		if (history_last(&proc->history) + table->keep_ns < now_ns)
			proc_leave_active(proc);
	}
}

void table_declassify(struct table *table)
{
	struct table_vm *vm;

	TAILQ_FOREACH(vm, &table->vms, entry) {
		vm->classified = false;
		vm->unclassified = true;
		for (u32 i = 0; i < vm->nr; i++) {
			vm->order[i]->classified = false;
			vm->order[i]->sets = 0;
			proc_leave_members(vm->order[i]);
		}
	}
}

void table_classify(struct proc *proc, u64 sets)
{
	proc_leave_members(proc);
	proc->sets = sets;
	proc->classified = true;
	if (!sets)
		return;
	TAILQ_INSERT_TAIL(&proc->vm->table->members, proc, member);
	proc->is_member = true;
}

void table_stop_add(struct proc *proc)
{
	if (!proc->stop.involved)
		TAILQ_INSERT_TAIL(&proc->vm->stops, proc, stopping);
	proc->stop.involved = true;
}

void table_stop_del(struct proc *proc)
{
	if (proc->stop.involved)
		TAILQ_REMOVE(&proc->vm->stops, proc, stopping);
	proc->stop = (struct stop){};
}
