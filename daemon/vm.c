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
#define VM_BLIND_TRIES		5
#define VM_SETTLE_NS		(5 * NS_PER_S)
#define VM_MONITOR_NS		(5 * NS_PER_S)	/* doubled up to thrice */
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

	vm->owes = vm->owes || vm->scan || !TAILQ_EMPTY(&vm->table->stops);
	vm->scan = false;
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
	attach_let_go(vm->host->pool, vm->old);
	/* lent or not, the job has it from now on, unless it opens its own */
	if (!vm->job || vm->seeking)
		attach_let_go(vm->host->pool, vm->backend);
	free(vm);
	return NULL;
}

/* Its monitor may block: the next job, which opens another, ends it first. */
static void vm_let_go(struct vm *vm)
{
	attach_let_go(vm->host->pool, vm->old);
	vm->old = vm->backend;
	vm->backend = NULL;
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
	job->old = vm->old;
	job->lent = vm->lent = vm->state == VM_RUNS && !vm->seeking;
	job->backend = vm->seeking ? NULL : vm->backend;
	job->choice = vm->host->choice;
	job->trap = vm->host->trap;
	job->device = vm->host->no_device[0] ? NULL : &vm->host->device;
	memcpy(job->no_kernel, vm->host->no_device, sizeof(job->no_kernel));
	if (attach_start(vm->host->pool, job)) {
		job->old = job->backend = NULL;
		attach_job_destroy(job);
		vm->lent = false;
		vm->retry_ns = now_ns + NS_PER_S;
		return;
	}
	vm->job = job;
	vm->old = NULL;
	if (!vm->lent && !vm->seeking)
		vm->backend = NULL;
}

/* The one in use stays, and with it what is known, until there is a better. */
static void vm_seek_monitor(struct vm *vm, u64 now_ns)
{
	vm->seeking = true;
	vm_start_job(vm, now_ns);
	vm->seeking = vm->job != NULL;
}

void vm_look_again(struct vm *vm, u64 now_ns)
{
	if (!vm->job)
		vm_start_job(vm, now_ns);
}

void vm_upkeep(struct vm *vm, u64 now_ns)
{
	if (vm->state == VM_RUNS && !vm->job &&
	    backend_settle(vm->backend) == -EAGAIN)
		vm_start_job(vm, now_ns);
}

static bool vm_suspicious(const struct vm *vm, u64 now_ns)
{
	const struct vm_pace *pace = &vm->pace;

	if (now_ns < vm->retry_ns)
		return false;
	if (vm->look.wanted && now_ns >= vm->look.next_ns)
		return true;
	if (pace->failures && now_ns - pace->good_ns >= VM_FAILING_NS)
		return true;
	return now_ns - pace->active_ns >= pace->verify_ns;
}

/*
 * The module was loaded, or QEMU made the VM, after we had to reach it otherwise.
 * Opened anew only while nothing is stopped in it.
 */
static bool vm_can_upgrade(const struct vm *vm, u64 now_ns)
{
	const struct vm_host *host = vm->host;

	return vm->backend && !vm_by_kernel(vm) && !host->no_device[0] &&
	       vm->kernel_error == -ENOENT && vm->upgrades < VM_UPGRADES &&
	       !vm_left(vm, now_ns) &&
	       kernel_device_knows(&host->device, vm->identity.pid);
}

void vm_tend(struct vm *vm, u64 now_ns)
{
	if (vm->job)
		return;
	if (vm_can_upgrade(vm, now_ns)) {
		vm->upgrades++;
		vm_reopen(vm, now_ns, "monarch.ko has it now");
	}
	if (vm->state == VM_RUNS ? vm_suspicious(vm, now_ns) :
				   now_ns >= vm->retry_ns)
		vm_start_job(vm, now_ns);
	else if (vm->state == VM_RUNS && vm->monitor_later &&
		 now_ns >= vm->monitor_ns)
		vm_seek_monitor(vm, now_ns);
}

static void vm_set_state(struct vm *vm, enum vm_state state, const char *why)
{
	char name[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.name))];
	char shown[MONARCH_ESCAPED_SIZE(sizeof(vm->why))];
	bool changed = vm->state != state || strcmp(vm->why, why);

	vm->state = state;
	snprintf(vm->why, sizeof(vm->why), "%s", why);
	if (!changed)
		return;
	log_info("VM %s: %s%s%s",
		 monarch_escape(name, sizeof(name), vm->identity.name),
		 vm_state_name(state), why[0] ? ": " : "",
		 monarch_escape(shown, sizeof(shown), vm->why));
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
		vm_let_go(vm);
	vm_set_state(vm, vm_state_of(job->result), job->why);
	vm_later(vm, now_ns);
}

void vm_reopen(struct vm *vm, u64 now_ns, const char *why)
{
	if (vm->job)
		return;
	vm_forget_kernel(vm);
	vm_let_go(vm);
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

/* Where the kernel was lost sight of, the lease frees what is stopped in it. */
void vm_renew(struct vm *vm, u64 now_ns)
{
	if (!vm_by_kernel(vm) || vm->state != VM_RUNS)
		return;
	if (vm->backend->ops->renew(vm->backend, vm->host->quantum_ns) ==
	    -ENOTCONN)
		vm_lost(vm, now_ns);
	else
		vm->lost_ns = 0;
}

static bool vm_same_boot(const struct vm *vm, const struct attach_job *job)
{
	const struct gi_boot *a = &vm->found.boot, *b = &job->found.boot;

	return a->slide == b->slide && a->phys_base == b->phys_base &&
	       a->page_offset == b->page_offset && a->pgd == b->pgd &&
	       !strcmp(vm->found.layout->banner, job->found.layout->banner);
}

static bool vm_same_cpus(const struct gi_boot *a, const struct gi_boot *b)
{
	return a->nr_cpus == b->nr_cpus &&
	       !memcmp(a->per_cpu_offset, b->per_cpu_offset,
		       a->nr_cpus * sizeof(a->per_cpu_offset[0])) &&
	       !memcmp(a->apic_id, b->apic_id,
		       a->nr_cpus * sizeof(a->apic_id[0]));
}

/* A look that changed nothing makes the next one, for the same wish, later. */
static void vm_looked(struct vm *vm, u64 now_ns, bool changed)
{
	struct vm_look *look = &vm->look;

	look->wanted = false;
	look->every_ns = changed ? NS_PER_S :
				   min(2 * look->every_ns, VM_RETRY_MAX_NS);
	look->next_ns = now_ns + look->every_ns;
}

/*
 * What runs in @vm is vm->found: have it read so from now on.
 * Return: 0; -errno: it cannot be, as the result of @job then says.
 */
static int vm_use_kernel(struct vm *vm, struct attach_job *job)
{
	int error = gi_kernel_init(&vm->kernel, &vm->backend->memory,
				   vm->found.layout, &vm->found.boot);

	if (error)
		snprintf(job->why, sizeof(job->why),
			 "its kernel's figures contradict themselves: %s",
			 strerror(-error));
	else
		error = vm->backend->ops->set_guest(vm->backend, &vm->kernel,
						    &vm->found, job->why);
	if (error)
		job->result = ATTACH_NOT_LINUX;
	return error;
}

/*
 * The kernel that is known, with what hotplug changed around it: what is stopped
 * in it, by whom, and its history stay.
 */
static int vm_renew_kernel(struct vm *vm, struct attach_job *job, u64 now_ns)
{
	vm->force_walk = true;
	vm->pace.next_ns = now_ns;
	vm_looked(vm, now_ns, true);
	vm->host->event(vm->host, VM_EVENT_STATE, vm, NULL);
	return vm_use_kernel(vm, job);
}

static void vm_trust_again(struct vm *vm, u64 now_ns)
{
	struct vm_pace *pace = &vm->pace;

	vm_looked(vm, now_ns, false);
	vm->tries = 0;
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
	error = vm_use_kernel(vm, job);
	if (error) {
		vm_not_found(vm, job, now_ns);
		return;
	}
	vm->tries = 0;
	vm->scan = true;
	vm->owes = false;
	/* wake-ups of a Monarch that died may be outstanding */
	vm->settle_ns = now_ns + VM_SETTLE_NS;
	vm->pace = (struct vm_pace){
		.good_ns = now_ns,
		.active_ns = now_ns,
		.verify_ns = VM_SILENCE_NS,
	};
	vm->look = (struct vm_look){ .every_ns = NS_PER_S };
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
	char shown[MONARCH_ESCAPED_SIZE(sizeof(vm->no_kernel))];
	bool news = !job->no_kernel[0] ||
		    strcmp(vm->no_kernel, job->no_kernel);

	memcpy(vm->no_kernel, job->no_kernel, sizeof(vm->no_kernel));
	vm->kernel_error = job->kernel_error;
	/* what holds for all VMs has been said for all */
	if (!vm->backend || !news ||
	    (vm->no_kernel[0] && !strcmp(vm->no_kernel, vm->host->no_device)))
		return;
	log_info("VM %s: the %s backend serves it%s%s",
		 monarch_escape(name, sizeof(name), vm->identity.name),
		 vm->backend->ops->name, vm->no_kernel[0] ? ": " : "",
		 monarch_escape(shown, sizeof(shown), vm->no_kernel));
}

/* What @job, which opened a backend, found out about the monitor. */
static void vm_note_monitor(struct vm *vm, const struct attach_job *job,
			    u64 now_ns)
{
	memcpy(vm->no_monitor, job->no_monitor, sizeof(vm->no_monitor));
	vm->monitor_later = job->monitor_later;
	vm->monitor_ns = now_ns + (VM_MONITOR_NS << min(vm->monitor_tries, 3u));
	vm->monitor_tries = vm->monitor_later ? vm->monitor_tries + 1 : 0;
}

static void vm_sought(struct vm *vm, struct attach_job *job, u64 now_ns)
{
	char name[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.name))];

	/* a monitor, but not the rest: the backend in use still has none */
	if (job->result != ATTACH_FOUND && !job->no_monitor[0]) {
		vm->monitor_ns = now_ns + VM_MONITOR_NS;
		return;
	}
	vm_note_monitor(vm, job, now_ns);
	if (job->result != ATTACH_FOUND || vm->no_monitor[0])
		return;
	attach_let_go(vm->host->pool, vm->backend);
	vm->backend = job->backend;
	job->backend = NULL;
	if (!vm_by_kernel(vm))
		log_info("VM %s: its monitor can be used now",
			 monarch_escape(name, sizeof(name), vm->identity.name));
	vm_note_backend(vm, job);
	vm_take_kernel(vm, job, now_ns);
}

/* Other RAM or vCPUs: read as before, but the search was not made yet. */
static void vm_other_parts(struct vm *vm, struct attach_job *job, u64 now_ns)
{
	if (vm_renew_kernel(vm, job, now_ns))
		vm_not_found(vm, job, now_ns);
	vm->look.wanted = true;
}

/* The same boot of the same kernel, with other CPUs online. */
static void vm_other_cpus(struct vm *vm, struct attach_job *job, u64 now_ns)
{
	char name[MONARCH_ESCAPED_SIZE(sizeof(vm->identity.name))];

	log_info("VM %s: has %u CPUs online now",
		 monarch_escape(name, sizeof(name), vm->identity.name),
		 job->found.boot.nr_cpus);
	vm->found.boot = job->found.boot;
	vm_trust_again(vm, now_ns);
	if (vm_renew_kernel(vm, job, now_ns))
		vm_not_found(vm, job, now_ns);
}

static void vm_looked_again(struct vm *vm, struct attach_job *job, u64 now_ns)
{
	vm->backend->ops->adopt(vm->backend);
	if (job->result == ATTACH_CHANGED)
		vm_other_parts(vm, job, now_ns);
	else if (job->result == ATTACH_UNREACHABLE &&
		 ++vm->tries < VM_BLIND_TRIES)
		/* nothing was learned: what is known stays for now */
		vm->retry_ns = now_ns + VM_FAILING_NS;
	else if (job->result != ATTACH_FOUND)
		vm_not_found(vm, job, now_ns);
	else if (!vm_same_boot(vm, job))
		vm_take_kernel(vm, job, now_ns);
	else if (!vm_same_cpus(&vm->found.boot, &job->found.boot))
		vm_other_cpus(vm, job, now_ns);
	else
		vm_trust_again(vm, now_ns);
}

void vm_attached(struct vm *vm, struct attach_job *job, u64 now_ns)
{
	vm->job = NULL;
	if (vm->seeking) {
		vm->seeking = false;
		vm_sought(vm, job, now_ns);
		attach_job_destroy(job);
		return;
	}
	vm->backend = job->backend;
	job->backend = NULL;
	if (job->opened) {
		vm_note_monitor(vm, job, now_ns);
		vm_note_backend(vm, job);
	}
	if (vm->lent)
		vm_looked_again(vm, job, now_ns);
	else if (job->result == ATTACH_FOUND)
		vm_take_kernel(vm, job, now_ns);
	else
		vm_not_found(vm, job, now_ns);
	vm->lent = false;
	attach_job_destroy(job);
}
