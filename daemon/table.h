/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The process table: every process of every attached VM, with what Monarch
 * knows beyond the last snapshot: CPU used over time, the sets that it is in,
 * whether it is to be stopped and by whom.
 *
 * A process is (task, start_time). Updates come in rounds: table_begin(),
 * table_see() for each process read, table_sweep() if all were read, and
 * table_commit() with the scale of the interval. A round in which nothing was
 * scheduled sees only the processes on a CPU and costs only them.
 *
 * A guest may have more processes than are read, and can make them new at every
 * round: after such a round table_expire() drops what was missed too often, and
 * no more than TABLE_VM_MAX are known of a VM.
 */
#ifndef DAEMON_TABLE_H
#define DAEMON_TABLE_H

#include <sys/queue.h>

#include "../guestinfo/core/linux_stop.h"
#include "history.h"

#define TABLE_HELD_BY_LEN	64
#define TABLE_SECOND_NS		1000000000ull
#define TABLE_VM_MAX		65536u
#define TABLE_MISSES_MAX	8u

/**
 * struct stop - what is wanted of a process, and how far we are
 * @manual: somebody asked for it by hand
 * @policy: a policy wants it
 * @was: whether it was wanted at the last decision
 * @involved: on the VM's list: stopped, being stopped or being resumed by us
 * @held_by: name of the policy, "manual" or "orphan"
 * @retry_ns: no plan before this time
 * @tries: plans since the last success
 * @refusal: of the last plan
 * @since_ns: since when it is wanted stopped
 * @suspect_ns: since when it looks stopped though nobody wants it (0: does not)
 * @suspect_round: the last round in which it did
 * @sent: edits were applied for the present wish
 * @undoing: wanted, but it cannot be stopped whole: all of it is being resumed
 * @blocked: times that it was so in a row
 */
struct stop {
	bool manual;
	bool policy;
	bool was;
	bool involved;
	bool sent;
	bool undoing;
	u32 blocked;
	char held_by[TABLE_HELD_BY_LEN];
	u64 retry_ns;
	u32 tries;
	enum gi_refusal refusal;
	u64 since_ns;
	u64 suspect_ns;
	u64 suspect_round;
};

/**
 * struct proc - a process
 * @now: as last read
 * @seen: round that last saw it
 * @missed: incomplete rounds in a row that did not see it
 * @position: in the VM's order
 * @delta_ns: guest-charged time of this round
 * @used_ns: corrected CPU time since first seen
 * @space_ns: time in guest mode of its address space since then, where known
 * @sets: bit mask of policy sets, valid if @classified
 */
struct proc {
	struct table_vm *vm;
	struct gi_process now;
	u64 seen;
	u32 missed;
	u32 position;
	u64 delta_ns;
	u64 used_ns;
	u64 space_ns;
	struct history history;
	u64 sets;
	bool classified;
	bool is_active;
	bool is_member;
	struct stop stop;
	LIST_ENTRY(proc) bucket;
	TAILQ_ENTRY(proc) changed;
	TAILQ_ENTRY(proc) active;
	TAILQ_ENTRY(proc) member;
	TAILQ_ENTRY(proc) stopping;
};

LIST_HEAD(proc_bucket, proc);
TAILQ_HEAD(proc_list, proc);

/**
 * struct table_vm - the processes of one VM
 * @order: as the guest lists them
 * @stops: processes with stop.involved
 * @since_ns, @now_ns: times of the last round and of this one
 * @interval_ns: guest-charged time of this round
 * @sets: policy sets that can match in this VM, valid if @classified
 * @unclassified: some process has to be matched against the sets
 * @cursor: where in @order the next process read probably is
 * @youngest: latest start_time of earlier rounds
 * @space_method: how @space_ns is known, NULL: it is not
 * @space_ns, @other_ns: of all processes, and of no process
 * @turned_away: times that there was no room for a process
 */
struct table_vm {
	struct table *table;
	char name[128];
	struct proc **order;
	u32 nr, max;
	struct proc_bucket *buckets;
	u32 nr_buckets;
	struct proc_list changed;
	struct proc_list stops;
	u32 cursor;
	u64 round;
	u64 since_ns;
	u64 now_ns;
	u64 interval_ns;
	u64 youngest;
	u64 next_youngest;
	bool baseline;
	u64 sets;
	bool classified;
	bool unclassified;
	u64 guest_ns;
	u64 used_ns;
	const char *space_method;
	u64 space_ns;
	u64 other_ns;
	u64 born, died, died_stopped;
	u64 turned_away;
	TAILQ_ENTRY(table_vm) entry;
};

TAILQ_HEAD(table_vms, table_vm);

/**
 * struct table - all of them
 * @active: processes that used CPU within the last @keep_ns
 * @members: processes that are in some policy set
 * @hash_seed: odd and random, so that no guest can aim at one bucket
 */
struct table {
	struct table_vms vms;
	struct proc_list active;
	struct proc_list members;
	struct history_pool pool;
	u64 keep_ns;
	u64 hash_seed;
};

void table_init(struct table *table);
void table_deinit(struct table *table);

/* How long history is kept; at least a second. */
void table_keep(struct table *table, u64 keep_ns);

struct table_vm *table_vm_create(struct table *table, const char *name);
struct table_vm *table_vm_destroy(struct table_vm *vm);
void table_vm_clear(struct table_vm *vm);

/* Start a round. @now_ns: of the quantum. */
void table_begin(struct table_vm *vm, u64 now_ns);

/**
 * table_see() - note a process as read
 * What a process used before it was first seen counts only if it was born after
 * an earlier round saw the whole table. Beyond TABLE_VM_MAX, new ones are not
 * noted.
 * Return: 0 or -ENOMEM.
 */
int table_see(struct table_vm *vm, const struct gi_process *process);

/* Drop what this round has not seen: it saw all that there is. */
void table_sweep(struct table_vm *vm);

/*
 * Drop what rounds that did not see all have missed TABLE_MISSES_MAX times, or,
 * in a full table, once. Only a plan can tell whether a process that is involved
 * in a stop is gone: it stays, and a plan becomes due.
 */
void table_expire(struct table_vm *vm);

/* Finish the round: guest-charged times count scaled by @scale. */
void table_commit(struct table_vm *vm, u32 scale);

/* Let processes that used nothing for keep_ns leave the active list. */
void table_age(struct table *table, u64 now_ns);

/* Forget which sets processes are in. */
void table_declassify(struct table *table);

/* Put @proc into @sets. */
void table_classify(struct proc *proc, u64 sets);

/* Find by identity or by pid. NULL: none. */
struct proc *table_find(struct table_vm *vm, u64 task, u64 start_time);
struct proc *table_find_pid(struct table_vm *vm, u32 pid);

/* Put on or take off the VM's list of stops. */
void table_stop_add(struct proc *proc);
void table_stop_del(struct proc *proc);

/* Kernel threads, pid 0 and pid 1 are never stopped. */
static inline bool proc_stoppable(const struct proc *proc)
{
	return proc->now.pid > 1 && !(proc->now.flags & GI_PF_KTHREAD);
}

static inline bool proc_kthread(const struct proc *proc)
{
	return !proc->now.pid || (proc->now.flags & GI_PF_KTHREAD);
}

static inline bool proc_wanted(const struct proc *proc)
{
	return proc->stop.manual || proc->stop.policy;
}

#endif /* DAEMON_TABLE_H */
