// SPDX-License-Identifier: GPL-2.0-only
/* Time by address space, told to processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../daemon/account.h"
#include "../../daemon/spaces.h"

#define TICK 10000000ull

static void see(struct table_vm *vm, u32 pid, u64 pgd, u64 runtime_ns)
{
	struct gi_process process = {
		.task = 0xffff888000000000ull + pid * 4096ull,
		.start_time = 1000 + pid,
		.pid = pid,
		.pgd = pgd,
		.nr_threads = 1,
		.runtime_ns = runtime_ns,
	};

	assert_int_equal(table_see(vm, &process), 0);
}

static u64 space_ns(struct table_vm *vm, u32 pid)
{
	return table_find_pid(vm, pid)->space_ns;
}

static void test_owners(void **state)
{
	/* unsorted; PCID and KPTI's half are off, a tag above stays to be taken */
	struct space_time times[] = {
		{ 0x40000, 500 }, { 0x20000 | 1ull << 62, 300 }, { 0x90000, 70 },
	};
	struct table table;
	struct table_vm *vm;

	table_init(&table);
	vm = table_vm_create(&table, "vm");
	table_begin(vm, TICK);
	see(vm, 1, 0x20000, 0);
	see(vm, 2, 0x41000, 0);
	see(vm, 3, 0, 0);	/* a kernel thread */
	see(vm, 4, 0x60000, 0);	/* did not run */
	spaces_charge(vm, times, ARRAY_SIZE(times));
	table_sweep(vm);
	table_commit(vm, ACCOUNT_UNIT);
	assert_int_equal(space_ns(vm, 1), 300);
	assert_int_equal(space_ns(vm, 2), 500);
	assert_int_equal(space_ns(vm, 3), 0);
	assert_int_equal(space_ns(vm, 4), 0);
	assert_int_equal(vm->space_ns, 800);
	assert_int_equal(vm->other_ns, 70);
	table_vm_destroy(vm);
	table_deinit(&table);
}

/* Two roots in one key: by what the guest charged; if nothing, nobody's. */
static void test_shared(void **state)
{
	struct space_time times[1] = { { 0x40000, 900 } };
	struct table table;
	struct table_vm *vm;

	table_init(&table);
	vm = table_vm_create(&table, "vm");
	table_begin(vm, TICK);
	see(vm, 1, 0x40000, 0);
	see(vm, 2, 0x41000, 0);
	table_sweep(vm);
	table_commit(vm, ACCOUNT_UNIT);
	table_begin(vm, 2 * TICK);
	see(vm, 1, 0x40000, 100);
	see(vm, 2, 0x41000, 200);
	spaces_charge(vm, times, 1);
	table_commit(vm, ACCOUNT_UNIT);
	assert_int_equal(space_ns(vm, 1), 300);
	assert_int_equal(space_ns(vm, 2), 600);
	assert_int_equal(vm->other_ns, 0);
	table_begin(vm, 3 * TICK);
	spaces_charge(vm, times, 1);
	table_commit(vm, ACCOUNT_UNIT);
	assert_int_equal(space_ns(vm, 1), 300);
	assert_int_equal(vm->other_ns, 900);
	table_vm_destroy(vm);
	table_deinit(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
