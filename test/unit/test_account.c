// SPDX-License-Identifier: GPL-2.0-only
/* The module's accounting (kmod/account.c), which is pure, in user space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WRITE_ONCE(x, value)	(*(volatile __typeof__(x) *)&(x) = (value))
#define smp_wmb()		__asm__ volatile("" ::: "memory")

#include "../../kmod/account.c"

#define KHZ	1000000ull

static struct account account;
static struct monarch_vcpu record;

static int reset(void **state)
{
	memset(&account, 0, sizeof(account));
	memset(&record, 0, sizeof(record));
	return 0;
}

static void enter(u64 tsc, u64 cr3)
{
	struct account_sight sight = { .tsc = tsc, .cr3 = cr3, .known = true };

	account_enter(&account, &record, &sight);
	assert_int_equal(record.seq % 2, 0);
}

static u64 spaces_sum(void)
{
	u64 sum = 0;

	for (u32 i = 0; i < ARRAY_SIZE(record.spaces); i++)
		sum += record.spaces[i].cycles;
	return sum;
}

static const struct monarch_space *space(u64 key)
{
	for (u32 i = 0; i < ARRAY_SIZE(record.spaces); i++)
		if (record.spaces[i].key == key)
			return &record.spaces[i];
	fail_msg("no address space 0x%llx", key);
	return NULL;
}

static void belongs_to_entry(void **state)
{
	enter(100, 0x2000);
	account_leave(&account, &record, 130, true);
	enter(150, 0x4000);
	account_leave(&account, &record, 157, false);
	enter(160, 0x4000);
	account_leave(&account, &record, 161, false);
	assert_int_equal(record.guest_cycles, 38);
	assert_int_equal(space(0x2000)->cycles, 30);
	assert_int_equal(space(0x4000)->cycles, 8);
	assert_int_equal(record.switches, 2);
	assert_int_equal(space(0x4000)->switches, 1);
	assert_int_equal(record.cr3_exits, 1);
	assert_int_equal(record.entries, 3);
	assert_int_equal(record.exits, 3);
	assert_int_equal(record.entry_cycles, 0);
}

/* PCID and the user half do not make another address space. */
static void key_is_masked(void **state)
{
	enter(0x100, 0x8000000000004fffull & ~BIT_ULL(63));
	account_leave(&account, &record, 0x110, false);
	enter(0x120, 0x5005);
	account_leave(&account, &record, 0x130, false);
	assert_int_equal(space(0x4000)->cycles, 0x20);
	assert_int_equal(record.switches, 1);
}

static void entry_ends_interval(void **state)
{
	enter(100, 0x2000);
	enter(120, 0x4000);
	account_leave(&account, &record, 125, false);
	assert_int_equal(space(0x2000)->cycles, 20);
	assert_int_equal(space(0x4000)->cycles, 5);
}

static void exit_without_entry(void **state)
{
	account_leave(&account, &record, 125, true);
	assert_int_equal(record.exits, 0);
	assert_int_equal(record.guest_cycles, 0);
}

/* A clock that went back (another socket's TSC) costs an interval, not sense. */
static void clock_goes_back(void **state)
{
	enter(100, 0x2000);
	account_leave(&account, &record, 90, false);
	assert_int_equal(record.guest_cycles, 0);
}

static void nested_and_unknown(void **state)
{
	struct account_sight nested = { .tsc = 10, .nested = true };
	struct account_sight unknown = { .tsc = 30 };

	account_enter(&account, &record, &nested);
	account_leave(&account, &record, 15, false);
	account_enter(&account, &record, &unknown);
	account_leave(&account, &record, 37, false);
	assert_int_equal(record.nested_cycles, 5);
	assert_int_equal(record.unknown_cycles, 7);
	assert_int_equal(record.guest_cycles, 12);
	assert_int_equal(spaces_sum(), 0);
}

/* However many address spaces, nothing gets lost. */
static void eviction_adds_up(void **state)
{
	u64 tsc = 1000;

	for (u64 i = 1; i <= 5000; i++) {
		enter(tsc, i << 13);
		tsc += i % 7;
		account_leave(&account, &record, tsc, true);
		tsc += 3;
	}
	assert_true(record.evicted_cycles > 0);
	assert_int_equal(record.guest_cycles,
			 spaces_sum() + record.evicted_cycles);
	assert_int_equal(record.switches, 5000);
}

/* One that is in use stays, whoever else comes and goes. */
static void recent_survives(void **state)
{
	u64 tsc = 1000;

	for (u64 i = 2; i <= 2000; i++) {
		enter(tsc++, 1 << 13);
		account_leave(&account, &record, tsc++, true);
		enter(tsc++, i << 13);
		account_leave(&account, &record, tsc++, true);
	}
	assert_int_equal(space(1 << 13)->cycles, 1999);
}

static void steal_since_attach(void **state)
{
	struct account_sight sight = { .tsc = 10, .run_delay = 1000 };

	account_enter(&account, &record, &sight);
	account_leave(&account, &record, 11, false);
	assert_int_equal(record.steal_ns, 0);
	sight.tsc = 20;
	sight.run_delay = 1500;
	account_enter(&account, &record, &sight);
	assert_int_equal(record.steal_ns, 500);
}

/* Writes 1 us apart: a storm; then a pause, which doubles; then again. */
static void storm_pauses(void **state)
{
	u64 tsc = KHZ, first;
	u32 exits = 0;

	while (!account_storm(&account, tsc, KHZ, 0x2000, 0x4000)) {
		tsc += KHZ / 1000;
		exits++;
		assert_true(exits < 5000);
	}
	assert_true(exits >= 1000);
	assert_false(account_may_trap(&account, tsc));
	first = account.off_until - tsc;
	tsc = account.off_until;
	assert_true(account_may_trap(&account, tsc));
	while (!account_storm(&account, tsc, KHZ, 0x2000, 0x4000))
		tsc += KHZ / 1000;
	assert_int_equal(account.off_until - tsc, 2 * first);
}

static void calm_is_no_storm(void **state)
{
	u64 tsc = KHZ;

	for (u32 i = 0; i < 100000; i++, tsc += KHZ / 10)
		assert_false(account_storm(&account, tsc, KHZ, 0x2000,
					   0x4000));
}

static void kpti_is_a_storm_sooner(void **state)
{
	u64 tsc = KHZ;
	u32 exits = 0;

	while (!account_storm(&account, tsc, KHZ, 0x2001, 0x3801)) {
		tsc += KHZ / 10;
		exits++;
		assert_true(exits < 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(belongs_to_entry, reset),
		cmocka_unit_test_setup(key_is_masked, reset),
		cmocka_unit_test_setup(entry_ends_interval, reset),
		cmocka_unit_test_setup(exit_without_entry, reset),
		cmocka_unit_test_setup(clock_goes_back, reset),
		cmocka_unit_test_setup(nested_and_unknown, reset),
		cmocka_unit_test_setup(eviction_adds_up, reset),
		cmocka_unit_test_setup(recent_survives, reset),
		cmocka_unit_test_setup(steal_since_attach, reset),
		cmocka_unit_test_setup(storm_pauses, reset),
		cmocka_unit_test_setup(calm_is_no_storm, reset),
		cmocka_unit_test_setup(kpti_is_a_storm_sooner, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
