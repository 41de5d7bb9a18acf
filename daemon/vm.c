// SPDX-License-Identifier: GPL-2.0-only
/* See vm.h. */
#include "vm.h"

#include <stdio.h>
#include <stdlib.h>

#include "../include/monarch/escape.h"
#include "clock.h"
#include "log.h"

#define VM_RETRY_MAX_NS		(60 * NS_PER_S)
#define VM_BOOT_RETRY_MAX_NS	(10 * NS_PER_S)
#define VM_SILENCE_NS		(2 * NS_PER_S)
#define VM_FAILING_NS		(1 * NS_PER_S)
#define VM_SETTLE_NS		(5 * NS_PER_S)
#define VM_LOST_NS		(1 * NS_PER_S)
#define VM_UPGRADES		3

const char *vm_state_name(enum vm_state state)
{
	static const char *const names[] = {
		[VM_ATTACHING] = "attaching",	[VM_BOOTING] = "booting",
		[VM_NOT_LINUX] = "not-linux",	[VM_NO_TYPES] = "no-types",
		[VM_UNREACHABLE] = "unreachable", [VM_RUNS] = "running",
	};

	return names[state];
}

struct vm *vm_create(struct vm_host *host, const struct vm_identity *identity)
{
	static u64 ids;
	struct vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return NULL;
	vm->table = table_vm_create(&host->table, identity->name);
	if (!vm->table) {
		free(vm);
		return NULL;
	}
	vm->host = host;
	vm->id = ++ids;
	vm->identity = *identity;
	account_init(&vm->account);
	return vm;
}

static void vm_forget_kernel(struct vm *vm)
{
	char why[BACKEND_WHY_LEN];

	table_vm_clear(vm->table);
	vm->snapshot = NULL;
	if (vm->backend)
		vm->backend->ops->set_guest(vm->backend, NULL, NULL, why);
	gi_found_deinit(&vm->found);
	vm->found = (struct gi_found){};
	account_init(&vm->account);
}

struct vm *vm_destroy(struct vm *vm)
{
	if (!vm)
		return NULL;
	vm_forget_kernel(vm);
	table_vm_destroy(vm->table);
	/* lent or not, the job has it from now on */
	if (!vm->job)
		backend_destroy(vm->backend);
	free(vm);
	return NULL;
}

const char *vm_no_edit(const struct vm *vm)
{
	if (vm->state != VM_RUNS)
		return vm->why[0] ? vm->why : vm_state_name(vm->state);
	if (vm->no_monitor[0])
		return vm->no_monitor;
	if (vm->backend->no_edit_why[0])
		return vm->backend->no_edit_why;
	if (gi_stop_method(vm->found.layout) == GI_STOP_NONE)
		return gi_refusal_text(GI_REFUSE_NO_METHOD);
	return "";
}

static void vm_start_job(struct vm *vm, u64 now_ns)
{
	struct attach_job *job = calloc(1, sizeof(*job));

	if (!job)
		return;
	job->id = vm->id;
	job->vms = vm->host->vms;
	job->identity = vm->identity;
	job->options = &vm->host->find;
	job->backend = vm->backend;
	job->choice = vm->host->choice;
	job->trap = vm->host->trap;
	job->device = vm->host->no_device[0] ? NULL : &vm->host->device;
	memcpy(job->no_kernel, vm->host->no_device, sizeof(job->no_kernel));
	if (attach_start(vm->host->pool, job)) {
		job->backend = NULL;
		attach_job_destroy(job);
		vm->retry_ns = now_ns + NS_PER_S;
		return;
	}
	vm->job = job;
	vm->lent = vm->state == VM_RUNS;
	if (!vm->lent)
		vm->backend = NULL;
}

void vm_look_again(struct vm *vm, u64 now_ns)
{
	if (!vm->job)
		vm_start_job(vm, now_ns);
}

static bool vm_suspicious(const struct vm *vm, u64 now_ns)
{
	const struct vm_pace *pace = &vm->pace;

	if (now_ns < vm->retry_ns)
		return false;
	if (pace->failures && now_ns - pace->good_ns >= VM_FAILING_NS)
		return true;
	return now_ns - pace->active_ns >= pace->verify_ns;
}

/*
 * The module was loaded, or QEMU made the VM, after we had to reach it otherwise.
 * Opened anew only while nothing is stopped in it.
 */
static bool vm_can_upgrade(const struct vm *vm)
{
	const struct vm_host *host = vm->host;

	return vm->backend && !vm_by_kernel(vm) && !host->no_device[0] &&
	       vm->kernel_error == -ENOENT && vm->upgrades < VM_UPGRADES &&
	       vm_is_clean(vm) &&
	       kernel_device_knows(&host->device, vm->identity.pid);
}

void vm_tend(struct vm *vm, u64 now_ns)
{
	if (vm->job)
		return;
	if (vm_can_upgrade(vm)) {
		vm->upgrades++;
		vm_reopen(vm, now_ns, "monarch.ko has it now");
	}
	if (vm->state == VM_RUNS ? vm_suspicious(vm, now_ns) :
				   now_ns >= vm->retry_ns)
		vm_start_job(vm, now_ns);
}

static void vm_set_state(struct vm *vm, enum vm_state state, const char *why)
{
	char name[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.name))];
	bool changed = vm->state != state || strcmp(vm->why, why);

	vm->state = state;
	snprintf(vm->why, sizeof(vm->why), "%s", why);
	if (!changed)
		return;
	log_info("VM %s: %s%s%s",
		 monarch_escape(name, sizeof(name), vm->identity.name),
		 vm_state_name(state), why[0] ? ": " : "", why);
	vm->host->event(vm->host, VM_EVENT_STATE, vm, NULL);
}

static enum vm_state vm_state_of(enum attach_result result)
{
	switch (result) {
	case ATTACH_BOOTING:
		return VM_BOOTING;
	case ATTACH_NOT_LINUX:
		return VM_NOT_LINUX;
	case ATTACH_NO_TYPES:
		return VM_NO_TYPES;
	default:
		return VM_UNREACHABLE;
	}
}

static void vm_later(struct vm *vm, u64 now_ns)
{
	bool booting = vm->state == VM_BOOTING;
	u64 most = booting ? VM_BOOT_RETRY_MAX_NS : VM_RETRY_MAX_NS;
	/* a booting guest deserves ten quick looks before slower ones */
	u32 shift = booting ? vm->tries / 10 : vm->tries / 2;

	vm->retry_ns = now_ns + min(NS_PER_S << min(shift, 6u), most);
	vm->tries++;
}

static void vm_not_found(struct vm *vm, const struct attach_job *job,
			 u64 now_ns)
{
	if (vm->state == VM_RUNS) {
		vm->host->stats.lost++;
		vm->tries = 0;
	}
	vm_forget_kernel(vm);
	if (job->result == ATTACH_UNREACHABLE)
		vm->backend = backend_destroy(vm->backend);
	vm_set_state(vm, vm_state_of(job->result), job->why);
	vm_later(vm, now_ns);
}

void vm_reopen(struct vm *vm, u64 now_ns, const char *why)
{
	if (vm->job)
		return;
	vm_forget_kernel(vm);
	vm->backend = backend_destroy(vm->backend);
	vm->hold_error = 0;
	vm->hold_tries = 0;
	vm->tries = 0;
	vm->retry_ns = now_ns;
	vm->lost_ns = 0;
	vm_set_state(vm, VM_ATTACHING, why);
}

/* The end of its process is told soon after; only if it is not, look again. */
static void vm_lost(struct vm *vm, u64 now_ns)
{
	if (!vm->lost_ns)
		vm->lost_ns = now_ns;
	else if (now_ns - vm->lost_ns >= VM_LOST_NS)
		vm_reopen(vm, now_ns, "monarch.ko has lost it, though its process lives");
}

void vm_renew(struct vm *vm, u64 now_ns)
{
	if (!vm_by_kernel(vm))
		return;
	if (vm->backend->ops->renew(vm->backend, vm->host->quantum_ns) ==
	    -ENOTCONN)
		vm_lost(vm, now_ns);
	else
		vm->lost_ns = 0;
}

static bool vm_same_kernel(const struct vm *vm, const struct attach_job *job)
{
	const struct gi_boot *a = &vm->found.boot, *b = &job->found.boot;

	return a->slide == b->slide && a->phys_base == b->phys_base &&
	       a->page_offset == b->page_offset && a->pgd == b->pgd &&
	       a->nr_cpus == b->nr_cpus &&
	       !strcmp(vm->found.layout->banner, job->found.layout->banner);
}

static void vm_trust_again(struct vm *vm, u64 now_ns)
{
	struct vm_pace *pace = &vm->pace;

	pace->verify_ns = min(2 * pace->verify_ns, VM_RETRY_MAX_NS);
	pace->active_ns = now_ns;
	vm->retry_ns = now_ns + VM_FAILING_NS;
}

/* A kernel is there, and it is a new one. */
static void vm_take_kernel(struct vm *vm, struct attach_job *job, u64 now_ns)
{
	bool again = vm->state == VM_RUNS;
	int error;

	vm_forget_kernel(vm);
	vm->found = job->found;
	job->found = (struct gi_found){};
	error = gi_kernel_init(&vm->kernel, &vm->backend->memory,
			       vm->found.layout, &vm->found.boot);
	if (error)
		snprintf(job->why, sizeof(job->why), "its kernel's figures contradict themselves: %s", strerror(-error));
	else
		error = vm->backend->ops->set_guest(vm->backend, &vm->kernel,
						    &vm->found, job->why);
	if (error) {
		job->result = ATTACH_NOT_LINUX;
		vm_not_found(vm, job, now_ns);
		return;
	}
	vm->tries = 0;
	vm->scan = true;
	/* wake-ups of a Monarch that died may be outstanding */
	vm->settle_ns = now_ns + VM_SETTLE_NS;
	vm->pace = (struct vm_pace){
		.good_ns = now_ns,
		.active_ns = now_ns,
		.verify_ns = VM_SILENCE_NS,
	};
	if (again)
		vm->host->stats.reattached++;
	else
		vm->host->stats.attached++;
	vm_set_state(vm, VM_RUNS, "");
}

/* Which backend it is, and why not the other: said once. */
static void vm_note_backend(struct vm *vm, const struct attach_job *job)
{
	char name[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.name))];
	bool news = !job->no_kernel[0] ||
		    strcmp(vm->no_kernel, job->no_kernel);

	memcpy(vm->no_monitor, job->no_monitor, sizeof(vm->no_monitor));
	memcpy(vm->no_kernel, job->no_kernel, sizeof(vm->no_kernel));
	vm->kernel_error = job->kernel_error;
	/* what holds for all VMs has been said for all */
	if (!vm->backend || !news ||
	    (vm->no_kernel[0] && !strcmp(vm->no_kernel, vm->host->no_device)))
		return;
	monarch_escape(name, sizeof(name), vm->identity.name);
	log_info("VM %s: the %s backend serves it%s%s", name,
		 vm->backend->ops->name, vm->no_kernel[0] ? ": " : "",
		 vm->no_kernel);
}

void vm_attached(struct vm *vm, struct attach_job *job, u64 now_ns)
{
	vm->job = NULL;
	vm->backend = job->backend;
	job->backend = NULL;
	if (job->opened)
		vm_note_backend(vm, job);
	if (job->result != ATTACH_FOUND)
		vm_not_found(vm, job, now_ns);
	else if (vm->lent && vm_same_kernel(vm, job))
		vm_trust_again(vm, now_ns);
	else
		vm_take_kernel(vm, job, now_ns);
	vm->lent = false;
	attach_job_destroy(job);
}
