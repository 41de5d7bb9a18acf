// SPDX-License-Identifier: GPL-2.0-only
/*
 * The BTF parser against BTF written here record by record: what compilers
 * make, and what only an enemy makes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <linux/btf.h>
#include <stdlib.h>

#include "../../guestinfo/types/types.h"

#ifndef BTF_KIND_ENUM64
#define BTF_KIND_ENUM64	19
#endif

/* BTF under construction. Type ids count from 1 in order of btf_add(). */
struct maker {
	u8 records[65536];
	u32 records_len;
	char strings[4096];
	u32 strings_len;
	u32 nr;
};

static struct maker maker;

static void maker_reset(void)
{
	memset(&maker, 0, sizeof(maker));
	maker.strings_len = 1;
}

static void put(u32 word)
{
	assert_true(maker.records_len + sizeof(word) <=
		    sizeof(maker.records));
	memcpy(maker.records + maker.records_len, &word, sizeof(word));
	maker.records_len += sizeof(word);
}

static u32 text(const char *name)
{
	u32 at = maker.strings_len;

	if (!*name)
		return 0;
	assert_true(at + strlen(name) < sizeof(maker.strings));
	strcpy(maker.strings + at, name);
	maker.strings_len += strlen(name) + 1;
	return at;
}

static u32 btf_add(const char *name, u32 kind, u32 vlen, u32 size_or_type)
{
	put(text(name));
	put(kind << 24 | vlen);
	put(size_or_type);
	return ++maker.nr;
}

#define KFLAG	0x80u	/* in the kind of btf_add(): bit 31 of info */

static u32 add_int(u32 bytes, u32 bit_offset, u32 bits)
{
	u32 id = btf_add("int", BTF_KIND_INT, 0, bytes);

	put(bit_offset << 16 | bits);
	return id;
}

static u32 add_struct(const char *name, u32 bytes, u32 members)
{
	return btf_add(name, BTF_KIND_STRUCT, members, bytes);
}

static void add_member(const char *name, u32 type, u32 offset)
{
	put(text(name));
	put(type);
	put(offset);
}

static u32 add_array(u32 type, u32 elements)
{
	u32 id = btf_add("", BTF_KIND_ARRAY, 0, 0);

	put(type);
	put(0);
	put(elements);
	return id;
}

/* The finished file, malloc'ed; @header may be patched before use. */
static u8 *maker_file(struct btf_header *header, size_t *ret_len)
{
	size_t len = sizeof(*header) + maker.records_len + maker.strings_len;
	u8 *file = malloc(len);

	memset(header, 0, sizeof(*header));
	header->magic = BTF_MAGIC;
	header->version = BTF_VERSION;
	header->hdr_len = sizeof(*header);
	header->type_len = maker.records_len;
	header->str_off = maker.records_len;
	header->str_len = maker.strings_len;
	memcpy(file, header, sizeof(*header));
	memcpy(file + sizeof(*header), maker.records, maker.records_len);
	memcpy(file + sizeof(*header) + maker.records_len, maker.strings,
	       maker.strings_len);
	*ret_len = len;
	return file;
}

static u8 *open_file;

static struct types *maker_open(void)
{
	struct btf_header header;
	struct types *types;
	size_t len;

	open_file = maker_file(&header, &len);
	assert_int_equal(types_btf_create(open_file, len, &types), 0);
	assert_int_equal(types->source, MONARCH_SOURCE_BTF);
	return types;
}

static int maker_create_error(void)
{
	struct btf_header header;
	struct types *types;
	size_t len;
	u8 *file;
	int r;

	file = maker_file(&header, &len);
	r = types_btf_create(file, len, &types);
	free(file);
	return r;
}

static void maker_close(struct types *types)
{
	assert_null(types_destroy(types));
	free(open_file);
}

static int look(struct types *types, const char *name, const char *path)
{
	struct type_member member;

	return types->ops->member(types, name, path, &member);
}

static void expect_member(struct types *types, const char *name,
			  const char *path, u64 bit_offset, u32 width)
{
	struct type_member member;

	assert_int_equal(types->ops->member(types, name, path, &member), 0);
	assert_int_equal(member.bit_offset, bit_offset);
	assert_int_equal(member.width, width);
}

/* task_struct { u32 pid; u64 *mm; char comm[16]; struct se { u64 sum; } se; } */
static void test_plain(void **state)
{
	u32 u32_id, u64_id, ptr, comm, se, alias;
	struct types *types;
	u64 size;

	maker_reset();
	u32_id = add_int(4, 0, 32);
	u64_id = add_int(8, 0, 64);
	ptr = btf_add("", BTF_KIND_PTR, 0, u64_id);
	comm = add_array(add_int(1, 0, 8), 16);
	alias = btf_add("u64", BTF_KIND_TYPEDEF, 0,
			btf_add("", BTF_KIND_VOLATILE, 0, u64_id));
	se = add_struct("se", 8, 1);
	add_member("sum", alias, 0);
	add_struct("task_struct", 40, 4);
	add_member("pid", u32_id, 0);
	add_member("mm", ptr, 64);
	add_member("comm", comm, 128);
	add_member("se", se, 256);
	types = maker_open();
	expect_member(types, "task_struct", "pid", 0, 32);
	expect_member(types, "task_struct", "mm", 64, 64);
	expect_member(types, "task_struct", "comm", 128, 128);
	expect_member(types, "task_struct", "se", 256, 64);
	expect_member(types, "task_struct", "se.sum", 256, 64);
	expect_member(types, "se", "sum", 0, 64);
	assert_int_equal(look(types, "task_struct", "pi"), -ENOENT);
	assert_int_equal(look(types, "task_struct", "pidx"), -ENOENT);
	assert_int_equal(look(types, "task_struct", "pid.x"), -ENOENT);
	assert_int_equal(look(types, "task_struct", "mm.x"), -ENOENT);
	assert_int_equal(look(types, "task", "pid"), -ENOENT);
	assert_int_equal(types->ops->size(types, "task_struct", &size), 0);
	assert_int_equal(size, 40);
	assert_int_equal(types->ops->size(types, "rq", &size), -ENOENT);
	maker_close(types);
}

/* Members of anonymous unions and structs count as the outer's. */
static void test_anonymous(void **state)
{
	struct types *types;
	u32 word, inner, both;

	maker_reset();
	word = add_int(4, 0, 32);
	inner = add_struct("", 8, 2);
	add_member("flags", word, 0);
	add_member("cpu", word, 32);
	both = btf_add("", BTF_KIND_UNION, 2, 8);
	add_member("", inner, 0);
	add_member("whole", word, 0);
	add_struct("rq", 16, 2);
	add_member("lock", word, 0);
	add_member("", both, 64);
	types = maker_open();
	expect_member(types, "rq", "lock", 0, 32);
	expect_member(types, "rq", "flags", 64, 32);
	expect_member(types, "rq", "cpu", 96, 32);
	expect_member(types, "rq", "whole", 64, 32);
	maker_close(types);
}

static void test_bitfields(void **state)
{
	struct types *types;
	u32 word, three;

	maker_reset();
	word = add_int(4, 0, 32);
	three = add_int(4, 5, 3);	/* the old way: in the integer */
	btf_add("new", BTF_KIND_STRUCT | KFLAG, 3, 8);
	add_member("plain", word, 0);
	add_member("one", word, 1 << 24 | 33);
	add_member("many", word, 7 << 24 | 40);
	add_struct("old", 4, 2);
	add_member("bits", three, 8);
	add_member("word", word, 0);
	types = maker_open();
	expect_member(types, "new", "plain", 0, 32);
	expect_member(types, "new", "one", 33, 1);
	expect_member(types, "new", "many", 40, 7);
	expect_member(types, "old", "bits", 13, 3);
	maker_close(types);
}

static void test_constants(void **state)
{
	struct types *types;
	u64 value;

	maker_reset();
	btf_add("", BTF_KIND_ENUM, 2, 4);
	put(text("CSD_FLAG_LOCK"));
	put(1);
	put(text("CSD_TYPE_TTWU"));
	put(0x30);
	btf_add("", BTF_KIND_ENUM64, 1, 8);
	put(text("BIG"));
	put(5);
	put(7);
	types = maker_open();
	assert_int_equal(types->ops->constant(types, "CSD_TYPE_TTWU", &value),
			 0);
	assert_int_equal(value, 0x30);
	assert_int_equal(types->ops->constant(types, "BIG", &value), 0);
	assert_int_equal(value, 7ull << 32 | 5);
	assert_int_equal(types->ops->constant(types, "CSD", &value), -ENOENT);
	maker_close(types);
}

/*
 * Every kind that exists, before a structure: all must be stepped over.
 * (FUNC keeps its linkage in vlen: no bytes follow.)
 */
static void test_all_kinds(void **state)
{
	static const struct {
		u32 kind, vlen, words;
	} kinds[] = {
		{ BTF_KIND_INT, 0, 1 }, { BTF_KIND_PTR, 0, 0 },
		{ BTF_KIND_ARRAY, 0, 3 }, { BTF_KIND_STRUCT, 2, 6 },
		{ BTF_KIND_UNION, 1, 3 }, { BTF_KIND_ENUM, 3, 6 },
		{ BTF_KIND_FWD, 0, 0 }, { BTF_KIND_TYPEDEF, 0, 0 },
		{ BTF_KIND_VOLATILE, 0, 0 }, { BTF_KIND_CONST, 0, 0 },
		{ BTF_KIND_RESTRICT, 0, 0 }, { BTF_KIND_FUNC, 1, 0 },
		{ BTF_KIND_FUNC_PROTO, 2, 4 }, { BTF_KIND_VAR, 0, 1 },
		{ BTF_KIND_DATASEC, 2, 6 }, { BTF_KIND_FLOAT, 0, 0 },
		{ BTF_KIND_DECL_TAG, 0, 1 }, { BTF_KIND_TYPE_TAG, 0, 0 },
		{ BTF_KIND_ENUM64, 2, 6 },
	};
	struct types *types;
	u32 i, word;

	maker_reset();
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		btf_add("", kinds[i].kind, kinds[i].vlen, 0);
		for (word = 0; word < kinds[i].words; word++)
			put(0);
	}
	word = add_int(2, 0, 16);
	add_struct("after", 2, 1);
	add_member("x", word, 0);
	types = maker_open();
	expect_member(types, "after", "x", 0, 16);
	maker_close(types);
}

static void test_two_definitions(void **state)
{
	struct types *types;
	u32 word;

	maker_reset();
	word = add_int(4, 0, 32);
	add_struct("same", 4, 1);
	add_member("x", word, 0);
	add_struct("same", 4, 1);
	add_member("y", word, 0);
	add_struct("other", 4, 1);
	add_member("x", word, 0);
	add_struct("other", 8, 1);
	add_member("x", word, 32);
	types = maker_open();
	expect_member(types, "same", "x", 0, 32);
	assert_int_equal(look(types, "other", "x"), -ENOENT);
	maker_close(types);
}

static void test_every_length(void **state)
{
	struct btf_header header;
	struct types *types;
	u8 *file, *copy;
	size_t len, i;
	int r;

	maker_reset();
	add_struct("s", 4, 1);
	add_member("x", 2, 0);
	add_int(4, 0, 32);
	file = maker_file(&header, &len);
	for (i = 0; i < len; i++) {
		copy = malloc(i ? i : 1);
		memcpy(copy, file, i);
		r = types_btf_create(copy, i, &types);
		assert_int_equal(r, i < sizeof(header) ? -EINVAL : -EUCLEAN);
		free(copy);
	}
	free(file);
}

static void test_headers(void **state)
{
	static const struct {
		u32 field, value;	/* as a 32-bit word of the header */
		int expected;
	} cases[] = {
		{ 0, BTF_MAGIC, -EINVAL },		/* version 0 */
		{ 0, 0x0001eb9e, -EINVAL },
		{ 1, 0, -EUCLEAN }, { 1, 23, -EUCLEAN },	/* hdr_len */
		{ 1, U32_MAX, -EUCLEAN }, { 1, 4096, -EUCLEAN },
		{ 2, U32_MAX, -EUCLEAN }, { 2, 4096, -EUCLEAN },
		{ 3, U32_MAX, -EUCLEAN }, { 3, 4096, -EUCLEAN },
		{ 3, 11, -EUCLEAN }, { 3, 13, -EUCLEAN },	/* half a record */
		{ 4, U32_MAX, -EUCLEAN }, { 4, 4096, -EUCLEAN },
		{ 4, 0, -EUCLEAN },	/* strings that do not start with NUL */
		{ 5, 0, -EUCLEAN }, { 5, U32_MAX, -EUCLEAN },
		{ 5, 2, -EUCLEAN },	/* strings that do not end with NUL */
	};
	struct btf_header header;
	struct types *types;
	size_t len;
	u8 *file;
	u32 i;
	int r;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		maker_reset();
		add_struct("s", 4, 1);
		add_member("xyz", 2, 0);
		add_int(4, 0, 32);
		file = maker_file(&header, &len);
		memcpy(file + cases[i].field * 4, &cases[i].value, 4);
		r = types_btf_create(file, len, &types);
		if (r != cases[i].expected)
			fail_msg("case %u: %d", i, r);
		free(file);
	}
}

static void test_records(void **state)
{
	maker_reset();		/* a kind that does not exist */
	btf_add("x", 0, 0, 0);
	assert_int_equal(maker_create_error(), -EUCLEAN);
	maker_reset();
	btf_add("x", 31, 0, 0);
	assert_int_equal(maker_create_error(), -EUCLEAN);
	maker_reset();		/* more members than file */
	add_struct("s", 4, 65535);
	assert_int_equal(maker_create_error(), -EUCLEAN);
	maker_reset();		/* a name outside the strings */
	put(1);
	put(BTF_KIND_STRUCT << 24);
	put(4);
	assert_int_equal(maker_create_error(), -EUCLEAN);
}

/* What look-ups meet: each file parses, each look-up must end and say no. */

static void expect_damage(const char *path)
{
	struct types *types = maker_open();

	assert_int_equal(look(types, "s", path), -EUCLEAN);
	maker_close(types);
}

static void test_member_outside(void **state)
{
	maker_reset();
	add_int(4, 0, 32);
	add_struct("s", 4, 1);
	add_member("x", 1, 8);		/* ends behind the structure */
	expect_damage("x");
	maker_reset();
	add_struct("s", 4, 1);
	add_member("x", 77, 0);		/* no such type */
	expect_damage("x");
	maker_reset();
	add_struct("s", 4, 1);
	add_member("x", 0, 0);		/* void */
	expect_damage("x");
	maker_reset();
	add_int(4, 0, 32);
	add_struct("s", 4, 1);
	put(0x7fffffff);		/* a member's name outside */
	put(1);
	put(0);
	expect_damage("x");
}

static void test_typedef_cycle(void **state)
{
	maker_reset();
	btf_add("a", BTF_KIND_TYPEDEF, 0, 2);
	btf_add("b", BTF_KIND_CONST, 0, 1);
	add_struct("s", 4, 1);
	add_member("x", 1, 0);
	expect_damage("x");
	maker_reset();
	btf_add("self", BTF_KIND_TYPEDEF, 0, 1);
	add_struct("s", 4, 1);
	add_member("x", 1, 0);
	expect_damage("x");
}

static void test_array_cycle(void **state)
{
	maker_reset();
	add_array(1, 1);
	add_struct("s", 4, 1);
	add_member("x", 1, 0);
	expect_damage("x");
}

/* 2^32 elements of 2^32 elements of ... */
static void test_array_overflow(void **state)
{
	u32 i;

	maker_reset();
	add_int(1, 0, 8);
	for (i = 1; i <= 8; i++)
		add_array(i, U32_MAX);
	add_struct("s", U32_MAX, 1);
	add_member("x", 9, 0);
	expect_damage("x");
}

/* A structure that holds itself, by value and without a name. */
static void test_self_containing(void **state)
{
	maker_reset();
	add_struct("s", 4, 1);
	add_member("", 1, 0);
	expect_damage("x");
	maker_reset();
	add_struct("s", 4, 3);
	add_member("", 1, 32);
	add_member("", 1, 32);
	add_member("", 1, 32);
	expect_damage("x");
}

/* The same by name: a path ends, however long. */
static void test_self_member(void **state)
{
	struct types *types;

	maker_reset();
	add_struct("s", 4, 1);
	add_member("x", 1, 0);
	types = maker_open();
	expect_member(types, "s", "x.x.x.x", 0, 32);
	assert_int_equal(look(types, "s", "x.x.y"), -ENOENT);
	maker_close(types);
}

/* Each level holds the next twice: 2^40 members, if one visits them all. */
static void test_exponential(void **state)
{
	u32 i;

	maker_reset();
	add_struct("s", 4, 2);
	add_member("", 2, 0);
	add_member("", 2, 0);
	for (i = 3; i < 43; i++) {
		add_struct("", 4, 2);
		add_member("", i, 0);
		add_member("", i, 0);
	}
	add_struct("", 4, 0);
	expect_damage("x");
}

/* The same shape, small enough to be searched to its end. */
static void test_deep(void **state)
{
	struct types *types;
	u32 i;

	maker_reset();
	add_struct("s", 4, 1);
	add_member("", 2, 0);
	for (i = 3; i < 30; i++) {
		add_struct("", 4, 1);
		add_member("", i, 0);
	}
	add_struct("", 4, 1);
	add_member("deep", 30, 0);
	add_int(4, 0, 32);
	types = maker_open();
	assert_int_equal(look(types, "s", "shallow"), -ENOENT);
	expect_member(types, "s", "deep", 0, 32);
	maker_close(types);
}

static void test_enum_damage(void **state)
{
	struct types *types;
	u64 value;

	maker_reset();
	btf_add("", BTF_KIND_ENUM, 1, 4);
	put(0x12345678);
	put(1);
	types = maker_open();
	assert_int_equal(types->ops->constant(types, "X", &value), -EUCLEAN);
	maker_close(types);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_anonymous),
		cmocka_unit_test(test_bitfields),
		cmocka_unit_test(test_constants),
		cmocka_unit_test(test_all_kinds),
		cmocka_unit_test(test_two_definitions),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_member_outside),
		cmocka_unit_test(test_typedef_cycle),
		cmocka_unit_test(test_array_cycle),
		cmocka_unit_test(test_array_overflow),
		cmocka_unit_test(test_self_containing),
		cmocka_unit_test(test_self_member),
		cmocka_unit_test(test_exponential),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_enum_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
