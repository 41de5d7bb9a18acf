// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DWARF reader: against what compilers make of structures that this file
 * has as well, so that offsetof() is the judge, and against DWARF written by
 * hand that no compiler makes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../guestinfo/types/types.h"
#include "dwarf_maker.h"

/* The same text twice: as definitions, and for the compiler under test. */
#define DEFINITIONS(X) X( \
	struct list { struct list *next, *prev; }; \
	typedef unsigned int u32_alias; \
	typedef const volatile u32_alias qualified; \
	enum flags { CSD_FLAG_LOCK = 1, CSD_TYPE_TTWU = 0x30 }; \
	struct entity { long weight; unsigned long long sum; }; \
	struct task_struct { \
		qualified state; \
		char comm[16]; \
		struct list tasks; \
		unsigned a : 3, b : 7, : 4, c : 1; \
		unsigned long long d : 1, e : 40; \
		union { struct { int pid, tgid; }; long both; }; \
		struct entity se; \
		short matrix[3][5]; \
		void (*func)(int); \
		unsigned char on_cpu; \
		enum flags flags; \
		struct hidden *hidden; \
		struct { int x; } named[2]; \
	}; \
	struct empty { }; \
	struct tail { int len; int data[]; }; \
)

#define DEFINE(...)	__VA_ARGS__
#define TEXT(...)	#__VA_ARGS__
DEFINITIONS(DEFINE)

static int check_member(struct types *types, const char *name,
			const char *path, u64 byte, u64 bytes)
{
	struct type_member member;

	if (types->ops->member(types, name, path, &member) < 0) {
		print_error("%s.%s is not found\n", name, path);
		return -1;
	}
	if (member.bit_offset == byte * 8 && member.width == bytes * 8)
		return 0;
	print_error("%s.%s: bit %llu width %u, expected %llu and %llu\n", name,
		    path, member.bit_offset, member.width, byte * 8, bytes * 8);
	return -1;
}

#define CHECK(types, strct, member) \
	assert_int_equal(check_member(types, #strct, #member, \
				      offsetof(struct strct, member), \
				      sizeof(((struct strct *)0)->member)), 0)

/* A bitfield's place: where bits change in memory when it is set to ones. */
#define CHECK_BITS(types, strct, name) do { \
	struct strct check_value; \
	memset(&check_value, 0, sizeof(check_value)); \
	check_value.name = ~check_value.name; \
	check_bits(types, #strct, #name, (u8 *)&check_value, \
		   sizeof(check_value)); \
} while (0)

static void check_bits(struct types *types, const char *name,
		       const char *path, const u8 *bytes, size_t len)
{
	struct type_member member;
	u64 bit, first = 0;
	u32 width = 0;

	for (bit = 0; bit < len * 8; bit++) {
		if (!(bytes[bit / 8] >> bit % 8 & 1))
			continue;
		first = width ? first : bit;
		width++;
	}
	assert_int_equal(types->ops->member(types, name, path, &member), 0);
	assert_int_equal(member.bit_offset, first);
	assert_int_equal(member.width, width);
}

static void check_all(struct types *types)
{
	u64 value;

	CHECK(types, task_struct, state);
	CHECK(types, task_struct, comm);
	CHECK(types, task_struct, tasks);
	CHECK(types, task_struct, tasks.prev);
	CHECK(types, task_struct, pid);
	CHECK(types, task_struct, tgid);
	CHECK(types, task_struct, both);
	CHECK(types, task_struct, se.sum);
	CHECK(types, task_struct, matrix);
	CHECK(types, task_struct, func);
	CHECK(types, task_struct, on_cpu);
	CHECK(types, task_struct, flags);
	CHECK(types, task_struct, hidden);
	CHECK(types, task_struct, named);
	CHECK_BITS(types, task_struct, a);
	CHECK_BITS(types, task_struct, b);
	CHECK_BITS(types, task_struct, c);
	CHECK_BITS(types, task_struct, d);
	CHECK_BITS(types, task_struct, e);
	assert_int_equal(check_member(types, "tail", "data", 4, 0), 0);
	assert_int_equal(types->ops->size(types, "task_struct", &value), 0);
	assert_int_equal(value, sizeof(struct task_struct));
	assert_int_equal(types->ops->size(types, "empty", &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(types->ops->constant(types, "CSD_TYPE_TTWU", &value),
			 0);
	assert_int_equal(value, 0x30);
}

static void check_absent(struct types *types)
{
	struct type_member member;
	u64 value;

	assert_int_equal(types->ops->member(types, "task_struct", "none",
					    &member), -ENOENT);
	assert_int_equal(types->ops->member(types, "task_struct", "pid.x",
					    &member), -ENOENT);
	assert_int_equal(types->ops->member(types, "task_struct", "hidden.x",
					    &member), -ENOENT);
	assert_int_equal(types->ops->member(types, "hidden", "x", &member),
			 -ENOENT);
	assert_int_equal(types->ops->size(types, "nowhere", &value), -ENOENT);
	assert_int_equal(types->ops->constant(types, "CSD_TYPE", &value),
			 -ENOENT);
}

/* Compile the definitions. Return: a descriptor of the object file. */
static int compile(const char *compiler, const char *options)
{
	char path[] = "/tmp/monarch-dwarf.XXXXXX";
	char command[256];
	FILE *pipe;
	int fd;

	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	snprintf(command, sizeof(command),
		 "%s -g %s -x c -c -o %s -", compiler, options, path);
	pipe = popen(command, "w");
	assert_non_null(pipe);
	fputs(DEFINITIONS(TEXT) "struct task_struct task; struct list list;"
	      "struct empty empty; struct tail tail; enum flags flags;", pipe);
	assert_int_equal(pclose(pipe), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void check_compiler(const char *compiler, const char *options)
{
	struct types *types;
	int fd;

	fd = compile(compiler, options);
	assert_int_equal(types_dwarf_create(fd, &types), 0);
	assert_int_equal(types->source, MONARCH_SOURCE_DWARF);
	check_all(types);
	check_absent(types);
	types_destroy(types);
	close(fd);
}

static void test_gcc(void **state)
{
	static const char *const options[] = {
		"-gdwarf-2 -gstrict-dwarf", "-gdwarf-3 -gstrict-dwarf",
		"-gdwarf-4", "-gdwarf-4 -gstrict-dwarf", "-gdwarf-5", "-gz=zlib",
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		check_compiler("gcc", options[i]);
}

static void test_clang(void **state)
{
	check_compiler("clang", "-gdwarf-4");
	check_compiler("clang", "-gdwarf-5");
}

/* By hand. */

static struct dwarf_maker dwarf;
static int dwarf_fd;

static struct types *open_made(void)
{
	struct types *types;

	dwarf_fd = dwarf_finish_fd(&dwarf);
	assert_int_equal(types_dwarf_create(dwarf_fd, &types), 0);
	return types;
}

static void close_made(struct types *types)
{
	types_destroy(types);
	close(dwarf_fd);
}

static int look(struct types *types, const char *path)
{
	struct type_member member;

	return types->ops->member(types, "s", path, &member);
}

static void expect_look(const char *path, int expected)
{
	struct types *types = open_made();

	assert_int_equal(look(types, path), expected);
	close_made(types);
}

static void test_by_hand(void **state)
{
	struct type_member member;
	unsigned int word;
	struct types *types;

	dwarf_start(&dwarf);
	die(&dwarf, DECLARED);
	info_text(&dwarf, "s");
	word = die_sized(&dwarf, BASE, 4);
	die_struct(&dwarf, "s", 16);
	die_member(&dwarf, "x", word, 4);
	die_end(&dwarf);
	types = open_made();
	assert_int_equal(types->ops->member(types, "s", "x", &member), 0);
	assert_int_equal(member.bit_offset, 32);
	assert_int_equal(member.width, 32);
	close_made(types);
}

static void test_only_declared(void **state)
{
	dwarf_start(&dwarf);
	die(&dwarf, DECLARED);
	info_text(&dwarf, "s");
	expect_look("x", -ENOENT);
}

static void test_member_outside(void **state)
{
	unsigned int word;

	dwarf_start(&dwarf);
	word = die_sized(&dwarf, BASE, 4);
	die_struct(&dwarf, "s", 4);
	die_member(&dwarf, "x", word, 1);
	die_end(&dwarf);
	expect_look("x", -EUCLEAN);

	dwarf_start(&dwarf);
	word = die_sized(&dwarf, BASE, 4);
	die_struct(&dwarf, "s", 4);
	die_member(&dwarf, "x", word, ~0ull);
	die_end(&dwarf);
	expect_look("x", -EUCLEAN);
}

static void test_bad_references(void **state)
{
	static const unsigned int targets[] = {
		0, 1, UNIT_HEADER, 5000, 0x7fffffff, ~0u,
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		dwarf_start(&dwarf);
		die_struct(&dwarf, "s", 4);
		die_member(&dwarf, "x", targets[i], 0);
		die_end(&dwarf);
		expect_look("x", -EUCLEAN);
	}
	dwarf_start(&dwarf);
	die_struct(&dwarf, "s", 4);
	die(&dwarf, UNTYPED_MEMBER);
	info_text(&dwarf, "x");
	info_udata(&dwarf, 0);
	die_end(&dwarf);
	expect_look("x", -EUCLEAN);
}

static void test_typedef_cycle(void **state)
{
	unsigned int self;

	dwarf_start(&dwarf);
	self = dwarf.len;
	die_typed(&dwarf, TYPEDEF, self);
	die_struct(&dwarf, "s", 4);
	die_member(&dwarf, "x", self, 0);
	die_end(&dwarf);
	expect_look("x", -EUCLEAN);
}

static void test_array_cycle(void **state)
{
	unsigned int self;

	dwarf_start(&dwarf);
	self = dwarf.len;
	die_typed(&dwarf, ARRAY, self);
	die(&dwarf, SUBRANGE);
	info_udata(&dwarf, 0);
	die_end(&dwarf);
	die_struct(&dwarf, "s", 4);
	die_member(&dwarf, "x", self, 0);
	die_end(&dwarf);
	expect_look("x", -EUCLEAN);
}

static void test_array_overflow(void **state)
{
	unsigned int word, array;
	int i;

	dwarf_start(&dwarf);
	word = die_sized(&dwarf, BASE, 4);
	array = die_typed(&dwarf, ARRAY, word);
	for (i = 0; i < 4; i++) {
		die(&dwarf, SUBRANGE);
		info_udata(&dwarf, 0xfffffffeu);
	}
	die_end(&dwarf);
	die_struct(&dwarf, "s", 4);
	die_member(&dwarf, "x", array, 0);
	die_end(&dwarf);
	expect_look("x", -EUCLEAN);
}

/* A structure that holds itself, without a name. */
static void test_self_containing(void **state)
{
	unsigned int self;
	int i;

	dwarf_start(&dwarf);
	self = die_struct(&dwarf, "s", 4);
	for (i = 0; i < 3; i++)
		die_member(&dwarf, "", self, 4);
	die_end(&dwarf);
	expect_look("x", -EUCLEAN);
}

/* Each level holds the next twice: 2^40 members, if one visits them all. */
static void test_exponential(void **state)
{
	unsigned int next;
	int i;

	dwarf_start(&dwarf);
	next = die_sized(&dwarf, ANON_STRUCT, 4);
	die_end(&dwarf);
	for (i = 0; i < 40; i++) {
		unsigned int self = die_sized(&dwarf, UNION, 4);

		die_member(&dwarf, "", next, 0);
		die_member(&dwarf, "", next, 0);
		die_end(&dwarf);
		next = self;
	}
	die_struct(&dwarf, "s", 4);
	die_member(&dwarf, "", next, 0);
	die_end(&dwarf);
	expect_look("x", -EUCLEAN);
}

/* DW_AT_sibling that points to itself, backwards, and outside. */
static void test_sibling_cycle(void **state)
{
	static const unsigned int targets[] = { 0, UNIT_HEADER, 5000, ~0u };
	unsigned int self, i;

	for (i = 0; i <= ARRAY_SIZE(targets); i++) {
		dwarf_start(&dwarf);
		die_sized(&dwarf, BASE, 4);
		self = die(&dwarf, STRUCT_SIBLING);
		info_text(&dwarf, "trap");
		info_udata(&dwarf, 4);
		info_u32(&dwarf, i < ARRAY_SIZE(targets) ? targets[i] : self);
		die_end(&dwarf);
		expect_look("x", -EUCLEAN);
	}
}

static void test_old_bitfields(void **state)
{
	static const struct {
		unsigned int bits, offset, storage;
		int expected;
	} cases[] = {
		{ 3, 29, 4, 0 }, { 3, 30, 4, -EUCLEAN }, { 0, 0, 4, -EUCLEAN },
		{ 200, 0, 4, -EUCLEAN }, { 3, 0xffffffff, 4, -EUCLEAN },
		{ 3, 0, 0, -EUCLEAN }, { 3, 0, 0xffffffff, -EUCLEAN },
	};
	unsigned int word, i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		dwarf_start(&dwarf);
		word = die_sized(&dwarf, BASE, 4);
		die_struct(&dwarf, "s", 4);
		die(&dwarf, OLD_BITFIELD);
		info_text(&dwarf, "x");
		info_u32(&dwarf, word);
		info_udata(&dwarf, 0);
		info_udata(&dwarf, cases[i].bits);
		info_udata(&dwarf, cases[i].offset);
		info_udata(&dwarf, cases[i].storage);
		die_end(&dwarf);
		expect_look("x", cases[i].expected);
	}
}

/* Locations as expressions: only DW_OP_plus_uconst with a whole number. */
static void test_location_blocks(void **state)
{
	static const struct {
		u8 len, block[12];
		int expected;
	} cases[] = {
		{ 2, { DW_OP_plus_uconst, 4 }, 0 },
		{ 3, { DW_OP_plus_uconst, 0x84, 0 }, 0 },
		{ 2, { DW_OP_plus_uconst, 0x84 }, -EUCLEAN },
		{ 1, { DW_OP_plus_uconst }, -EUCLEAN },
		{ 0, { 0 }, -EUCLEAN },
		{ 2, { DW_OP_lit4, 4 }, -EUCLEAN },
		{ 12, { DW_OP_plus_uconst, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
			0x80, 0x80, 0x80, 0x80, 1 }, -EUCLEAN },
	};
	unsigned int word, i, byte;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		dwarf_start(&dwarf);
		word = die_sized(&dwarf, BASE, 4);
		die_struct(&dwarf, "s", 8);
		die(&dwarf, BLOCK_MEMBER);
		info_text(&dwarf, "x");
		info_u32(&dwarf, word);
		info_byte(&dwarf, cases[i].len);
		for (byte = 0; byte < cases[i].len; byte++)
			info_byte(&dwarf, cases[i].block[byte]);
		die_end(&dwarf);
		expect_look("x", cases[i].expected);
	}
}

static void test_pointer_without_size(void **state)
{
	struct type_member member;
	struct types *types;
	unsigned int pointer;

	dwarf_start(&dwarf);
	pointer = die(&dwarf, POINTER);
	die_struct(&dwarf, "s", 8);
	die_member(&dwarf, "x", pointer, 0);
	die_end(&dwarf);
	types = open_made();
	assert_int_equal(types->ops->member(types, "s", "x", &member), 0);
	assert_int_equal(member.width, 64);
	close_made(types);
}

static void test_no_dwarf(void **state)
{
	struct elf_part part = {
		".text", "x", 1, { .sh_type = SHT_PROGBITS },
	};
	struct types *types;
	int fd;

	fd = elf_make(&part, 1);
	assert_int_equal(types_dwarf_create(fd, &types), -ENOENT);
	close(fd);
	fd = memfd_create("text", MFD_CLOEXEC);
	elf_write(fd, "no ELF file at all", 18, 0);
	assert_true(types_dwarf_create(fd, &types) < 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gcc),
		cmocka_unit_test(test_clang),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_only_declared),
		cmocka_unit_test(test_member_outside),
		cmocka_unit_test(test_bad_references),
		cmocka_unit_test(test_typedef_cycle),
		cmocka_unit_test(test_array_cycle),
		cmocka_unit_test(test_array_overflow),
		cmocka_unit_test(test_self_containing),
		cmocka_unit_test(test_exponential),
		cmocka_unit_test(test_sibling_cycle),
		cmocka_unit_test(test_old_bitfields),
		cmocka_unit_test(test_location_blocks),
		cmocka_unit_test(test_pointer_without_size),
		cmocka_unit_test(test_no_dwarf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
