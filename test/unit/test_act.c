// SPDX-License-Identifier: GPL-2.0-only
/* From a wish to a guest that is so: quantum by quantum, through refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <cmocka.h>

#include "daemon_maker.h"

#define INDEXER 102	/* two threads */

static struct proc *daemon_proc(struct daemon *daemon, u32 pid)
{
	struct proc *proc = table_find_pid(daemon->vm->table, pid);

	assert_non_null(proc);
	return proc;
}

static bool marked(struct daemon *daemon, u32 task)
{
	return fake_get(&daemon->guest, daemon->tasks[task],
			MONARCH_F_TASK_JOBCTL) & GI_JOBCTL_TRAP_FREEZE;
}

/* Stop, stay, resume; nothing is held in between, nothing is left over. */
static void test_stop_resume(void **state)
{
	struct daemon *daemon = daemon_create();
	u32 holds;

	daemon_ticks(daemon, 3);
	assert_int_equal(daemon->vm->table->nr, 6);
	assert_int_equal(daemon->holds, 0);
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 3);
	assert_int_equal(daemon_proc(daemon, INDEXER)->now.stopped, GI_PARKED);
	assert_int_equal(daemon->stopped, 1);
	assert_int_equal(manager_stopped(&daemon->manager), 1);
	holds = daemon->holds;
	daemon_ticks(daemon, 50);
	assert_int_equal(daemon->holds, holds);
	manager_resume(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 5);
	assert_int_equal(daemon_proc(daemon, INDEXER)->now.stopped, GI_RUNS);
	assert_false(daemon_proc(daemon, INDEXER)->stop.involved);
	assert_int_equal(daemon->resumed, 1);
	assert_false(marked(daemon, 2));
	holds = daemon->holds;
	daemon_ticks(daemon, 50);
	assert_int_equal(daemon->holds, holds);
	daemon_destroy(daemon);
}

/* The guest undoes it (its own freezer thawed): stopped again. */
static void test_undone_by_guest(void **state)
{
	struct daemon *daemon = daemon_create();

	daemon_ticks(daemon, 2);
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 3);
	fake_set(&daemon->guest, daemon->tasks[2], MONARCH_F_TASK_JOBCTL, 0);
	fake_set(&daemon->guest, daemon->tasks[2], MONARCH_F_TASK_FROZEN, 0);
	fake_set(&daemon->guest, daemon->tasks[2], MONARCH_F_TASK_STATE, 0);
	daemon_ticks(daemon, 3);
	assert_int_equal(daemon_proc(daemon, INDEXER)->now.stopped, GI_PARKED);
	daemon_destroy(daemon);
}

/* A thread born in a stopped process is caught. */
static void test_born_thread(void **state)
{
	struct daemon *daemon = daemon_create();

	daemon_ticks(daemon, 2);
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 3);
	fake_thread(&daemon->guest, daemon->tasks[2], 201);
	/* whoever makes a thread has run */
	fake_set(&daemon->guest, daemon->tasks[2], MONARCH_F_TASK_SUM_EXEC,
		 NS_PER_S);
	daemon_ticks(daemon, 3);
	assert_int_equal(daemon_proc(daemon, INDEXER)->now.nr_threads, 3);
	assert_int_equal(daemon_proc(daemon, INDEXER)->now.stopped, GI_PARKED);
	daemon_destroy(daemon);
}

/* Locked: counted by reason, tried each quantum, done when it is free. */
static void test_retry(void **state)
{
	struct daemon *daemon = daemon_create();
	u64 sighand = daemon->tasks[2] + SIGHAND_AT;

	daemon_ticks(daemon, 2);
	fake_set(&daemon->guest, sighand, MONARCH_F_SIGHAND_SIGLOCK, 1);
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 5);
	assert_false(marked(daemon, 2));
	assert_int_equal(daemon->manager.host.stats.refusals[GI_REFUSE_SIGLOCK], 5);
	fake_set(&daemon->guest, sighand, MONARCH_F_SIGHAND_SIGLOCK, 0);
	daemon_ticks(daemon, 3);
	assert_int_equal(daemon_proc(daemon, INDEXER)->now.stopped, GI_PARKED);
	daemon_destroy(daemon);
}

/* Refused for good: tried ever more rarely. */
static void test_backoff(void **state)
{
	struct daemon *daemon = daemon_create();
	u64 *refusals = daemon->manager.host.stats.refusals;

	daemon_ticks(daemon, 2);
	fake_set(&daemon->guest, daemon->tasks[2], MONARCH_F_TASK_PTRACE, 1);
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 100);
	assert_in_range(refusals[GI_REFUSE_PTRACED], 2, 5);
	assert_false(marked(daemon, 2));
	daemon_destroy(daemon);
}

/*
 * Stopped, and then a thread is born that a debugger has already: it cannot be
 * stopped whole any more, so all of it runs until it can.
 */
static void test_no_halves(void **state)
{
	struct daemon *daemon = daemon_create();
	u64 sibling = direct(TASKS + 0x1000ull * (daemon->guest.nr_tasks - 1));
	u64 *refusals = daemon->manager.host.stats.refusals, born;

	daemon_ticks(daemon, 2);
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 3);
	assert_int_equal(manager_stopped(&daemon->manager), 1);
	born = fake_thread(&daemon->guest, daemon->tasks[2], 201);
	fake_set(&daemon->guest, born, MONARCH_F_TASK_PTRACE, 1);
	fake_set(&daemon->guest, daemon->tasks[2], MONARCH_F_TASK_SUM_EXEC,
		 NS_PER_S);
	daemon_ticks(daemon, 100);
	assert_in_range(refusals[GI_REFUSE_PTRACED], 2, 5);
	assert_false(marked(daemon, 2));
	assert_int_equal(fake_get(&daemon->guest, daemon->tasks[2],
				  MONARCH_F_TASK_FROZEN), 0);
	assert_int_equal(fake_get(&daemon->guest, sibling,
				  MONARCH_F_TASK_FROZEN), 0);
	assert_int_equal(manager_stopped(&daemon->manager), 0);
	assert_int_equal(daemon->resumed, 1);
	assert_int_equal(daemon_proc(daemon, INDEXER)->stop.refusal,
			 GI_REFUSE_PTRACED);
	fake_set(&daemon->guest, born, MONARCH_F_TASK_PTRACE, 0);
	daemon_ticks(daemon, 200);
	assert_int_equal(daemon_proc(daemon, INDEXER)->now.stopped, GI_PARKED);
	assert_int_equal(daemon->stopped, 2);
	daemon_destroy(daemon);
}

/* Memory changed between plan and write: nothing happened, tried again. */
static void test_stale(void **state)
{
	struct daemon *daemon = daemon_create();

	daemon_ticks(daemon, 2);
	daemon->apply_error = -ESTALE;
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 3);
	assert_int_equal(daemon->manager.host.stats.stale, 3);
	assert_int_equal(daemon->stopped, 0);
	daemon->apply_error = 0;
	daemon_ticks(daemon, 3);
	assert_int_equal(daemon_proc(daemon, INDEXER)->now.stopped, GI_PARKED);
	daemon_destroy(daemon);
}

/* A VM that cannot be held is left alone for a while, not hammered. */
static void test_no_hold(void **state)
{
	struct daemon *daemon = daemon_create();

	daemon_ticks(daemon, 2);
	daemon->hold_error = -EBUSY;
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 50);
	assert_in_range(daemon->manager.host.stats.hold_failures, 4, 6);
	daemon->hold_error = 0;
	daemon_ticks(daemon, 13);
	assert_int_equal(daemon_proc(daemon, INDEXER)->now.stopped, GI_PARKED);
	daemon_destroy(daemon);
}

/*
 * The running job ends so: what it found is the boot of before, with @cpus. (The
 * made-up guest cannot really be found.)
 */
static void job_done(struct daemon *daemon, enum attach_result result, u32 cpus)
{
	struct attach_job *job = daemon->vm->job;

	while (!attach_next(daemon->manager.host.pool))
		poll(NULL, 0, 1);
	gi_found_deinit(&job->found);
	job->result = result;
	job->found = (struct gi_found){ .boot = daemon->vm->kernel.boot };
	job->found.boot.nr_cpus = cpus;
	job->found.layout = malloc(sizeof(*job->found.layout));
	*job->found.layout = *daemon->vm->found.layout;
	vm_attached(daemon->vm, job, daemon->manager.now_ns);
}

/* CPUs and RAM come and go: what is stopped by hand stays so, and is known. */
static void test_hotplug(void **state)
{
	struct daemon *daemon = daemon_create();
	struct vm *vm = daemon->vm;

	daemon_ticks(daemon, 2);
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 3);
	assert_true(daemon_proc(daemon, INDEXER)->stop.manual);
	vm->found.boot = vm->kernel.boot;
	/* a CPU fewer is online than is known */
	fake_online(&daemon->guest, FAKE_CPUS - 1);
	daemon_ticks(daemon, 102);
	assert_non_null(vm->job);
	job_done(daemon, ATTACH_CHANGED, FAKE_CPUS - 1);
	assert_int_equal(daemon->adopts, 1);
	assert_int_equal(vm->kernel.boot.nr_cpus, FAKE_CPUS);
	daemon_ticks(daemon, 202);
	assert_non_null(vm->job);
	job_done(daemon, ATTACH_FOUND, FAKE_CPUS - 1);
	assert_int_equal(vm->kernel.boot.nr_cpus, FAKE_CPUS - 1);
	daemon_ticks(daemon, 202);
	assert_null(vm->job);
	assert_true(daemon_proc(daemon, INDEXER)->stop.manual);
	assert_int_equal(daemon_proc(daemon, INDEXER)->now.stopped, GI_PARKED);
	assert_int_equal(daemon->manager.host.stats.orphans, 0);
	assert_int_equal(daemon->manager.host.stats.reattached, 0);
	assert_int_equal(daemon->stopped, 1);
	manager_resume(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 5);
	assert_int_equal(daemon_proc(daemon, INDEXER)->now.stopped, GI_RUNS);
	daemon_destroy(daemon);
}

/*
 * The way to hold it is lost: a job finds it again. However long that takes, the
 * loop goes on, and holds nothing meanwhile.
 */
static void test_way_lost(void **state)
{
	struct daemon *daemon = daemon_create();
	struct vm *vm = daemon->vm;
	u64 seen;

	daemon_ticks(daemon, 2);
	pthread_mutex_lock(&daemon->block);
	daemon->settle_error = daemon->hold_error = -EAGAIN;
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_tick(daemon);
	assert_non_null(vm->job);
	assert_true(vm->lent);
	seen = daemon->manager.host.stats.walks;
	daemon_ticks(daemon, 50);
	assert_true(daemon->manager.host.stats.walks >= seen + 40);
	assert_int_equal(daemon->holds, 0);
	assert_int_equal(daemon->prepares, 0);
	daemon->settle_error = daemon->hold_error = 0;
	pthread_mutex_unlock(&daemon->block);
	vm->found.boot = vm->kernel.boot;
	job_done(daemon, ATTACH_FOUND, FAKE_CPUS);
	assert_int_equal(daemon->prepares, 1);
	daemon_ticks(daemon, 3);
	assert_int_equal(daemon_proc(daemon, INDEXER)->now.stopped, GI_PARKED);
	daemon_destroy(daemon);
}

/* Its monitor is gone though it lives: after some tries, all is opened anew. */
static void lose_connection(bool libvirt, enum vm_state expected)
{
	struct daemon *daemon = daemon_create();
	struct vm *vm = daemon->vm;

	daemon_ticks(daemon, 2);
	vm->identity.libvirt = libvirt;
	daemon->hold_error = -ENOTCONN;
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_tick(daemon);
	assert_int_equal(vm->state, VM_RUNS);
	for (u64 i = 1; i < 3; i++) {
		u64 now_ns = daemon->manager.now_ns + i * NS_PER_S;

		vm->pace.active_ns = now_ns;
		vm_act(vm, now_ns);
	}
	assert_int_equal(vm->state, expected);
	assert_int_equal(!vm->backend, expected == VM_ATTACHING);
	daemon_destroy(daemon);
}

static void test_lost_connection(void **state)
{
	lose_connection(false, VM_ATTACHING);
	lose_connection(true, VM_RUNS);
}

/* Stopped by a daemon that died: found in memory alone, and resumed. */
static void test_orphans(void **state)
{
	struct daemon *daemon = daemon_create(), *next = daemon_create();

	daemon_ticks(daemon, 2);
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 3);
	memcpy(next->guest.ram, daemon->guest.ram, FAKE_RAM_SIZE);
	next->guest.nr_tasks = daemon->guest.nr_tasks;
	daemon_destroy(daemon);
	daemon_ticks(next, 5);
	assert_int_equal(next->manager.host.stats.orphans, 1);
	assert_int_equal(daemon_proc(next, INDEXER)->now.stopped, GI_RUNS);
	daemon_destroy(next);
}

/* An orphan of which only one thread is left marked counts as one. */
static void test_half_orphan(void **state)
{
	struct daemon *daemon = daemon_create();
	u64 thread = direct(TASKS + 0x1000ull * (daemon->guest.nr_tasks - 1));

	fake_set(&daemon->guest, thread, MONARCH_F_TASK_JOBCTL,
		 GI_JOBCTL_TRAP_FREEZE);
	fake_park(&daemon->guest, thread);
	daemon_ticks(daemon, 5);
	assert_int_equal(daemon->manager.host.stats.orphans, 1);
	assert_int_equal(fake_get(&daemon->guest, thread, MONARCH_F_TASK_FROZEN), 0);
	daemon_destroy(daemon);
}

/*
 * A wake-up was lost: one thread sits in the trap, without its mark, while its
 * sibling runs; and nothing else happens in this guest.
 */
static void test_lost_thread(void **state)
{
	struct daemon *daemon = daemon_create();
	u64 thread = direct(TASKS + 0x1000ull * (daemon->guest.nr_tasks - 1));
	u32 ticks = 0;

	daemon_ticks(daemon, 3);
	fake_park(&daemon->guest, thread);
	daemon_tick(daemon);
	assert_int_equal(daemon_proc(daemon, INDEXER)->now.stopped, GI_RUNS);
	while (!daemon->manager.host.stats.orphans && ticks++ < 100) {
		manager_tick(&daemon->manager, 1);
		fake_take_queues(&daemon->guest);
	}
	/* not before it lasted */
	assert_in_range(ticks, 40, 60);
	daemon_ticks(daemon, 5);
	assert_int_equal(fake_get(&daemon->guest, thread, MONARCH_F_TASK_FROZEN), 0);
	assert_false(daemon_proc(daemon, INDEXER)->stop.involved);
	assert_int_equal(daemon->manager.host.stats.orphans, 1);
	daemon_destroy(daemon);
}

/* Stopped for a moment only, again and again, by whomever: nothing is done. */
static void test_brief_suspects(void **state)
{
	struct daemon *daemon = daemon_create();
	u64 thread = direct(TASKS + 0x1000ull * (daemon->guest.nr_tasks - 1));

	daemon_ticks(daemon, 3);
	for (u32 i = 0; i < 10; i++) {
		fake_park(&daemon->guest, thread);
		daemon_ticks(daemon, 20);
		fake_set(&daemon->guest, thread, MONARCH_F_TASK_FROZEN, 0);
		daemon_ticks(daemon, 2);
	}
	assert_int_equal(daemon->manager.host.stats.orphans, 0);
	daemon_destroy(daemon);
}

/* At the end everything is resumed, whoever wanted it stopped. */
static void test_exit(void **state)
{
	struct daemon *daemon = daemon_create();

	daemon_ticks(daemon, 2);
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	manager_suspend(&daemon->manager, daemon_proc(daemon, 101));
	daemon_ticks(daemon, 3);
	daemon->manager.stopping_ns = clock_ns();
	daemon_ticks(daemon, 6);
	assert_true(!vm_left(daemon->vm, daemon->manager.now_ns));
	assert_false(marked(daemon, 1));
	assert_false(marked(daemon, 2));
	assert_int_equal(daemon->manager.left, 0);
	daemon_destroy(daemon);
}

/* SIGTERM was @ago_ns ago. Return: whether the daemon exits in this quantum. */
static bool exits(struct daemon *daemon, u64 ago_ns)
{
	int code;

	daemon->manager.stopping_ns = clock_ns() - ago_ns;
	daemon_tick(daemon);
	return sd_event_get_exit_code(daemon->manager.event, &code) == 0;
}

/* What an earlier daemon left is unknown before the first look: no exit. */
static void test_exit_before_attach(void **state)
{
	struct daemon *daemon = daemon_create();

	daemon->vm->state = VM_ATTACHING;
	daemon->vm->retry_ns = U64_MAX;
	assert_false(exits(daemon, 0));
	assert_true(exits(daemon, 11 * NS_PER_S));
	assert_int_equal(daemon->manager.left, 1);
	daemon_destroy(daemon);
}

/* Found, but not read once. */
static void test_exit_before_scan(void **state)
{
	struct daemon *daemon = daemon_create();
	u64 thread = direct(TASKS + 0x1000ull * (daemon->guest.nr_tasks - 1));

	fake_set(&daemon->guest, thread, MONARCH_F_TASK_JOBCTL,
		 GI_JOBCTL_TRAP_FREEZE);
	fake_park(&daemon->guest, thread);
	daemon->vm->pace.next_ns = 5 * 10 * NS_PER_MS;
	daemon->vm->retry_ns = U64_MAX;
	for (u32 i = 0; i < 5; i++)
		assert_false(exits(daemon, 0));
	for (u32 i = 0; i < 10 && !exits(daemon, 0); i++)
		;
	assert_true(exits(daemon, 0));
	assert_int_equal(fake_get(&daemon->guest, thread, MONARCH_F_TASK_FROZEN), 0);
	assert_int_equal(daemon->manager.left, 0);
	daemon_destroy(daemon);
}

/* The way to it broke while processes were stopped: they still are. */
static void test_exit_owing(void **state)
{
	struct daemon *daemon = daemon_create();

	daemon_ticks(daemon, 2);
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 3);
	vm_reopen(daemon->vm, daemon->manager.now_ns, "broke");
	daemon->vm->retry_ns = U64_MAX;
	daemon->vm->state = VM_NOT_LINUX;
	assert_false(exits(daemon, 0));
	assert_true(exits(daemon, 11 * NS_PER_S));
	assert_int_equal(daemon->manager.left, 1);
	daemon_destroy(daemon);
}

/* A VM in which nothing ever was stopped is no reason to wait. */
static void test_exit_others(void **state)
{
	static const enum vm_state states[] = {
		VM_BOOTING, VM_NOT_LINUX, VM_NO_TYPES, VM_UNREACHABLE,
	};

	for (u32 i = 0; i < ARRAY_SIZE(states); i++) {
		struct daemon *daemon = daemon_create();

		daemon_ticks(daemon, 2);
		vm_reopen(daemon->vm, daemon->manager.now_ns, "broke");
		daemon->vm->retry_ns = U64_MAX;
		daemon->vm->state = states[i];
		assert_true(exits(daemon, 0));
		assert_int_equal(daemon->manager.left, 0);
		daemon_destroy(daemon);
	}
}

static u32 renewals;

static int count_renewal(struct backend *backend, u64 quantum_ns)
{
	renewals++;
	return 0;
}

/* What is stopped in a kernel lost sight of is freed by whoever keeps a lease. */
static void test_lease_of_the_lost(void **state)
{
	struct daemon *daemon = daemon_create();
	struct backend_ops ops = fake_ops;

	ops.renew = count_renewal;
	daemon->backend.ops = &ops;
	daemon_ticks(daemon, 3);
	assert_int_equal(renewals, 3);
	daemon->vm->state = VM_NOT_LINUX;
	daemon->vm->retry_ns = U64_MAX;
	daemon_ticks(daemon, 3);
	assert_int_equal(renewals, 3);
	daemon->vm->state = VM_RUNS;
	daemon_destroy(daemon);
}

/* A process that exits while it is stopped leaves nothing behind. */
static void test_dies_stopped(void **state)
{
	struct daemon *daemon = daemon_create();
	u64 node = daemon->tasks[2] + 512;
	u64 next, prev;

	daemon_ticks(daemon, 2);
	manager_suspend(&daemon->manager, daemon_proc(daemon, INDEXER));
	daemon_ticks(daemon, 3);
	next = fake_peek(&daemon->guest, node);
	prev = fake_peek(&daemon->guest, node + 8);
	fake_poke(&daemon->guest, prev, next);
	fake_poke(&daemon->guest, next + 8, prev);
	daemon_ticks(daemon, 3);
	assert_null(table_find_pid(daemon->vm->table, INDEXER));
	assert_true(TAILQ_EMPTY(&daemon->vm->table->stops));
	assert_int_equal(daemon->vm->table->died_stopped, 1);
	daemon_destroy(daemon);
}

/* Gone before its end was seen, and nothing will be stopped in its place. */
static void test_gone_unseen(void **state)
{
	struct daemon *daemon = daemon_create();
	struct proc *proc;

	daemon_ticks(daemon, 2);
	proc = daemon_proc(daemon, INDEXER);
	manager_suspend(&daemon->manager, proc);
	proc_wish(proc, daemon->manager.now_ns);
	fake_set(&daemon->guest, daemon->tasks[2], MONARCH_F_TASK_START_TIME, 1);
	vm_act(daemon->vm, daemon->manager.now_ns);
	assert_int_equal(daemon->manager.host.stats.refusals[GI_REFUSE_GONE], 1);
	assert_false(proc->stop.involved);
	assert_false(proc->stop.manual);
	daemon_destroy(daemon);
}

/* Lists that make no sense: sampled less often, and said. */
static void test_hostile_lists(void **state)
{
	struct daemon *daemon = daemon_create();

	daemon_ticks(daemon, 2);
	/* the second process follows itself */
	fake_poke(&daemon->guest, daemon->tasks[1] + 512,
		  daemon->tasks[1] + 512);
	for (u32 i = 0; i < 90; i++)
		manager_tick(&daemon->manager, 1);
	assert_true(daemon->vm->pace.failures > 2);
	assert_true(daemon->vm->pace.failures < 12);
	assert_true(daemon->vm->pace.every_ns > 10 * NS_PER_MS);
	assert_true(daemon->vm->pace.error < 0);
	/* what was known stays */
	assert_int_equal(daemon->vm->table->nr, 6);
	daemon_destroy(daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stop_resume),
		cmocka_unit_test(test_undone_by_guest),
		cmocka_unit_test(test_born_thread),
		cmocka_unit_test(test_retry),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_no_halves),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_no_hold),
		cmocka_unit_test(test_hotplug),
		cmocka_unit_test(test_way_lost),
		cmocka_unit_test(test_lost_connection),
		cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_half_orphan),
		cmocka_unit_test(test_lost_thread),
		cmocka_unit_test(test_brief_suspects),
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_exit_before_attach),
		cmocka_unit_test(test_exit_before_scan),
		cmocka_unit_test(test_exit_owing),
		cmocka_unit_test(test_exit_others),
		cmocka_unit_test(test_lease_of_the_lost),
		cmocka_unit_test(test_dies_stopped),
		cmocka_unit_test(test_gone_unseen),
		cmocka_unit_test(test_hostile_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
