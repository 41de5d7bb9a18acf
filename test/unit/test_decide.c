// SPDX-License-Identifier: GPL-2.0-only
/* decide() is pure: tables in, stop sets out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../../daemon/account.h"
#include "../../daemon/decide.h"

#define MS 1000000ull
#define TICK (10 * MS)
#define INDEXER BIT_ULL(0)
#define SERVER BIT_ULL(1)

/* decide() takes its memory from here. */
static bool no_memory;

void *reallocarray(void *old, size_t nr, size_t size)
{
	if (no_memory) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, nr * size);
}

/* Two VMs: an indexer (pid 10) here, a server (pid 20) and a bystander there. */
struct world {
	struct table table;
	struct table_vm *one, *two;
	struct policies policies;
	struct decision decision;
	u64 now_ns;
	u64 runtime_ns[64];
};

static void world_see(struct world *world, struct table_vm *vm, u32 pid,
		      u32 flags)
{
	struct gi_process process = {
		.task = 0xffff888000000000ull + pid * 4096ull,
		.start_time = pid,
		.pid = pid,
		.flags = flags,
		.runtime_ns = world->runtime_ns[pid],
	};

	assert_int_equal(table_see(vm, &process), 0);
}

static void world_classify(struct world *world)
{
	table_classify(table_find_pid(world->one, 1), INDEXER);
	table_classify(table_find_pid(world->one, 10), INDEXER);
	table_classify(table_find_pid(world->one, 11), INDEXER);
	table_classify(table_find_pid(world->two, 20), SERVER);
}

static void world_decide(struct world *world)
{
	assert_int_equal(decide(&world->table, &world->policies,
				world->decision.verdicts, world->now_ns,
				&world->decision), 0);
}

/* One quantum passes, in which @pid used @ns. */
static void world_tick(struct world *world, u32 pid, u64 ns)
{
	world->now_ns += TICK;
	world->runtime_ns[pid] += ns;
	table_begin(world->one, world->now_ns);
	world_see(world, world->one, 1, 0);
	world_see(world, world->one, 2, GI_PF_KTHREAD);
	world_see(world, world->one, 10, 0);
	world_see(world, world->one, 11, GI_PF_KTHREAD);
	table_sweep(world->one);
	table_commit(world->one, ACCOUNT_UNIT);
	table_begin(world->two, world->now_ns);
	world_see(world, world->two, 20, 0);
	world_see(world, world->two, 21, 0);
	table_sweep(world->two);
	table_commit(world->two, ACCOUNT_UNIT);
	world_classify(world);
	world_decide(world);
}

static struct world *world_create(u64 during)
{
	struct world *world = calloc(1, sizeof(*world));

	table_init(&world->table);
	world->one = table_vm_create(&world->table, "one");
	world->two = table_vm_create(&world->table, "two");
	world->policies.nr_policies = 1;
	world->policies.nr_sets = 2;
	world->policies.policies[0] = (struct policy){
		.type = POLICY_IDLE,
		.quantum_ns = TICK,
		.period_ns = 10 * TICK,
		.threshold_ppm = 50000,
		.quiet_ns = 100 * MS,
		.stop = INDEXER,
		.during = during,
	};
	for (u32 i = 0; i < 20; i++)
		world_tick(world, 0, 0);
	return world;
}

static void world_destroy(struct world *world)
{
	decision_deinit(&world->decision);
	table_deinit(&world->table);
	free(world);
}

static bool holds(const struct world *world, u32 pid)
{
	for (u32 i = 0; i < world->decision.nr_wanted; i++)
		if (world->decision.wanted[i].proc->now.pid == pid)
			return true;
	return false;
}

static void test_idle_runs(void **state)
{
	struct world *world = world_create(SERVER);

	for (u32 i = 0; i < 50; i++) {
		world_tick(world, 10, 10 * MS);
		assert_int_equal(world->decision.nr_wanted, 0);
	}
	world_destroy(world);
}

/* Over the threshold: stopped in that very quantum; quiet again: resumed. */
static void test_busy_stops(void **state)
{
	struct world *world = world_create(SERVER);
	u32 quanta = 0;

	world_tick(world, 20, 5 * MS);
	assert_false(holds(world, 10));	/* exactly 5 %: not more */
	world_tick(world, 20, 1);
	assert_true(holds(world, 10));
	assert_int_equal(world->decision.verdicts[0].used_ns, 5 * MS + 1);
	assert_int_equal(world->decision.verdicts[0].limit_ns, 5 * MS);
	while (holds(world, 10) && quanta++ < 100)
		world_tick(world, 0, 0);
	/* the window empties of the 5 ms, then 100 ms of quiet */
	assert_in_range(quanta, 17, 20);
	world_destroy(world);
}

/*
 * A VM that is read once a second, with a server that uses 1 % of a CPU: its
 * 10 ms were not used in the last 100 ms.
 */
static void test_rarely_read(void **state)
{
	struct world *world = world_create(SERVER);

	for (u32 second = 1; second <= 5; second++) {
		for (u32 i = 1; i < 100; i++) {
			world->now_ns += TICK;
			world_decide(world);
			assert_false(holds(world, 10));
		}
		world_tick(world, 20, 10 * MS);
		assert_false(holds(world, 10));
	}
	/* half a CPU is as much in any window */
	for (u32 i = 1; i < 100; i++)
		world->now_ns += TICK;
	world_tick(world, 20, 500 * MS);
	assert_true(holds(world, 10));
	world_destroy(world);
}

/* Never pid 1 and kernel threads, although the set has them. */
static void test_never_stopped(void **state)
{
	struct world *world = world_create(SERVER);

	world_tick(world, 20, 10 * MS);
	assert_int_equal(world->decision.nr_wanted, 1);
	assert_false(holds(world, 1));
	assert_false(holds(world, 11));
	world_destroy(world);
}

/* Without While=, any other user process counts; kernel threads do not. */
static void test_all_others(void **state)
{
	struct world *world = world_create(0);

	for (u32 i = 0; i < 20; i++) {
		world_tick(world, 2, 10 * MS);
		assert_false(holds(world, 10));
	}
	world_tick(world, 21, 10 * MS);
	assert_true(holds(world, 10));
	world_destroy(world);
}

/* With While=, a bystander's work does not matter. */
static void test_bystander(void **state)
{
	struct world *world = world_create(SERVER);

	for (u32 i = 0; i < 20; i++) {
		world_tick(world, 21, 10 * MS);
		assert_false(holds(world, 10));
	}
	world_destroy(world);
}

/* A process runs only if no policy stops it; the first that does is named. */
static void test_two_policies(void **state)
{
	struct world *world = world_create(SERVER);
	struct policy *policies = world->policies.policies;

	policies[1] = policies[0];
	policies[1].threshold_ppm = 500000;
	world->policies.nr_policies = 2;
	world_tick(world, 20, 10 * MS);
	assert_true(holds(world, 10));
	assert_int_equal(world->decision.wanted[0].policy, 0);
	/* in the other order: same processes */
	policies[0].threshold_ppm = 500000;
	policies[1].threshold_ppm = 50000;
	memset(world->decision.verdicts, 0, sizeof(world->decision.verdicts));
	world_tick(world, 20, 10 * MS);
	assert_int_equal(world->decision.nr_wanted, 1);
	assert_true(holds(world, 10));
	assert_int_equal(world->decision.wanted[0].policy, 1);
	world_destroy(world);
}

/* Same input, same output; input untouched. */
static void test_pure(void **state)
{
	struct world *world = world_create(0);
	struct verdict before[POLICY_MAX];
	struct decision again = {};

	for (u32 i = 0; i < 200; i++) {
		memcpy(before, world->decision.verdicts, sizeof(before));
		world_tick(world, i % 3 ? 21 : 10, i % 7 * MS);
		assert_int_equal(decide(&world->table, &world->policies, before,
					world->now_ns, &again), 0);
		assert_int_equal(again.verdicts[0].hold,
				 world->decision.verdicts[0].hold);
		assert_int_equal(again.verdicts[0].busy_ns,
				 world->decision.verdicts[0].busy_ns);
		assert_int_equal(again.verdicts[0].used_ns,
				 world->decision.verdicts[0].used_ns);
		assert_int_equal(again.nr_wanted, world->decision.nr_wanted);
	}
	decision_deinit(&again);
	world_destroy(world);
}

/* Without memory nothing is decided, and what was decided before is as it was. */
static void test_no_memory(void **state)
{
	struct world *world = world_create(SERVER);
	struct decision before;

	world_tick(world, 20, 10 * MS);
	assert_int_equal(world->decision.nr_wanted, 1);
	for (u32 pid = 31; pid < 64; pid++) {
		world_see(world, world->one, pid, 0);
		table_classify(table_find_pid(world->one, pid), INDEXER);
	}
	before = world->decision;
	no_memory = true;
	assert_int_equal(decide(&world->table, &world->policies,
				before.verdicts, world->now_ns,
				&world->decision), -ENOMEM);
	no_memory = false;
	assert_memory_equal(&world->decision, &before, sizeof(before));
	world_decide(world);
	assert_int_equal(world->decision.nr_wanted, 34);
	world_destroy(world);
}

static void test_no_policy(void **state)
{
	struct world *world = world_create(0);

	world->policies.nr_policies = 0;
	world_tick(world, 21, 10 * MS);
	assert_int_equal(world->decision.nr_wanted, 0);
	world_destroy(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle_runs),
		cmocka_unit_test(test_busy_stops),
		cmocka_unit_test(test_rarely_read),
		cmocka_unit_test(test_never_stopped),
		cmocka_unit_test(test_all_others),
		cmocka_unit_test(test_bystander),
		cmocka_unit_test(test_two_policies),
		cmocka_unit_test(test_pure),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_no_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
