/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One managed VM: who it is, how far attaching has come, its kernel, its last
 * snapshot, and what is to be stopped in it.
 *
 *   attaching -> running       a Linux kernel was found: sampled each quantum
 *             -> booting       not yet: tried again each second, then slower
 *             -> not-linux, no-types, unreachable: with the reason, tried again
 * A running VM whose lists no longer make sense, or in which nothing was
 * scheduled for seconds, is looked at again by a job: it may have been rebooted,
 * or have got other RAM. One whose CPUs are not those that are known is, too.
 * Where the boot is the same one, all that is known of its processes stays.
 *
 * Everything here belongs to the event loop's thread.
 */
#ifndef DAEMON_VM_H
#define DAEMON_VM_H

#include <sys/queue.h>

#include "account.h"
#include "attach.h"
#include "kernel_device.h"
#include "stats.h"
#include "table.h"

enum vm_state {
	VM_ATTACHING,
	VM_BOOTING,
	VM_NOT_LINUX,
	VM_NO_TYPES,
	VM_UNREACHABLE,
	VM_RUNS,
};

struct policies;
struct vm;

enum vm_event { VM_EVENT_STATE, VM_EVENT_STOPPED, VM_EVENT_RESUMED };

/**
 * struct vm_host - what all VMs share
 * @quantum_ns: of the loop
 * @choice, @trap: as in attach_job
 * @device: of the module, for the VMs that it serves
 * @no_device: why it is not open, "" if it is
 * @event: told of changes; @proc is NULL for VM_EVENT_STATE
 */
struct vm_host {
	struct table table;
	struct vms *vms;
	struct attach_pool *pool;
	struct gi_find_options find;
	enum backend_choice choice;
	bool trap;
	struct kernel_device device;
	char no_device[BACKEND_WHY_LEN];
	struct stats stats;
	u64 quantum_ns;
	void (*event)(struct vm_host *host, enum vm_event event, struct vm *vm,
		      struct proc *proc);
};

/**
 * struct vm_pace - how often a VM is sampled
 * @every_ns: at most this often, 0: every quantum
 * @cost_ns: CPU time of a sample and of what follows from it, smoothed
 * @match_ns: CPU time spent on its processes' names since the last sample
 * @failures: in a row
 */
struct vm_pace {
	u64 every_ns;
	u64 next_ns;
	u64 cost_ns;
	u64 match_ns;
	u32 failures;
	u64 good_ns;		/* last success */
	u64 active_ns;		/* last time anything was scheduled */
	u64 verify_ns;		/* look again after such a silence */
	int error;		/* of the last sample */
};

/**
 * struct vm_look - a wish for another look at a VM that runs
 * @wanted: its CPUs or RAM are perhaps others than is known
 * @every_ns: doubled with each look that changed nothing
 */
struct vm_look {
	bool wanted;
	u64 next_ns;
	u64 every_ns;
};

/**
 * struct vm - a VM
 * @why: about @state, for a person; like @no_monitor, it may quote a VM's name,
 *	and is escaped by who shows it
 * @no_monitor: why there is none, "" if there is or none is needed;
 *	@monitor_later: there may be
 * @monitor_ns: no other try for one before this, @monitor_tries: so far
 * @no_kernel, @kernel_error: why the kernel backend does not serve it
 * @upgrades: how often it was opened anew for the kernel backend
 * @lost_ns: since when the module says that it is gone, 0: it does not
 * @lent: the running job uses @backend, which stays ours: for reading
 * @seeking: the running job opens another backend, with a monitor perhaps
 * @old: a backend that the next job lets go
 * @snapshot: the backend's, NULL: none yet
 * @scan: look for orphans in the next snapshot
 * @owes: its kernel was forgotten while processes of it were, or might be,
 *	stopped; until another look at the guest
 * @force_walk: guest memory was edited: read all of it
 * @settle_ns: wake-ups may be outstanding until then
 * @hold_retry_ns: no hold before this
 */
struct vm {
	struct vm_host *host;
	struct vm_identity identity;
	u64 id;
	enum vm_state state;
	char why[BACKEND_WHY_LEN];
	char no_monitor[BACKEND_WHY_LEN];
	bool monitor_later;
	u64 monitor_ns;
	u32 monitor_tries;
	char no_kernel[BACKEND_WHY_LEN];
	int kernel_error;
	u32 upgrades;
	u64 lost_ns;
	struct attach_job *job;
	bool lent;
	bool seeking;
	u32 tries;
	u64 retry_ns;
	struct backend *backend, *old;
	struct gi_found found;
	struct gi_kernel kernel;
	const struct gi_snapshot *snapshot;
	struct account account;
	struct vm_pace pace;
	struct vm_look look;
	struct table_vm *table;
	bool scan;
	bool owes;
	bool force_walk;
	u64 settle_ns;
	u64 hold_retry_ns;
	int hold_error;		/* of the last hold */
	u32 hold_tries;		/* that ended so, in a row */
	u64 holds;
	u64 hold_max_ns;
	TAILQ_ENTRY(vm) entry;
};

TAILQ_HEAD(vm_list, vm);

const char *vm_state_name(enum vm_state state);

struct vm *vm_create(struct vm_host *host, const struct vm_identity *identity);

/* A job that still runs keeps what it uses and is disposed of by itself. */
struct vm *vm_destroy(struct vm *vm);

/* Start what is due: attaching, another look. About once a second. */
void vm_tend(struct vm *vm, u64 now_ns);

/* Each quantum, before vm_act(): what holds left unfinished, or need. */
void vm_upkeep(struct vm *vm, u64 now_ns);

/* Have a job look whether the kernel is still the one that was found. */
void vm_look_again(struct vm *vm, u64 now_ns);

/* The way to @vm broke though it lives, or there is a better: find another. */
void vm_reopen(struct vm *vm, u64 now_ns, const char *why);

/* Each quantum: whoever keeps a lease for @vm hears that we are alive. */
void vm_renew(struct vm *vm, u64 now_ns);

/* Is it reached through the module? */
static inline bool vm_by_kernel(const struct vm *vm)
{
	return vm->backend && vm->backend->ops->renew;
}

/* @vm's job is done; takes @job. */
void vm_attached(struct vm *vm, struct attach_job *job, u64 now_ns);

/* Why no process of it can be stopped, "" if it can. */
const char *vm_no_edit(const struct vm *vm);

/* sample.c: bring the table up to date, if it is time. */
void vm_sample(struct vm *vm, u64 now_ns);

/* classify.c: put into their sets those processes that are new or renamed. */
void vm_classify(struct vm *vm, struct policies *policies);

/* act.c: make the guest what stop.manual and stop.policy want. */
void vm_act(struct vm *vm, u64 now_ns);

/* act.c: why a process of @vm cannot be acted on: the end of a sentence. */
const char *vm_hold_text(const struct vm *vm);

/* act.c: note that the wish for @proc changed. */
void proc_wish(struct proc *proc, u64 now_ns);

/**
 * vm_left() - what may be left in the guest of what Monarch did to it (act.c)
 * Nothing is left only where that is known: not before the first look at a VM,
 * while a job looks, or once its kernel was lost sight of with stops in it.
 * Return: NULL nothing; else what, for a person, the end of a sentence.
 */
const char *vm_left(const struct vm *vm, u64 now_ns);

/*
 * recover.c: take up stopped processes that nobody here stopped. Those that no
 * policy wants stopped are resumed by vm_act().
 * Return: how many there were.
 */
u32 vm_recover(struct vm *vm, u64 now_ns);

/* recover.c: the same for what looks stopped for a while; called per walk. */
void vm_suspect(struct vm *vm, u64 now_ns);

#endif /* DAEMON_VM_H */
