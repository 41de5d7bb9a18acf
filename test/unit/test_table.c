// SPDX-License-Identifier: GPL-2.0-only
/* The process table, its histories, and the correction of guest time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../../daemon/account.h"
#include "../../daemon/table.h"

#define MS 1000000ull
#define TICK (10 * MS)

static struct gi_process process_of(u32 pid, u64 runtime_ns)
{
	return (struct gi_process){
		.task = 0xffff888000000000ull + pid * 4096ull,
		.start_time = 1000 + pid,
		.pid = pid,
		.nr_threads = 1,
		.runtime_ns = runtime_ns,
		.comm = "test",
	};
}

static void see(struct table_vm *vm, u32 pid, u64 runtime_ns)
{
	struct gi_process process = process_of(pid, runtime_ns);

	assert_int_equal(table_see(vm, &process), 0);
}

/* A round that sees one process. */
static void round_of(struct table_vm *vm, u64 now_ns, u32 pid, u64 runtime_ns,
		     u32 scale)
{
	table_begin(vm, now_ns);
	see(vm, pid, runtime_ns);
	table_sweep(vm);
	table_commit(vm, scale);
}

static void test_history(void **state)
{
	struct history_pool pool = { .max_samples = 1000 };
	struct history history = {};

	assert_int_equal(history_used(&history, 0), 0);
	for (u64 i = 1; i <= 100; i++)
		history_add(&history, &pool, (i - 1) * TICK, i * TICK,
			    i * MS, 200 * MS);
	/* the last 10 ticks, one, none, and all that is kept */
	assert_int_equal(history_used(&history, 90 * TICK), 10 * MS);
	assert_int_equal(history_used(&history, 99 * TICK), 1 * MS);
	assert_int_equal(history_used(&history, 100 * TICK), 0);
	assert_int_equal(history_used(&history, 80 * TICK), 20 * MS);
	assert_true(history.nr <= 21);
	assert_int_equal(pool.samples, history.capacity);
	history_deinit(&history, &pool);
	assert_int_equal(pool.samples, 0);
}

/* A window that begins within a sample's interval gets its share of it. */
static void test_history_late(void **state)
{
	struct history_pool pool = { .max_samples = 1000 };
	struct history history = {};

	for (u64 i = 1; i <= 5; i++)
		history_add(&history, &pool, (i - 1) * TABLE_SECOND_NS,
			    i * TABLE_SECOND_NS, i * 10 * MS,
			    10 * TABLE_SECOND_NS);
	/* 10 ms a second: 1 ms in 100 ms, whenever they are asked for */
	assert_int_equal(history_used(&history, 5000 * MS - 100 * MS), 1 * MS);
	assert_int_equal(history_used(&history, 5000 * MS - 50 * MS), MS / 2);
	assert_int_equal(history_used(&history, 5000 * MS - 1), 1);
	assert_int_equal(history_used(&history, 5000 * MS), 0);
	assert_int_equal(history_used(&history, 3500 * MS), 15 * MS);
	assert_int_equal(history_used(&history, 3000 * MS), 20 * MS);
	assert_int_equal(history_used(&history, 0), 50 * MS);
	history_deinit(&history, &pool);
}

/*
 * The longest window, and a process that works nearly all the time: a bounded
 * number of samples, fine enough for any shorter window too.
 */
static void test_history_long(void **state)
{
	static const u64 windows[] = { 100, 1000, 10000, 60000, 600000 };
	const u64 keep = 600 * TABLE_SECOND_NS;
	struct history_pool pool = { .max_samples = 1 << 20 };
	struct history history = {};
	u64 now = 0;

	for (u64 i = 1; i <= 150000; i++) {
		/* half of a CPU in each second but the tenth */
		if (i / 100 % 10)
			history_add(&history, &pool, now, i * TICK,
				    (i - i / 1000 * 100) * 5 * MS, keep);
		now = i * TICK;
	}
	assert_true(pool.samples <= 1024);
	assert_int_equal(pool.cut, 0);
	for (u32 i = 0; i < ARRAY_SIZE(windows); i++) {
		u64 window = windows[i] * MS;
		u64 work = windows[i] <= 1000 ? window / 2 : window * 9 / 20;
		u64 used = history_used(&history, history_last(&history) - window);

		assert_in_range(used, work - window / 64, work + window / 64);
	}
	history_deinit(&history, &pool);
}

/*
 * Many busy processes make histories coarse and short; they do not take our
 * memory, and whoever comes late is seen all the same.
 */
static void test_history_pool(void **state)
{
	struct history_pool pool = { .max_samples = 20 };
	struct history histories[4] = {};

	for (u32 h = 0; h < 4; h++)
		for (u64 i = 1; i <= 50; i++)
			history_add(&histories[h], &pool, (i - 1) * TICK,
				    i * TICK, i * MS, TABLE_SECOND_NS);
	assert_true(pool.samples <= 20 + 4 * 8);
	assert_true(pool.cut > 0);
	for (u32 h = 0; h < 4; h++) {
		assert_int_equal(history_used(&histories[h], 48 * TICK), 2 * MS);
		assert_int_equal(history_used(&histories[h], 49 * TICK), 1 * MS);
		history_deinit(&histories[h], &pool);
	}
	assert_int_equal(pool.samples, 0);
}

/* What was used before Monarch came does not count; what a newborn used does. */
static void test_baseline_and_birth(void **state)
{
	struct table table;
	struct table_vm *vm;

	table_init(&table);
	vm = table_vm_create(&table, "vm");
	round_of(vm, 1 * TICK, 100, 5000 * MS, ACCOUNT_UNIT);
	assert_int_equal(table_find_pid(vm, 100)->used_ns, 0);
	table_begin(vm, 2 * TICK);
	see(vm, 100, 5004 * MS);
	see(vm, 101, 3 * MS);
	table_sweep(vm);
	table_commit(vm, ACCOUNT_UNIT);
	assert_int_equal(table_find_pid(vm, 100)->used_ns, 4 * MS);
	assert_int_equal(table_find_pid(vm, 101)->used_ns, 3 * MS);
	assert_int_equal(vm->used_ns, 7 * MS);
	table_deinit(&table);
}

/*
 * exec from a thread gives the process another task_struct, with the old
 * start time and all of the old run time: that is not new work.
 */
static void test_exec_is_no_birth(void **state)
{
	struct gi_process process = process_of(100, 9000 * MS);
	struct table table;
	struct table_vm *vm;

	table_init(&table);
	vm = table_vm_create(&table, "vm");
	round_of(vm, 1 * TICK, 100, 9000 * MS, ACCOUNT_UNIT);
	process.task += 0x10000;
	process.runtime_ns += MS;
	table_begin(vm, 2 * TICK);
	assert_int_equal(table_see(vm, &process), 0);
	table_sweep(vm);
	table_commit(vm, ACCOUNT_UNIT);
	assert_int_equal(vm->nr, 1);
	assert_int_equal(vm->used_ns, 0);
	table_deinit(&table);
}

static void test_pid_reuse(void **state)
{
	struct gi_process process = process_of(100, 0);
	struct table table;
	struct table_vm *vm;

	table_init(&table);
	vm = table_vm_create(&table, "vm");
	round_of(vm, TICK, 100, 0, ACCOUNT_UNIT);
	table_find_pid(vm, 100)->stop.manual = true;
	process.start_time++;
	table_begin(vm, 2 * TICK);
	assert_int_equal(table_see(vm, &process), 0);
	table_sweep(vm);
	table_commit(vm, ACCOUNT_UNIT);
	assert_int_equal(vm->nr, 1);
	assert_false(table_find_pid(vm, 100)->stop.manual);
	table_deinit(&table);
}

/* A round that did not see all keeps what it did not see. */
static void test_partial_round(void **state)
{
	struct table table;
	struct table_vm *vm;

	table_init(&table);
	vm = table_vm_create(&table, "vm");
	table_begin(vm, TICK);
	for (u32 pid = 1; pid <= 5; pid++)
		see(vm, pid, 0);
	table_sweep(vm);
	table_commit(vm, ACCOUNT_UNIT);
	table_begin(vm, 2 * TICK);
	see(vm, 3, MS);
	table_commit(vm, ACCOUNT_UNIT);
	assert_int_equal(vm->nr, 5);
	assert_int_equal(table_find_pid(vm, 3)->used_ns, MS);
	table_deinit(&table);
}

/*
 * A guest with more processes than are read, which are other ones each time:
 * what is known of it stays bounded, and stops are not forgotten.
 */
static void test_endless_births(void **state)
{
	const u32 at_once = 30000;
	struct table table;
	struct table_vm *vm;
	u32 pid = 2;

	table_init(&table);
	vm = table_vm_create(&table, "vm");
	table_begin(vm, TICK);
	see(vm, 1, 0);
	table_stop_add(table_find_pid(vm, 1));
	table_find_pid(vm, 1)->now.stopped = GI_PARKED;
	for (u32 round = 1; round <= 20; round++) {
		table_begin(vm, round * TICK);
		for (u32 i = 0; i < at_once; i++)
			see(vm, pid++, MS);
		table_expire(vm);
		table_commit(vm, ACCOUNT_UNIT);
		assert_true(vm->nr <= TABLE_VM_MAX);
	}
	assert_true(vm->turned_away > 0);
	assert_non_null(table_find_pid(vm, 1));
	/* a plan finds out what became of it */
	assert_int_equal(table_find_pid(vm, 1)->now.stopped, GI_RUNS);
	/* and with room enough, what was missed for long goes all the same */
	for (u32 round = 21; round <= 20 + TABLE_MISSES_MAX; round++) {
		table_begin(vm, round * TICK);
		see(vm, 1, 0);
		table_expire(vm);
		table_commit(vm, ACCOUNT_UNIT);
	}
	assert_int_equal(vm->nr, 1);
	table_deinit(&table);
	assert_int_equal(table.pool.samples, 0);
}

static void test_active_list(void **state)
{
	struct table table;
	struct table_vm *vm;

	table_init(&table);
	vm = table_vm_create(&table, "vm");
	round_of(vm, TICK, 100, 0, ACCOUNT_UNIT);
	assert_true(TAILQ_EMPTY(&table.active));
	round_of(vm, 2 * TICK, 100, MS, ACCOUNT_UNIT);
	assert_ptr_equal(TAILQ_FIRST(&table.active), table_find_pid(vm, 100));
	table_age(&table, 2 * TICK + TABLE_SECOND_NS);
	assert_false(TAILQ_EMPTY(&table.active));
	table_age(&table, 3 * TICK + TABLE_SECOND_NS);
	assert_true(TAILQ_EMPTY(&table.active));
	table_deinit(&table);
}

/*
 * Births, deaths, renames, reused addresses, absurd run times at random: counts
 * stay right (lists are checked by the sanitizers).
 */
static void test_churn(void **state)
{
	bool alive[300] = {};
	struct table table;
	struct table_vm *vm;

	srandom(7);
	table_init(&table);
	vm = table_vm_create(&table, "vm");
	for (u32 round = 1; round < 400; round++) {
		u32 expected = 0;

		table_begin(vm, round * TICK);
		for (u32 pid = 1; pid < 300; pid++) {
			if (random() % 10 == 0)
				alive[pid] = !alive[pid];
			if (!alive[pid])
				continue;
			see(vm, pid, (u64)random() << (random() % 40));
			expected++;
			if (random() % 20 == 0)
				table_stop_add(table_find_pid(vm, pid));
			if (random() % 20 == 0)
				table_classify(table_find_pid(vm, pid),
					       (u64)random() % 4);
		}
		table_sweep(vm);
		table_commit(vm, ACCOUNT_UNIT);
		table_age(&table, round * TICK);
		assert_int_equal(vm->nr, expected);
		if (round % 50 == 0)
			table_declassify(&table);
	}
	assert_non_null(table_vm_create(&table, "other"));
	table_deinit(&table);
	assert_int_equal(table.pool.samples, 0);
}

/* The same process twice in one list (a guest may lie): no harm. */
static void test_doubled(void **state)
{
	struct table table;
	struct table_vm *vm;

	table_init(&table);
	vm = table_vm_create(&table, "vm");
	round_of(vm, TICK, 9, 0, ACCOUNT_UNIT);
	table_begin(vm, 2 * TICK);
	see(vm, 9, MS);
	see(vm, 9, U64_MAX);
	see(vm, 9, 0);
	see(vm, 9, U64_MAX);
	table_sweep(vm);
	table_commit(vm, ACCOUNT_UNIT);
	assert_int_equal(vm->nr, 1);
	table_deinit(&table);
}

static void test_account_alone(void **state)
{
	struct account account;
	u64 host = 1000 * MS;

	account_init(&account);
	for (u32 i = 0; i < 100; i++) {
		/* the two clocks lag each other by up to a tick */
		host += i % 2 ? 14 * MS : 6 * MS;
		assert_int_equal(account_add(&account, host, 10 * MS, 1),
				 ACCOUNT_UNIT);
	}
}

/* The guest charged twice what the host gave: half is true. */
static void test_account_contended(void **state)
{
	struct account account;
	u64 host = 0, true_ns = 0;

	account_init(&account);
	for (u32 i = 0; i < 1000; i++) {
		host += 5 * MS;
		true_ns += account_scaled(10 * MS,
					  account_add(&account, host, 10 * MS, 1));
	}
	assert_in_range(true_ns, 5000 * MS, 5050 * MS);
	/* and when it is alone again, all is true after one window */
	for (u32 i = 0; i < ACCOUNT_WINDOW; i++) {
		host += 10 * MS;
		account_add(&account, host, 10 * MS, 1);
	}
	assert_int_equal(account.scale, ACCOUNT_UNIT);
}

/* A guest that claims ages gets no more than the host gave. */
static void test_account_liar(void **state)
{
	struct account account;
	u64 host = 0, true_ns = 0;

	account_init(&account);
	for (u32 i = 0; i < 100; i++) {
		host += MS;
		true_ns += account_scaled(1ull << 40,
				account_add(&account, host, 1ull << 40, 2));
	}
	/* what came before there was a host figure to compare with */
	true_ns -= 1ull << 40;
	assert_true(true_ns <= 200 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_history_late),
		cmocka_unit_test(test_history_long),
		cmocka_unit_test(test_history_pool),
		cmocka_unit_test(test_baseline_and_birth),
		cmocka_unit_test(test_exec_is_no_birth),
		cmocka_unit_test(test_pid_reuse),
		cmocka_unit_test(test_partial_round),
		cmocka_unit_test(test_endless_births),
		cmocka_unit_test(test_active_list),
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_doubled),
		cmocka_unit_test(test_account_alone),
		cmocka_unit_test(test_account_contended),
		cmocka_unit_test(test_account_liar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
