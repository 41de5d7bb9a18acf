/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An attached VM. It has a worker thread, and all that happens to the VM happens
 * there, one thing after the other: commands hand it a job and wait, ticks and
 * the timer queue work. So nearly nothing needs a lock.
 *
 * Life: vm_create() by ATTACH; vm_close() when the descriptor goes. The worker
 * then resumes what is still stopped, lets the VM go, and vm_create()'s module
 * reference with it: the module stays as long as anything is owed to a guest.
 */
#ifndef MONARCH_VM_H
#define MONARCH_VM_H

#include <linux/hashtable.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/workqueue.h>

#include "../guestinfo/core/linux_stop.h"
#include "../include/uapi/linux/monarch.h"
#include "guest.h"
#include "kvm.h"
#include "table.h"

struct session;
struct vm;

/**
 * struct stop - a process that we have stopped, or owe its resumption
 * @wanted: somebody wants it stopped; false: it is to be resumed, then forgotten
 * @reached: it is as the present phase of the hybrid cycle wants it
 * @fresh: nothing has been done to it yet
 */
struct stop {
	struct list_head node;		/* in vm->stops */
	struct hlist_node hash;		/* in vm->stop_hash, by task */
	u64 task;
	u64 start_time;
	bool wanted;
	bool reached;
	bool fresh;
};

#define VM_BATCH	16	/* processes per hold at most */

struct vm {
	u32 id;
	u32 pid_number;			/* for messages, as the host sees it */
	struct pid *pid;
	struct table table;
	struct kthread_worker *worker;
	struct work_struct destroy;

	struct session *session;	/* of the device; session's lock */
	struct list_head ticking;	/* in session->vms; session's lock */
	struct session *tick_session;	/* that waits for @tick_work */
	struct kthread_work tick_work;

	struct hrtimer timer;		/* queues @service_work */
	struct kthread_work service_work;
	bool closing;			/* set once, by vm_close() */

	/* The worker's own from here on. */
	struct link *link;		/* NULL once the VM is gone */
	struct guest *guest;
	u32 methods;
	bool ending;			/* the worker has seen @closing */
	bool finished;			/* @destroy is queued */

	struct list_head stops;
	DECLARE_HASHTABLE(stop_hash, 8);
	u32 nr_stops;
	u32 failures;			/* background edits in a row in vain */
	u64 settle_until_ns, settle_next_ns;

	u64 lease_ns, lease_end_ns;
	bool lease_expired;

	u64 cycle_ns, autonomous_ns, phase_end_ns;
	bool autonomous;		/* this phase belongs to the guest */

	struct monarch_stats stats;
	struct gi_plan plan, kicks;
	u64 old[GI_PLAN_STEPS];
	struct monarch_target batch[VM_BATCH];	/* of the background */
	struct stop *batch_stops[VM_BATCH];
};

/* ---- vm.c ---- */

int __must_check vms_init(void);
void vms_exit(void);

int __must_check vm_create(const struct link_found *found, u32 id,
			   u32 max_processes, u32 max_threads, struct vm **ret);

/* The descriptor is gone, or never came to be. */
void vm_close(struct vm *vm);

/* Run @run(vm, arg) on the worker and wait. Return: what it returned. */
int vm_run(struct vm *vm, int (*run)(struct vm *vm, void *arg), void *arg);

/* Worker: the VM is gone, or we are done with it. */
void vm_let_go(struct vm *vm);

/* Worker: sample into the table. Return: as guest_sample(), or -ENODEV. */
int vm_sample(struct vm *vm, bool full);

/* Worker: nothing is owed any more; the end. */
void vm_destroy_later(struct vm *vm);

/* ---- stops.c: worker only ---- */

enum edit_op { EDIT_STOP, EDIT_RESUME, EDIT_SETTLE };

/**
 * vm_edit() - stop, resume or settle, in as many holds as it takes
 * @targets: in and out; none for EDIT_SETTLE
 * @ret: done, holds, hold_ns are added up there
 * Return: 0; -EAGAIN, -EOPNOTSUPP: no hold could be had; -ENODEV.
 */
int vm_edit(struct vm *vm, enum edit_op op, struct monarch_target *targets,
	    u32 nr, struct monarch_edit *ret);

/* As vm_edit(), and keep the list of the stopped. */
int vm_stop(struct vm *vm, struct monarch_target *targets, u32 nr,
	    struct monarch_edit *ret);
int vm_resume(struct vm *vm, struct monarch_target *targets, u32 nr,
	      struct monarch_edit *ret);

/* Apply the plan in vm->plan under one hold. Return: as MONARCH_APPLY. */
int vm_apply(struct vm *vm, u32 *ret_step, u64 *ret_hold_ns);

void stop_forget(struct vm *vm, struct stop *stop);
void stops_forget(struct vm *vm);
void stops_unwant(struct vm *vm);

/* Work on what is not as it should be. Return: something is left. */
bool stops_work(struct vm *vm);

/* ---- service.c: worker only ---- */

/* Look after lease, hybrid cycle, resumptions and the VM's end; set the timer. */
void vm_service(struct vm *vm);

/* Forget the phases: the next one begins now. */
void vm_hybrid_restart(struct vm *vm);

/* ---- vm_fd.c ---- */

/* Return: a descriptor for @vm, which owns it from then on; or an error. */
int vm_fd_create(struct vm *vm);

#endif /* MONARCH_VM_H */
