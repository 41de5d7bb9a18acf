// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading the module's table, against a fake module: memory with a table in it
 * that lies in each way it could, or is rewritten by a thread all the time.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../daemon/kernel_spaces.h"
#include "../../daemon/kernel_table.h"
#include "../../daemon/snapshot.h"

#define PROCESSES	64
#define THREADS		128
#define VCPUS		2
#define READS		2000
#define KHZ		2000000u	/* two cycles are a nanosecond */

/* What monarch.ko would have made, and nothing of monarch.ko. */
struct fake_module {
	struct monarch_table head;
	struct monarch_vcpu vcpus[VCPUS];
	struct {
		struct monarch_process processes[PROCESSES];
		struct monarch_thread threads[THREADS];
	} snapshots[2];
	pthread_t thread;
	atomic_bool stopping;
};

static struct fake_module *fake_create(void)
{
	struct fake_module *fake = calloc(1, sizeof(*fake));

	fake->head = (struct monarch_table){
		.abi = MONARCH_ABI,
		.table_size = sizeof(*fake),
		.vcpus_offset = offsetof(struct fake_module, vcpus),
		.vcpu_stride = sizeof(struct monarch_vcpu),
		.snapshots = { offsetof(struct fake_module, snapshots[0]),
			       offsetof(struct fake_module, snapshots[1]) },
		.threads_offset = sizeof(fake->snapshots[0].processes),
		.max_vcpus = VCPUS,
		.max_processes = PROCESSES,
		.max_threads = THREADS,
		.tsc_khz = KHZ,
		.nr_vcpus = VCPUS,
		.nr_processes = 2,
		.nr_threads = 3,
		.complete = 1,
		.sequence = 1,
	};
	fake->snapshots[0].processes[1].pid = 7;
	fake->snapshots[0].threads[2].process = 1;
	return fake;
}

static struct kernel_table fake_table(const struct fake_module *fake)
{
	struct kernel_table table;

	assert_int_equal(kernel_table_init(&table, fake, sizeof(*fake)), 0);
	return table;
}

static void test_read(void **state)
{
	struct fake_module *fake = fake_create();
	struct kernel_table table = fake_table(fake);
	struct gi_snapshot snapshot = {};
	struct monarch_table head;

	fake->head.restarts = 5;
	assert_int_equal(kernel_table_read(&table, &snapshot, &head), 0);
	assert_int_equal(snapshot.nr_processes, 2);
	assert_int_equal(snapshot.nr_threads, 3);
	assert_int_equal(snapshot.processes[1].pid, 7);
	assert_int_equal(snapshot.threads[2].process, 1);
	assert_int_equal(snapshot.restarts, 5);
	assert_true(snapshot.complete);
	assert_int_equal(head.sequence, 1);
	/* the other half, published by a flip */
	fake->snapshots[1].processes[0].pid = 9;
	fake->head.active = 1;
	fake->head.nr_processes = 1;
	fake->head.nr_threads = 0;
	fake->head.complete = 0;
	fake->head.seq += 2;
	assert_int_equal(kernel_table_read(&table, &snapshot, &head), 0);
	assert_int_equal(snapshot.nr_processes, 1);
	assert_int_equal(snapshot.processes[0].pid, 9);
	assert_false(snapshot.complete);
	snapshot_deinit(&snapshot);
	free(fake);
}

/* Under an odd seq nothing is believed, however long it takes. */
static void test_odd(void **state)
{
	struct fake_module *fake = fake_create();
	struct kernel_table table = fake_table(fake);
	struct gi_snapshot snapshot = {};
	struct monarch_table head;
	struct monarch_vcpu vcpu;

	fake->head.seq = 3;
	assert_int_equal(kernel_table_head(&table, &head), -EAGAIN);
	assert_int_equal(kernel_table_read(&table, &snapshot, &head), -EAGAIN);
	fake->vcpus[1].seq = 1;
	assert_int_equal(kernel_table_vcpu(&table, 0, &vcpu), 0);
	assert_int_equal(kernel_table_vcpu(&table, 1, &vcpu), -EAGAIN);
	assert_int_equal(kernel_table_vcpu(&table, VCPUS, &vcpu), -ENOENT);
	snapshot_deinit(&snapshot);
	free(fake);
}

static void test_nothing_yet(void **state)
{
	struct fake_module *fake = fake_create();
	struct kernel_table table = fake_table(fake);
	struct gi_snapshot snapshot = {};
	struct monarch_table head;

	fake->head.sequence = 0;
	assert_int_equal(kernel_table_read(&table, &snapshot, &head), -ENODATA);
	snapshot_deinit(&snapshot);
	free(fake);
}

/* Each of these heads says of itself what cannot be. */
static void test_lying_layouts(void **state)
{
	static const struct {
		size_t at;
		u32 width;
		u64 value;
		int error;
	} lies[] = {
#define LIE(member, value, error) \
	{ offsetof(struct monarch_table, member), \
	  sizeof(((struct monarch_table *)0)->member), value, error }
		LIE(abi, MONARCH_ABI + 1, -EPROTO),
		LIE(table_size, sizeof(struct fake_module) + 1, -EUCLEAN),
		LIE(vcpus_offset, sizeof(struct fake_module), -EUCLEAN),
		LIE(vcpus_offset, 4, -EUCLEAN),
		LIE(vcpus_offset, ~7ull, -EUCLEAN),
		LIE(vcpu_stride, sizeof(struct monarch_vcpu) - 8, -EUCLEAN),
		LIE(vcpu_stride, 1ull << 63, -EUCLEAN),
		LIE(vcpu_stride, ~7ull, -EUCLEAN),
		LIE(snapshots[0], sizeof(struct fake_module) - 8, -EUCLEAN),
		LIE(snapshots[1], ~7ull, -EUCLEAN),
		LIE(snapshots[1], 3, -EUCLEAN),
		LIE(threads_offset, sizeof(struct fake_module), -EUCLEAN),
		LIE(threads_offset, ~7ull, -EUCLEAN),
		LIE(max_vcpus, MONARCH_VCPUS_MAX, -EUCLEAN),
		LIE(max_vcpus, U32_MAX, -EUCLEAN),
		LIE(max_processes, U32_MAX, -EUCLEAN),
		LIE(max_processes, MONARCH_PROCESSES_MAX, -EUCLEAN),
		LIE(max_threads, U32_MAX, -EUCLEAN),
		LIE(max_threads, MONARCH_THREADS_MAX, -EUCLEAN),
		LIE(tsc_khz, 0, -EUCLEAN),
#undef LIE
	};

	for (u32 i = 0; i < ARRAY_SIZE(lies); i++) {
		struct fake_module *fake = fake_create();
		struct kernel_table table;

		memcpy((u8 *)&fake->head + lies[i].at, &lies[i].value,
		       lies[i].width);
		assert_int_equal(kernel_table_init(&table, fake, sizeof(*fake)),
				 lies[i].error);
		free(fake);
	}
}

static void test_too_short(void **state)
{
	struct fake_module *fake = fake_create();
	struct kernel_table table;

	assert_int_equal(kernel_table_init(&table, fake,
					   sizeof(fake->head) - 1), -EUCLEAN);
	assert_int_equal(kernel_table_init(&table, fake, sizeof(*fake) - 1),
			 -EUCLEAN);
	free(fake);
}

/* What was good when it was opened is not trusted to stay so. */
static void test_lying_counts(void **state)
{
	struct fake_module *fake = fake_create();
	struct kernel_table table = fake_table(fake);
	struct gi_snapshot snapshot = {};
	struct monarch_table head;

	fake->head.nr_processes = PROCESSES + 1;
	assert_int_equal(kernel_table_read(&table, &snapshot, &head), -EUCLEAN);
	fake->head.nr_processes = 2;
	fake->head.nr_threads = U32_MAX;
	assert_int_equal(kernel_table_read(&table, &snapshot, &head), -EUCLEAN);
	fake->head.nr_threads = 3;
	fake->head.active = 2;
	assert_int_equal(kernel_table_read(&table, &snapshot, &head), -EUCLEAN);
	fake->head.active = 0;
	fake->snapshots[0].threads[1].process = 2;
	assert_int_equal(kernel_table_read(&table, &snapshot, &head), -EUCLEAN);
	/* places that moved since are not followed */
	fake->snapshots[0].threads[1].process = 0;
	fake->head.snapshots[0] = ~0ull;
	fake->head.max_processes = U32_MAX;
	assert_int_equal(kernel_table_read(&table, &snapshot, &head), 0);
	assert_int_equal(snapshot.processes[1].pid, 7);
	snapshot_deinit(&snapshot);
	free(fake);
}

/* ---- a module at work ---- */

static void fake_begin(u32 *seq)
{
	__atomic_store_n(seq, *seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void fake_end(u32 *seq)
{
	__atomic_store_n(seq, *seq + 1, __ATOMIC_RELEASE);
}

/* All records of one sampling have its number, wherever they are. */
static void fake_fill(struct fake_module *fake, u32 half, u64 number)
{
	for (u32 i = 0; i < PROCESSES; i++)
		fake->snapshots[half].processes[i].runtime_ns = number;
	for (u32 i = 0; i < THREADS; i++)
		fake->snapshots[half].threads[i].runtime_ns = number;
}

static void fake_vcpu(struct monarch_vcpu *vcpu, u64 number)
{
	fake_begin(&vcpu->seq);
	vcpu->guest_cycles = number;
	for (u32 i = 0; i < KERNEL_SPACES; i++)
		vcpu->spaces[i].cycles = number;
	fake_end(&vcpu->seq);
}

/* In turn: a walk into the other half, and a refresh in place. */
static void *fake_run(void *data)
{
	struct fake_module *fake = data;

	for (u64 number = 2; !fake->stopping; number++) {
		bool walk = number & 1;

		if (walk)
			fake_fill(fake, !fake->head.active, number);
		fake_begin(&fake->head.seq);
		if (walk)
			fake->head.active = !fake->head.active;
		else
			fake_fill(fake, fake->head.active, number);
		fake->head.sequence = number;
		fake_end(&fake->head.seq);
		fake_vcpu(&fake->vcpus[0], number);
	}
	return NULL;
}

static void expect_whole(const struct gi_snapshot *snapshot, u64 number)
{
	for (u32 i = 0; i < PROCESSES; i++)
		assert_int_equal(snapshot->processes[i].runtime_ns, number);
	for (u32 i = 0; i < THREADS; i++)
		assert_int_equal(snapshot->threads[i].runtime_ns, number);
}

static void test_torn(void **state)
{
	struct fake_module *fake = fake_create();
	struct kernel_table table = fake_table(fake);
	struct gi_snapshot snapshot = {};
	struct monarch_table head;
	struct monarch_vcpu vcpu;
	u32 whole = 0;

	fake->head.nr_processes = PROCESSES;
	fake->head.nr_threads = THREADS;
	fake_fill(fake, 0, 1);
	assert_int_equal(pthread_create(&fake->thread, NULL, fake_run, fake), 0);
	for (u32 i = 0; i < READS; i++) {
		int error = kernel_table_read(&table, &snapshot, &head);

		assert_true(!error || error == -EAGAIN);
		if (!error)
			expect_whole(&snapshot, head.sequence);
		whole += !error;
		error = kernel_table_vcpu(&table, 0, &vcpu);
		assert_true(!error || error == -EAGAIN);
		for (u32 j = 0; j < KERNEL_SPACES && !error; j++)
			assert_int_equal(vcpu.spaces[j].cycles,
					 vcpu.guest_cycles);
	}
	fake->stopping = true;
	pthread_join(fake->thread, NULL);
	assert_true(whole > 0);
	assert_int_equal(kernel_table_read(&table, &snapshot, &head), 0);
	expect_whole(&snapshot, head.sequence);
	snapshot_deinit(&snapshot);
	free(fake);
}

/* ---- spaces ---- */

static struct monarch_space space(u64 key, u64 cycles, u64 switches)
{
	return (struct monarch_space){
		.key = key, .cycles = cycles, .switches = switches,
	};
}

static u64 space_ns(const struct space_time *times, u32 nr, u64 key)
{
	for (u32 i = 0; i < nr; i++)
		if (times[i].key == key)
			return times[i].ns;
	return 0;
}

static void test_spaces(void **state)
{
	struct monarch_vcpu *record = calloc(1, sizeof(*record));
	struct kernel_vcpu *last = calloc(2, sizeof(*last));
	struct space_time times[4];
	u32 nr = 0;

	record->spaces[0] = space(0x2000, 1000, 1);
	record->spaces[5] = space(0x4000, 600, 1);
	kernel_vcpu_spaces(last, record, 0, KHZ, times, 4, &nr);
	assert_int_equal(nr, 2);
	assert_int_equal(space_ns(times, nr, 0x2000), 500);
	assert_int_equal(space_ns(times, nr, 0x4000), 300);
	/* one moved and ran, the other did not */
	record->spaces[7] = space(0x4000, 700, 2);
	record->spaces[5] = (struct monarch_space){};
	nr = 0;
	kernel_vcpu_spaces(last, record, 0, KHZ, times, 4, &nr);
	assert_int_equal(nr, 1);
	assert_int_equal(space_ns(times, nr, 0x4000), 50);
	/* evicted and back: counts from zero */
	record->spaces[0] = space(0x2000, 40, 0);
	nr = 0;
	kernel_vcpu_spaces(last, record, 0, KHZ, times, 4, &nr);
	assert_int_equal(space_ns(times, nr, 0x2000), 20);
	/* another vCPU adds to the same space; no room drops */
	record->spaces[1] = space(0x8000, 10, 1);
	kernel_vcpu_spaces(last + 1, record, 0, KHZ, times, nr, &nr);
	assert_int_equal(space_ns(times, nr, 0x2000), 40);
	assert_int_equal(space_ns(times, nr, 0x8000), 0);
	free(last);
	free(record);
}

/* What is under way counts, and is not counted again when it has ended. */
static void test_under_way(void **state)
{
	struct monarch_vcpu *record = calloc(1, sizeof(*record));
	struct kernel_vcpu *last = calloc(1, sizeof(*last));
	struct space_time times[4];
	u32 nr = 0;

	record->guest_cycles = 100;
	record->cr3 = 0x2abc;
	record->entry_cycles = 5000;
	record->spaces[0] = space(0x2000, 100, 1);
	assert_int_equal(kernel_vcpu_cycles(record, 5400), 500);
	assert_int_equal(kernel_vcpu_cycles(record, 4000), 100);
	kernel_vcpu_spaces(last, record, 5400, KHZ, times, 4, &nr);
	assert_int_equal(space_ns(times, nr, 0x2000), 250);
	/* it ended a little before we thought, and ran on */
	record->entry_cycles = 0;
	record->spaces[0].cycles = 490;
	nr = 0;
	kernel_vcpu_spaces(last, record, 6000, KHZ, times, 4, &nr);
	assert_int_equal(nr, 0);
	record->spaces[0].cycles = 600;
	kernel_vcpu_spaces(last, record, 6000, KHZ, times, 4, &nr);
	assert_int_equal(space_ns(times, nr, 0x2000), 50);
	free(last);
	free(record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_odd),
		cmocka_unit_test(test_nothing_yet),
		cmocka_unit_test(test_lying_layouts),
		cmocka_unit_test(test_too_short),
		cmocka_unit_test(test_lying_counts),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_spaces),
		cmocka_unit_test(test_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
