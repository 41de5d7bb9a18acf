// SPDX-License-Identifier: GPL-2.0-only
/*
 * layout_build() against made-up types, gi_layout_decode() against blobs that
 * were built and then damaged in every way the format knows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "../../guestinfo/types/types.h"

/* Types made of a table. */
struct table_row {
	const char *name, *path;
	struct type_member member;
	u64 size;
	int error;
};

struct table_types {
	struct types types;
	const struct table_row *rows;
	u32 nr;
	u64 csd_ttwu;
};

static const struct table_row *table_find(struct types *types, const char *name,
					  const char *path)
{
	struct table_types *table =
		container_of(types, struct table_types, types);
	u32 i;

	for (i = 0; i < table->nr; i++) {
		if (!strcmp(table->rows[i].name, name) &&
		    !strcmp(table->rows[i].path, path))
			return &table->rows[i];
	}
	return NULL;
}

static int table_member(struct types *types, const char *name,
			const char *path, struct type_member *ret)
{
	const struct table_row *row = table_find(types, name, path);

	if (!row)
		return -ENOENT;
	*ret = row->member;
	return row->error;
}

static int table_size(struct types *types, const char *name, u64 *ret)
{
	const struct table_row *row = table_find(types, name, "");

	if (!row)
		return -ENOENT;
	*ret = row->size;
	return row->error;
}

static int table_constant(struct types *types, const char *name, u64 *ret)
{
	struct table_types *table =
		container_of(types, struct table_types, types);

	assert_string_equal(name, "CSD_TYPE_TTWU");
	*ret = table->csd_ttwu;
	return table->csd_ttwu ? 0 : -ENOENT;
}

static void table_destroy(struct types *types)
{
}

static const struct types_ops table_ops = {
	.member = table_member,
	.size = table_size,
	.constant = table_constant,
	.destroy = table_destroy,
};

static const u8 signal_wake_up_state[] = {
	0x0f, 0x1f, 0x44, 0x00, 0x00,	/* the patched call of __fentry__ */
	0xf0, 0x80, 0x0f, 0x04,		/* lock orb $4, (%rdi) */
	0x81, 0xce, 0x01, 0x00, 0x00, 0x00,
};

static const struct table_row plain_rows[] = {
	{ "task_struct", "", .size = 9792 },
	{ "task_struct", "__state", .member = { 24 * 8, 32 } },
	{ "task_struct", "state", .member = { 99 * 8, 32 } },
	{ "task_struct", "cpu", .member = { 20 * 8, 32 } },
	{ "task_struct", "frozen", .member = { 2345 * 8 + 3, 1 } },
	{ "task_struct", "cpus_mask", .member = { 1000 * 8, 8192 } },
	{ "task_struct", "pi_lock", .member = { 3252 * 8, 0 } },
	{ "cred", "uid", .member = { 32, 32 } },
};

struct blob {
	struct monarch_layout *header;
	size_t len;
};

static int build(const struct table_row *rows, u32 nr, struct blob *ret)
{
	struct table_types table = {
		.types = { &table_ops, MONARCH_SOURCE_DWARF },
		.rows = rows, .nr = nr, .csd_ttwu = 0x30,
	};
	static const u8 build_id[] = { 0xde, 0xad, 0xbe, 0xef };
	struct layout_source source = {
		.types = &table.types, .symbol_source = MONARCH_SOURCE_ELF,
		.sigpending_code = signal_wake_up_state,
		.sigpending_len = sizeof(signal_wake_up_state),
		.build_id = build_id, .build_id_len = sizeof(build_id),
		.banner = "Linux version 6.1 (x)\n",
	};
	struct symbol *symbols;
	void *made = NULL;
	int nr_symbols, i, r;

	nr_symbols = layout_symbols(&symbols);
	assert_true(nr_symbols > 20);
	for (i = 0; i < nr_symbols; i++) {
		symbols[i].found = !strcmp(symbols[i].name, "_text") ||
				   !strcmp(symbols[i].name, "swapper_pg_dir") ||
				   !strcmp(symbols[i].name, "init_level4_pgt");
		symbols[i].address = 0xffffffff81000000ull + i;
	}
	source.symbols = symbols;
	source.nr_symbols = nr_symbols;
	r = layout_build(&source, &made, &ret->len);
	ret->header = made;
	free(symbols);
	return r;
}

static void build_plain(struct blob *ret)
{
	assert_int_equal(build(plain_rows, ARRAY_SIZE(plain_rows), ret), 0);
}

static struct monarch_fact *blob_facts(const struct blob *blob)
{
	return (struct monarch_fact *)(blob->header + 1);
}

static struct monarch_fact *blob_fact(const struct blob *blob, u32 id)
{
	u32 i;

	for (i = 0; i < blob->header->nr_facts; i++) {
		if (blob_facts(blob)[i].id == id)
			return &blob_facts(blob)[i];
	}
	fail_msg("fact %u is not in the blob", id);
	return NULL;
}

static void blob_seal(const struct blob *blob)
{
	blob->header->checksum = 0;
	blob->header->checksum = gi_crc32(0, blob->header,
					  blob->header->total_size);
}

static int decode(const struct blob *blob, size_t len, struct gi_layout *ret)
{
	/* A block of its own and off by one: ASan sees reads beyond, UBSan
	 * unaligned ones.
	 */
	u8 *copy = malloc(len + 1);
	int r;

	memcpy(copy + 1, blob->header, len);
	r = gi_layout_decode(copy + 1, len, ret);
	free(copy);
	return r;
}

static void test_round_trip(void **state)
{
	static struct gi_layout layout;
	struct blob blob;

	build_plain(&blob);
	assert_int_equal(decode(&blob, blob.len, &layout), 0);
	assert_int_equal(gi_offset(&layout, MONARCH_F_TASK_STATE), 24);
	assert_int_equal(layout.facts[MONARCH_F_TASK_STATE].width, 32);
	assert_int_equal(layout.facts[MONARCH_F_TASK_STATE].source,
			 MONARCH_SOURCE_DWARF);
	assert_int_equal(gi_offset(&layout, MONARCH_F_TASK_CPU), 20);
	assert_int_equal(gi_offset(&layout, MONARCH_F_TASK_FROZEN), 2345);
	assert_int_equal(layout.facts[MONARCH_F_TASK_FROZEN].bit, 3);
	assert_int_equal(layout.facts[MONARCH_F_TASK_CPUS_MASK].width, 8192);
	assert_int_equal(gi_offset(&layout, MONARCH_F_CRED_UID), 4);
	assert_int_equal(layout.facts[MONARCH_F_SIZEOF_TASK].value, 9792);
	assert_false(gi_has(&layout, MONARCH_F_TASK_PI_LOCK));
	assert_false(gi_has(&layout, MONARCH_F_TASK_PID));
	assert_int_equal(layout.build_id_len, 4);
	assert_string_equal(layout.banner, "Linux version 6.1 (x)");
	free(blob.header);
}

static void test_symbols_and_constants(void **state)
{
	static struct gi_layout layout;
	struct symbol *symbols;
	struct blob blob;
	u64 expected = 0;
	int i, nr;

	nr = layout_symbols(&symbols);
	for (i = 0; i < nr; i++) {
		if (!strcmp(symbols[i].name, "init_level4_pgt"))
			expected = 0xffffffff81000000ull + i;
	}
	free(symbols);
	build_plain(&blob);
	assert_int_equal(decode(&blob, blob.len, &layout), 0);
	assert_int_equal(gi_symbol(&layout, MONARCH_F_SYM_TEXT),
			 0xffffffff81000000ull);
	/* The first alternative that exists, not the last. */
	assert_int_equal(gi_symbol(&layout, MONARCH_F_SYM_INIT_TOP_PGT),
			 expected);
	assert_int_equal(gi_symbol(&layout, MONARCH_F_SYM_END), 0);
	assert_int_equal(layout.facts[MONARCH_F_TIF_SIGPENDING_BIT].value, 2);
	assert_int_equal(layout.facts[MONARCH_F_TIF_SIGPENDING_BIT].source,
			 MONARCH_SOURCE_CODE);
	assert_int_equal(layout.facts[MONARCH_F_TASK_WAKING_VALUE].value,
			 0x200);
	assert_int_equal(layout.facts[MONARCH_F_TASK_WAKING_VALUE].source,
			 MONARCH_SOURCE_TABLE);
	assert_int_equal(layout.facts[MONARCH_F_CSD_TYPE_TTWU_VALUE].value,
			 0x30);
	free(blob.header);
}

/* A kernel whose types do not prove TASK_WAKING gets none. */
static void test_nothing_guessed(void **state)
{
	static const struct table_row rows[] = {
		{ "task_struct", "state", .member = { 0, 64 } },
		{ "task_struct", "wake_entry", .member = { 640, 64 } },
	};
	static struct gi_layout layout;
	struct blob blob;

	assert_int_equal(build(rows, ARRAY_SIZE(rows), &blob), 0);
	assert_int_equal(decode(&blob, blob.len, &layout), 0);
	assert_true(gi_has(&layout, MONARCH_F_TASK_STATE));
	assert_true(gi_has(&layout, MONARCH_F_TASK_WAKE_NODE));
	assert_false(gi_has(&layout, MONARCH_F_TASK_WAKING_VALUE));
	free(blob.header);
}

static void test_build_refuses(void **state)
{
	static const struct table_row bad[] = {
		{ "task_struct", "pid", .member = { GI_LAYOUT_MAX_OFFSET * 8ull, 32 } },
		{ "task_struct", "pid", .member = { 0, GI_LAYOUT_MAX_WIDTH + 1 } },
		{ "task_struct", "pid", .member = { 0, 32 }, .error = -EUCLEAN },
		{ "task_struct", "", .size = GI_LAYOUT_MAX_OFFSET + 1 },
		{ "spinlock", "", .size = 4, .error = -EUCLEAN },
	};
	struct blob blob;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(build(&bad[i], 1, &blob), -EUCLEAN);
}

static void test_every_length(void **state)
{
	static struct gi_layout layout;
	struct blob blob;
	size_t len;

	build_plain(&blob);
	for (len = 0; len < blob.len; len++)
		assert_int_equal(decode(&blob, len, &layout), -EINVAL);
	free(blob.header);
}

static void test_every_bit(void **state)
{
	static struct gi_layout layout;
	struct blob blob;
	size_t bit;

	build_plain(&blob);
	for (bit = 0; bit < blob.len * 8; bit++) {
		((u8 *)blob.header)[bit / 8] ^= 1 << bit % 8;
		assert_true(decode(&blob, blob.len, &layout) < 0);
		((u8 *)blob.header)[bit / 8] ^= 1 << bit % 8;
	}
	assert_int_equal(decode(&blob, blob.len, &layout), 0);
	free(blob.header);
}

/* One damage to a sound blob, sealed again; what decoding must say. */
struct damage {
	const char *what;
	void (*apply)(const struct blob *blob);
	int expected;
};

static void hurt_magic(const struct blob *blob)
{
	blob->header->magic++;
}

static void hurt_version(const struct blob *blob)
{
	blob->header->version++;
}

static void hurt_header_small(const struct blob *blob)
{
	blob->header->header_size = sizeof(*blob->header) - 1;
}

static void hurt_header_large(const struct blob *blob)
{
	blob->header->header_size += sizeof(struct monarch_fact);
}

static void hurt_nr_facts(const struct blob *blob)
{
	blob->header->nr_facts = MONARCH_LAYOUT_MAX_FACTS + 1;
}

static void hurt_nr_facts_wraps(const struct blob *blob)
{
	blob->header->nr_facts += 0x10000000u;
}

static void hurt_build_id(const struct blob *blob)
{
	blob->header->build_id_len = MONARCH_BUILD_ID_MAX + 1;
}

static void hurt_banner(const struct blob *blob)
{
	memset(blob->header->banner, 'x', MONARCH_BANNER_MAX);
}

static void hurt_order(const struct blob *blob)
{
	blob_facts(blob)[1].id = blob_facts(blob)[0].id;
}

static void hurt_id_zero(const struct blob *blob)
{
	blob_facts(blob)[0].id = 0;
}

static void hurt_kind(const struct blob *blob)
{
	blob_facts(blob)[0].kind = MONARCH_FACT_SYMBOL;
}

static void hurt_source(const struct blob *blob)
{
	blob_facts(blob)[0].source = 0;
}

static void hurt_source_new(const struct blob *blob)
{
	blob_facts(blob)[0].source = MONARCH_SOURCE_TABLE + 1;
}

static void hurt_width_zero(const struct blob *blob)
{
	blob_facts(blob)[0].width = 0;
}

static void hurt_width_huge(const struct blob *blob)
{
	blob_facts(blob)[0].width = GI_LAYOUT_MAX_WIDTH + 1;
}

static void hurt_field_far(const struct blob *blob)
{
	blob_facts(blob)[0].value = GI_LAYOUT_MAX_OFFSET * 8ull;
}

static void hurt_field_end(const struct blob *blob)
{
	blob_facts(blob)[0].value = GI_LAYOUT_MAX_OFFSET * 8ull - 31;
}

static void hurt_field_wraps(const struct blob *blob)
{
	blob_facts(blob)[0].value = U64_MAX;
}

static void hurt_size_zero(const struct blob *blob)
{
	blob_fact(blob, MONARCH_F_SIZEOF_TASK)->value = 0;
}

static void hurt_size_huge(const struct blob *blob)
{
	blob_fact(blob, MONARCH_F_SIZEOF_TASK)->value =
		GI_LAYOUT_MAX_OFFSET + 1ull;
}

static void hurt_size_width(const struct blob *blob)
{
	blob_fact(blob, MONARCH_F_SIZEOF_TASK)->width = 1;
}

static void hurt_symbol_zero(const struct blob *blob)
{
	blob_fact(blob, MONARCH_F_SYM_TEXT)->value = 0;
}

static void hurt_tif(const struct blob *blob)
{
	blob_fact(blob, MONARCH_F_TIF_SIGPENDING_BIT)->value = 64;
}

static void hurt_waking(const struct blob *blob)
{
	blob_fact(blob, MONARCH_F_TASK_WAKING_VALUE)->value = 1ull << 32;
}

static void unknown_id(const struct blob *blob)
{
	/* The last fact: any higher id keeps the order. */
	blob_facts(blob)[blob->header->nr_facts - 1].id = 0xffff;
	blob_facts(blob)[blob->header->nr_facts - 1].kind = 77;
}

static const struct damage damages[] = {
	{ "magic", hurt_magic, -EINVAL },
	{ "version", hurt_version, -EINVAL },
	{ "header too small", hurt_header_small, -EINVAL },
	{ "header eats a fact", hurt_header_large, -EUCLEAN },
	{ "too many facts", hurt_nr_facts, -EUCLEAN },
	{ "nr_facts * 16 wraps", hurt_nr_facts_wraps, -EUCLEAN },
	{ "build id", hurt_build_id, -EUCLEAN },
	{ "banner without end", hurt_banner, -EUCLEAN },
	{ "id twice", hurt_order, -EUCLEAN },
	{ "id 0", hurt_id_zero, -EUCLEAN },
	{ "kind of another class", hurt_kind, -EUCLEAN },
	{ "source 0", hurt_source, -EUCLEAN },
	{ "unknown source", hurt_source_new, -EUCLEAN },
	{ "width 0", hurt_width_zero, -EUCLEAN },
	{ "width too big", hurt_width_huge, -EUCLEAN },
	{ "field starts too far", hurt_field_far, -EUCLEAN },
	{ "field ends too far", hurt_field_end, -EUCLEAN },
	{ "field wraps", hurt_field_wraps, -EUCLEAN },
	{ "size 0", hurt_size_zero, -EUCLEAN },
	{ "size too big", hurt_size_huge, -EUCLEAN },
	{ "size with a width", hurt_size_width, -EUCLEAN },
	{ "symbol 0", hurt_symbol_zero, -EUCLEAN },
	{ "bit 64", hurt_tif, -EUCLEAN },
	{ "state beyond 32 bits", hurt_waking, -EUCLEAN },
	{ "an id of the future", unknown_id, 0 },
};

static void test_damages(void **state)
{
	static struct gi_layout layout;
	struct blob blob;
	u32 i;
	int r;

	for (i = 0; i < ARRAY_SIZE(damages); i++) {
		build_plain(&blob);
		damages[i].apply(&blob);
		blob_seal(&blob);
		r = decode(&blob, blob.len, &layout);
		if (r != damages[i].expected)
			fail_msg("%s: %d, expected %d", damages[i].what, r,
				 damages[i].expected);
		free(blob.header);
	}
}

static void test_checksum(void **state)
{
	static struct gi_layout layout;
	struct blob blob;

	build_plain(&blob);
	blob.header->checksum ^= 1;
	assert_int_equal(decode(&blob, blob.len, &layout), -EBADMSG);
	free(blob.header);
}

static void test_names(void **state)
{
	assert_string_equal(gi_fact_name(MONARCH_F_TASK_PID), "TASK_PID");
	assert_string_equal(gi_fact_name(MONARCH_F_SIZEOF_CSD), "SIZEOF_CSD");
	assert_string_equal(gi_fact_name(MONARCH_F_SYM_TEXT), "SYM_TEXT");
	assert_string_equal(gi_fact_name(MONARCH_F_TIF_SIGPENDING_BIT),
			    "TIF_SIGPENDING_BIT");
	assert_null(gi_fact_name(0));
	assert_null(gi_fact_name(149));
	assert_null(gi_fact_name(U32_MAX));
}

struct code_case {
	u8 code[12];
	size_t len;
	int expected;
};

static const struct code_case code_cases[] = {
	{ { 0xf0, 0x80, 0x0f, 0x04 }, 4, 2 },		/* (%rdi), <= 6.12 */
	{ { 0xf0, 0x80, 0x0f, 0x02 }, 4, 1 },		/* 7.2 */
	{ { 0x55, 0x3e, 0x80, 0x0f, 0x04 }, 5, 2 },	/* one CPU */
	{ { 0x55, 0x90, 0x80, 0x0f, 0x02 }, 5, 1 },
	{ { 0xf0, 0x41, 0x80, 0x0c, 0x24, 0x04 }, 6, 2 },	/* (%r12) */
	{ { 0xf0, 0x80, 0x48, 0x10, 0x04 }, 5, 2 },	/* 0x10(%rax) */
	{ { 0xf0, 0x80, 0x88, 0, 1, 0, 0, 0x04 }, 8, 2 },	/* 0x100(%rax) */
	{ { 0x90, 0x80, 0x0f, 0x01, 0xf0, 0x80, 0x0f, 0x04 }, 8, 2 },
	{ { 0xf0, 0x80, 0x0f, 0x06 }, 4, -ENOENT },	/* two bits */
	{ { 0xf0, 0x80, 0x0f, 0x00 }, 4, -ENOENT },
	{ { 0xf0, 0x80, 0x27, 0xfb }, 4, -ENOENT },	/* lock andb */
	{ { 0xf0, 0x80, 0xc9, 0x04 }, 4, -ENOENT },	/* a register */
	{ { 0xf0, 0x80, 0x0d, 0, 0, 0, 0, 0x04 }, 8, -ENOENT },	/* RIP */
	{ { 0xf0, 0x80, 0x0f }, 3, -ENOENT },
	{ { 0xf0, 0x80 }, 2, -ENOENT },
	{ { 0xf0 }, 1, -ENOENT },
	{ { 0xf0, 0x41 }, 2, -ENOENT },
	{ { 0x80, 0x0f, 0x04 }, 3, -ENOENT },		/* not locked */
	{ { 0 }, 0, -ENOENT },
};

static void test_tif_sigpending(void **state)
{
	u8 *copy;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(code_cases); i++) {
		copy = malloc(max(code_cases[i].len, (size_t)1));
		memcpy(copy, code_cases[i].code, code_cases[i].len);
		assert_int_equal(tif_sigpending_decode(copy, code_cases[i].len),
				 code_cases[i].expected);
		free(copy);
	}
	assert_int_equal(tif_sigpending_decode(NULL, 0), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_symbols_and_constants),
		cmocka_unit_test(test_nothing_guessed),
		cmocka_unit_test(test_build_refuses),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_damages),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_tif_sigpending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
