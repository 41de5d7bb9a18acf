/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A daemon around a fake guest: a manager without libvirt, timer or signals,
 * with one VM whose backend is plain memory. Each daemon_tick() is a quantum, in
 * which the guest's kernel then does its part. Included by one test each.
 */
#ifndef TEST_UNIT_DAEMON_MAKER_H
#define TEST_UNIT_DAEMON_MAKER_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../daemon/bus.h"
#include "../../daemon/clock.h"
#include "../../daemon/held_edit.h"
#include "../../daemon/manager.h"
#include "../../daemon/walk.h"
#include "../core/fake_guest.c"

/**
 * struct daemon - the made-up whole
 * @hold_error, @apply_error, @settle_error: what the backend answers
 * @prepares: calls of prepare(), which blocks while @block is locked
 * @held, @holds: of the backend
 * @frozen: the guest's kernel does nothing
 */
struct daemon {
	struct manager manager;
	struct fake_guest guest;
	struct backend backend;
	struct walk walk;
	struct vm *vm;
	u64 tasks[8];
	u32 nr_tasks;
	int hold_error, apply_error, settle_error;
	bool held, frozen;
	u32 holds, stopped, resumed;
	pthread_mutex_t block;
	u32 prepares, adopts;
};

static struct daemon *daemon_of(struct backend *backend)
{
	return container_of(backend, struct daemon, backend);
}

static int fake_hold(struct backend *backend)
{
	struct daemon *daemon = daemon_of(backend);

	if (daemon->hold_error)
		return daemon->hold_error;
	assert_false(daemon->held);
	daemon->held = true;
	daemon->holds++;
	return 0;
}

static int fake_backend_apply(struct backend *backend,
			      const struct gi_plan *plan, u32 *ret_step)
{
	struct daemon *daemon = daemon_of(backend);

	assert_true(daemon->held);
	return daemon->apply_error ? daemon->apply_error :
				     fake_apply(&daemon->guest, plan);
}

static int fake_release(struct backend *backend)
{
	assert_true(daemon_of(backend)->held);
	daemon_of(backend)->held = false;
	return 0;
}

static int fake_settle(struct backend *backend)
{
	assert_false(daemon_of(backend)->held);
	return daemon_of(backend)->settle_error;
}

static int fake_prepare(struct backend *backend, bool *ret_changed)
{
	struct daemon *daemon = daemon_of(backend);

	*ret_changed = false;
	pthread_mutex_lock(&daemon->block);
	daemon->prepares++;
	pthread_mutex_unlock(&daemon->block);
	return 0;
}

static void fake_adopt(struct backend *backend)
{
	daemon_of(backend)->adopts++;
}

static int fake_registers(struct backend *backend, struct gi_vcpu_regs *ret,
			  u32 max, u32 *ret_nr)
{
	return -ENOTCONN;
}

static int fake_set_guest(struct backend *backend,
			  const struct gi_kernel *kernel,
			  const struct gi_found *found,
			  char why[BACKEND_WHY_LEN])
{
	walk_set_guest(&daemon_of(backend)->walk, kernel);
	return 0;
}

static int fake_sample(struct backend *backend, bool full,
		       struct backend_sample *ret)
{
	return walk_sample(&daemon_of(backend)->walk, full, ret);
}

static int fake_edit(struct backend *backend, struct backend_target *targets,
		     u32 nr, struct backend_edit *ret)
{
	return held_edit(backend, daemon_of(backend)->walk.kernel, targets, nr,
			 ret);
}

static int fake_times(struct backend *backend, struct vcpu_time *ret, u32 max,
		      u32 *ret_nr)
{
	*ret_nr = 0;
	return 0;
}

static u64 fake_last_hold(struct backend *backend)
{
	return 1000;
}

static void fake_destroy(struct backend *backend)
{
	walk_set_guest(&daemon_of(backend)->walk, NULL);
}

static const struct backend_ops fake_ops = {
	.name = "fake",
	.registers = fake_registers,
	.set_guest = fake_set_guest,
	.sample = fake_sample,
	.edit = fake_edit,
	.vcpu_times = fake_times,
	.settle = fake_settle,
	.prepare = fake_prepare,
	.adopt = fake_adopt,
	.destroy = fake_destroy,
	.hold = fake_hold,
	.apply = fake_backend_apply,
	.release = fake_release,
	.last_hold_ns = fake_last_hold,
};

static void daemon_event(struct vm_host *host, enum vm_event event,
			 struct vm *vm, struct proc *proc)
{
	struct daemon *daemon = container_of(host, struct daemon, manager.host);

	daemon->stopped += event == VM_EVENT_STOPPED;
	daemon->resumed += event == VM_EVENT_RESUMED;
	if (proc)
		bus_process_changed(daemon->manager.bus, vm, proc,
				    event == VM_EVENT_STOPPED ?
				    "ProcessStopped" : "ProcessResumed",
				    proc->now.comm);
}

static void daemon_make_guest(struct daemon *daemon)
{
	static const char *const names[] = {
		"init", "server", "indexer", "twin", "twin", "\033[2Jx",
	};

	assert_true(fake_guest_init(&daemon->guest,
				    aligned_alloc(4096, FAKE_RAM_SIZE)));
	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		daemon->tasks[daemon->nr_tasks++] =
			fake_process(&daemon->guest, i ? 100 + i : 1, names[i]);
	fake_thread(&daemon->guest, daemon->tasks[2], 200);
	/* pid 105 is a kernel thread */
	fake_set(&daemon->guest, daemon->tasks[5], MONARCH_F_TASK_FLAGS,
		 GI_PF_KTHREAD);
}

static void daemon_make_vm(struct daemon *daemon)
{
	struct vm_identity identity = { .name = "vm one", .pid = 4711 };
	struct vm *vm = vm_create(&daemon->manager.host, &identity);

	assert_non_null(vm);
	daemon->backend.ops = &fake_ops;
	daemon->backend.memory = daemon->guest.mem;
	daemon->backend.nr_vcpus = FAKE_CPUS;
	daemon->backend.accounting = "guest";
	vm->backend = &daemon->backend;
	vm->found.layout = malloc(sizeof(*vm->found.layout));
	*vm->found.layout = daemon->guest.layout;
	vm->kernel = daemon->guest.kernel;
	vm->kernel.mem = &daemon->backend.memory;
	vm->kernel.layout = vm->found.layout;
	walk_set_guest(&daemon->walk, &vm->kernel);
	vm->state = VM_RUNS;
	vm->scan = true;
	strcpy(vm->found.release, "6.1-fake");
	daemon->vm = vm;
	TAILQ_INSERT_TAIL(&daemon->manager.vms, vm, entry);
}

static struct daemon *daemon_create(void)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	struct manager *manager = &daemon->manager;

	daemon_make_guest(daemon);
	table_init(&manager->host.table);
	TAILQ_INIT(&manager->vms);
	manager->host.event = daemon_event;
	manager->host.choice = BACKEND_QEMU;
	strcpy(manager->host.no_device, "this is a test");
	manager->host.quantum_ns = 10 * NS_PER_MS;
	manager->options.quantum_ns = 10 * NS_PER_MS;
	manager->options.config_dir = "/nonexistent";
	manager->policies = policies_create();
	assert_true(sd_event_new(&manager->event) >= 0);
	assert_int_equal(attach_pool_create(&manager->host.pool), 0);
	pthread_mutex_init(&daemon->block, NULL);
	daemon_make_vm(daemon);
	return daemon;
}

static inline void daemon_destroy(struct daemon *daemon)
{
	struct manager *manager = &daemon->manager;

	bus_destroy(manager->bus);
	if (daemon->vm)
		vm_destroy(daemon->vm);
	assert_null(attach_pool_destroy(manager->host.pool, 60000));
	pthread_mutex_destroy(&daemon->block);
	table_deinit(&manager->host.table);
	decision_deinit(&manager->decision);
	policies_destroy(manager->policies);
	sd_event_unref(manager->event);
	free(daemon->guest.ram);
	free(daemon);
}

/* Threads that are marked go into the trap; queued wake-ups are taken. */
static void daemon_guest_runs(struct daemon *daemon)
{
	struct fake_guest *guest = &daemon->guest;
	u64 rq = gi_kernel_per_cpu(&guest->kernel, MONARCH_F_SYM_RUNQUEUES, 0);

	fake_set(guest, rq, MONARCH_F_RQ_NR_SWITCHES,
		 fake_get(guest, rq, MONARCH_F_RQ_NR_SWITCHES) + 1);
	if (daemon->frozen)
		return;
	for (u32 i = 0; i < guest->nr_tasks; i++) {
		u64 task = direct(TASKS + 0x1000ull * i);

		if ((fake_get(guest, task, MONARCH_F_TASK_JOBCTL) &
		     GI_JOBCTL_TRAP_FREEZE) &&
		    !fake_get(guest, task, MONARCH_F_TASK_FROZEN))
			fake_park(guest, task);
	}
	fake_take_queues(guest);
}

static void daemon_tick(struct daemon *daemon)
{
	manager_tick(&daemon->manager, 1);
	assert_false(daemon->held);
	daemon_guest_runs(daemon);
}

static void daemon_ticks(struct daemon *daemon, u32 nr)
{
	while (nr--)
		daemon_tick(daemon);
}

#endif /* TEST_UNIT_DAEMON_MAKER_H */
