// SPDX-License-Identifier: GPL-2.0-only
/* kallsyms in RAM: all five layouts, and what hostile RAM does to the search. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "../../guestinfo/types/kallsyms.h"
#include "kernel_maker.h"

#define NR_WANTED	6

struct state {
	struct maker maker;
	struct symbol wanted[NR_WANTED];
	struct kallsyms_result result;
};

static int setup(void **state)
{
	static const char *const names[NR_WANTED] = {
		"_text", "init_task", "runqueues", "not_there", "linux_banner",
		"doubled",
	};
	struct state *s = calloc(1, sizeof(*s));
	u8 *ram = calloc(1, MAKER_RAM_SIZE);
	u32 i;

	if (!s || !ram)
		return -1;
	maker_init(&s->maker, ram);
	for (i = 0; i < NR_WANTED; i++)
		s->wanted[i].name = names[i];
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	free(s->maker.ram);
	maker_deinit(&s->maker);
	free(s);
	return 0;
}

static int find(struct state *s)
{
	return kallsyms_find(&s->maker.mem, 0, MAKER_RAM_SIZE, s->wanted,
			     NR_WANTED, &s->result);
}

static u64 cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec;
}

static void expect_found(struct state *s)
{
	u64 base = maker_per_cpu_base(&s->maker);

	assert_int_equal(find(s), 0);
	assert_int_equal(s->result.layout, s->maker.layout);
	assert_int_equal(s->result.nr_syms, s->maker.nr_symbols);
	assert_int_equal(s->result.text_gpa, s->maker.text_gpa);
	assert_int_equal(s->result.phys_base, maker_phys_base(&s->maker));
	assert_int_equal(s->result.slide, s->maker.slide);
	assert_true(s->wanted[0].found);
	assert_int_equal(s->wanted[0].address, MAKER_LINKED);
	assert_int_equal(s->wanted[1].address, MAKER_LINKED + MAKER_INIT_TASK);
	assert_true(s->wanted[2].found);
	assert_int_equal(s->wanted[2].address,
			 (base ? base - s->maker.slide : 0) + MAKER_RUNQUEUES);
	assert_false(s->wanted[3].found);
	assert_int_equal(s->wanted[3].address, 0);
}

static void test_layouts(void **state)
{
	struct state *s = *state;

	for (s->maker.layout = 1; s->maker.layout <= 5; s->maker.layout++) {
		memset(s->maker.ram, 0, MAKER_RAM_SIZE);
		maker_make(&s->maker);
		expect_found(s);
	}
}

/* No place in RAM and no slide is special. */
static void test_places(void **state)
{
	struct state *s = *state;
	u64 at;

	for (at = 0; at <= 10ull << 20; at += 2 << 20) {
		s->maker.text_gpa = at;
		s->maker.slide = at * 7 % (900 << 20);
		s->maker.layout = 1 + at / (2 << 20) % 5;
		memset(s->maker.ram, 0, MAKER_RAM_SIZE);
		maker_make(&s->maker);
		expect_found(s);
	}
}

/* What is outside the given part of RAM does not count. */
static void test_bounds(void **state)
{
	struct state *s = *state;
	u64 digits;

	maker_make(&s->maker);
	digits = s->maker.tokens_gpa;
	assert_int_equal(kallsyms_find(&s->maker.mem, 0, digits, s->wanted,
				       NR_WANTED, &s->result), -ENOENT);
	assert_int_equal(kallsyms_find(&s->maker.mem, digits, digits + 4096,
				       s->wanted, NR_WANTED, &s->result), 0);
	assert_int_equal(kallsyms_find(&s->maker.mem, digits + 4096, U64_MAX,
				       s->wanted, NR_WANTED, &s->result),
			 -ENOENT);
}

/* Names whose length takes two bytes, and a local namesake of a global. */
static void test_names(void **state)
{
	struct state *s = *state;
	char name[300];
	u32 global;

	for (global = 0; global < 2; global++) {
		memset(s->maker.ram, 0, MAKER_RAM_SIZE);
		maker_make(&s->maker);
		memset(name, 'n', sizeof(name));
		name[sizeof(name) - 1] = '\0';
		maker_symbol(&s->maker, 'T', name, maker_text(&s->maker) + 16);
		maker_symbol(&s->maker, global ? 'D' : 'd', "doubled",
			     maker_text(&s->maker) + 0x111);
		maker_symbol(&s->maker, global ? 'd' : 'D', "doubled",
			     maker_text(&s->maker) + 0x222);
		maker_kallsyms(&s->maker, s->maker.text_gpa + MAKER_KALLSYMS);
		expect_found(s);
		assert_int_equal(s->wanted[5].address,
				 MAKER_LINKED + (global ? 0x111 : 0x222));
	}
}

/*
 * Tables without their kernel. Their image would start at a page of zeros, in
 * which phys_base is 0; that fits if its address equals its place.
 */
static void test_zero_page(void **state)
{
	struct state *s = *state;
	u64 linked_gpa = MAKER_LINKED - GI_KERNEL_MAP;

	assert_int_equal(linked_gpa, 16 << 20);
	s->maker.slide = (4 << 20) - linked_gpa;	/* phys_base is 0 */
	maker_make(&s->maker);
	assert_int_equal(maker_phys_base(&s->maker), 0);
	memset(s->maker.ram + s->maker.text_gpa, 0, MAKER_KALLSYMS);
	assert_int_equal(find(s), -ENOENT);
	/* The same with its banner is a kernel (one linked low). */
	memcpy(s->maker.ram + s->maker.text_gpa + MAKER_BANNER,
	       "Linux version ", 14);
	assert_int_equal(find(s), 0);
	assert_int_equal(s->result.phys_base, 0);
	assert_int_equal(s->result.slide, 0);
}

/* A stale copy in front, without its variables or without its banner. */
static void test_stale_copy(void **state)
{
	struct state *s = *state;
	u64 banner = MAKER_BANNER, phys_base = MAKER_DATA + DATA_PHYS_BASE;
	u32 i;

	for (i = 0; i < 2; i++) {
		memset(s->maker.ram, 0, MAKER_RAM_SIZE);
		s->maker.text_gpa = 0;
		maker_make(&s->maker);
		s->maker.ram[i ? banner : phys_base + 3] ^= 1;
		s->maker.text_gpa = 8 << 20;
		maker_make(&s->maker);
		expect_found(s);
	}
}

/* RAM that ends anywhere in the tables. */
static void test_truncated(void **state)
{
	struct state *s = *state;
	struct gi_ram_range range = { 0 };
	struct gi_memory mem = { .ranges = &range, .nr_ranges = 1 };
	u32 i;

	for (s->maker.layout = 1; s->maker.layout <= 5; s->maker.layout++) {
		memset(s->maker.ram, 0, MAKER_RAM_SIZE);
		maker_make(&s->maker);
		for (i = 0; i < 15; i++) {
			u64 span = s->maker.tables_end - s->maker.tables_gpa;
			u8 *copy;

			range.size = s->maker.tables_gpa + span * i / 15 + i;
			copy = malloc(range.size);
			memcpy(copy, s->maker.ram, range.size);
			range.hva = copy;
			assert_int_equal(kallsyms_find(&mem, 0, U64_MAX,
						       s->wanted, NR_WANTED,
						       &s->result), -ENOENT);
			free(copy);
		}
	}
}

/* RAM that begins anywhere in the tables. */
static void test_beheaded(void **state)
{
	struct state *s = *state;
	struct gi_ram_range range = { 0 };
	struct gi_memory mem = { .ranges = &range, .nr_ranges = 1 };
	u32 i;

	for (s->maker.layout = 1; s->maker.layout <= 5; s->maker.layout++) {
		memset(s->maker.ram, 0, MAKER_RAM_SIZE);
		maker_make(&s->maker);
		for (i = 0; i < 15; i++) {
			u64 span = s->maker.tables_end - s->maker.tables_gpa;
			u64 cut = s->maker.tables_gpa + span * i / 15 + i;
			u8 *copy = malloc(MAKER_RAM_SIZE - cut);

			memcpy(copy, s->maker.ram + cut, MAKER_RAM_SIZE - cut);
			range.gpa = cut;
			range.size = MAKER_RAM_SIZE - cut;
			range.hva = copy;
			assert_int_equal(kallsyms_find(&mem, 0, U64_MAX,
						       s->wanted, NR_WANTED,
						       &s->result), -ENOENT);
			free(copy);
		}
	}
}

static u32 random_next(u32 *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Damage in the tables: found or not, but only ever the kernel that is there. */
static void test_damaged(void **state)
{
	struct state *s = *state;
	u32 seed = 1, i, j;

	for (i = 0; i < 300; i++) {
		u64 span, at;

		s->maker.layout = 1 + i % 5;
		if (i < 5) {
			memset(s->maker.ram, 0, MAKER_RAM_SIZE);
			maker_make(&s->maker);
		}
		maker_kallsyms(&s->maker, s->maker.tables_gpa);
		span = s->maker.tables_end - s->maker.tables_gpa;
		for (j = 0; j < 1 + i % 7; j++) {
			at = random_next(&seed) % span;
			s->maker.ram[s->maker.tables_gpa + at] =
				random_next(&seed);
		}
		if (find(s) == 0)
			assert_int_equal(s->result.text_gpa, s->maker.text_gpa);
	}
}

/* Everything in RAM looks like the start of something: the budgets end it. */
static void test_garbage_everywhere(void **state)
{
	struct state *s = *state;
	u64 start = cpu_seconds(), at;
	u32 i;

	maker_make(&s->maker);
	/* Runs of markers, long enough to count, in front of the real tokens. */
	for (at = 0; at + 400 < s->maker.tokens_gpa; at += 400)
		for (i = 0; i < 100; i++)
			maker_put_u32(&s->maker, at + 4 * i, i * 600);
	assert_int_equal(find(s), -ENOENT);
	/* A number of symbols that fits the markers, everywhere. */
	for (at = 0; at + 4 < s->maker.tokens_gpa - 8192; at += 4)
		maker_put_u32(&s->maker, at, 25 * 256);
	assert_int_equal(find(s), -ENOENT);
	/* Token tables without anything else. */
	for (at = 0; at + 4096 < MAKER_RAM_SIZE; at += 4096)
		maker_tokens(&s->maker, at);
	assert_int_equal(find(s), -ENOENT);
	/* Digits only. */
	for (at = 0; at + 20 < MAKER_RAM_SIZE; at += 20)
		maker_put(&s->maker, at,
			  "0\0001\0002\0003\0004\0005\0006\0007\0008\0009", 20);
	assert_int_equal(find(s), -ENOENT);
	assert_true(cpu_seconds() - start < 20);
}

/* RAM that is not mapped here, in two ranges, and changes at every look. */
struct remote {
	struct gi_memory mem;
	struct gi_ram_range ranges[2];
	const u8 *ram;
	u32 seed, damage;
	u64 fail_at;
};

static int remote_read(struct gi_memory *mem, u64 gpa, void *buf, u32 len)
{
	struct remote *remote = container_of(mem, struct remote, mem);
	u32 i;

	if (remote->fail_at - gpa < len)
		return -EFAULT;
	memcpy(buf, remote->ram + gpa, len);
	for (i = 0; len && i < remote->damage; i++)
		((u8 *)buf)[random_next(&remote->seed) % len] ^=
			random_next(&remote->seed);
	return 0;
}

static void remote_init(struct remote *remote, const struct maker *maker)
{
	static const struct gi_memory_ops ops = { .read = remote_read };

	memset(remote, 0, sizeof(*remote));
	remote->ranges[0].size = 1 << 20;
	remote->ranges[1].gpa = 1 << 20;
	remote->ranges[1].size = MAKER_RAM_SIZE - (1 << 20);
	remote->mem.ranges = remote->ranges;
	remote->mem.nr_ranges = 2;
	remote->mem.ops = &ops;
	remote->ram = maker->ram;
	remote->fail_at = U64_MAX;
}

static void test_not_mapped(void **state)
{
	struct state *s = *state;
	struct remote remote;
	u32 i;

	maker_make(&s->maker);
	remote_init(&remote, &s->maker);
	assert_int_equal(kallsyms_find(&remote.mem, 0, U64_MAX, s->wanted,
				       NR_WANTED, &s->result), 0);
	assert_int_equal(s->result.text_gpa, s->maker.text_gpa);
	/* One byte that cannot be had, in the tables. */
	remote.fail_at = s->maker.tokens_gpa + 8;
	assert_int_equal(kallsyms_find(&remote.mem, 0, U64_MAX, s->wanted,
				       NR_WANTED, &s->result), -ENOENT);
	remote.fail_at = U64_MAX;
	remote.seed = 1;
	for (i = 0; i < 50; i++) {
		remote.damage = 1 + i % 3;
		if (!kallsyms_find(&remote.mem, 0, U64_MAX, s->wanted,
				   NR_WANTED, &s->result))
			assert_int_equal(s->result.text_gpa, s->maker.text_gpa);
	}
}

static void test_no_ram(void **state)
{
	struct state *s = *state;
	struct gi_ram_range empty[2] = { { .gpa = 0 }, { .gpa = 4096 } };
	struct gi_memory nothing = { 0 };

	assert_int_equal(find(s), -ENOENT);
	nothing.ranges = empty;
	nothing.nr_ranges = 2;
	assert_int_equal(kallsyms_find(&nothing, 0, U64_MAX, s->wanted,
				       NR_WANTED, &s->result), -ENOENT);
	nothing.nr_ranges = 0;
	assert_int_equal(kallsyms_find(&nothing, 0, U64_MAX, s->wanted,
				       NR_WANTED, &s->result), -ENOENT);
}

int main(void)
{
#define CASE(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_layouts),
		CASE(test_places),
		CASE(test_bounds),
		CASE(test_names),
		CASE(test_zero_page),
		CASE(test_stale_copy),
		CASE(test_truncated),
		CASE(test_beheaded),
		CASE(test_damaged),
		CASE(test_garbage_everywhere),
		CASE(test_not_mapped),
		CASE(test_no_ram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
