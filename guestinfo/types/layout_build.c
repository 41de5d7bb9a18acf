// SPDX-License-Identifier: GPL-2.0-only
/*
 * Builds a layout blob: asks the types and the symbols for every fact in the
 * ABI's lists and keeps those that are there. What a source does not know is
 * left out, never guessed; a source that contradicts itself or claims a place
 * that the core would refuse yields no blob at all.
 */
#include "table.h"
#include "types.h"

#include <stdlib.h>

struct builder {
	const struct layout_source *source;
	u32 nr_facts;
	struct monarch_fact facts[MONARCH_LAYOUT_MAX_FACTS];
};

struct field_row {
	u32 id;
	const char *name, *paths;
};

struct size_row {
	u32 id;
	const char *name;
};

struct symbol_row {
	u32 id;
	const char *names;
};

static const struct field_row field_rows[] = {
#define FIELD_ROW(nr, name, strct, member)	{ nr, strct, member },
	MONARCH_FIELDS(FIELD_ROW)
};

static const struct size_row size_rows[] = {
#define SIZE_ROW(nr, name, strct)		{ nr, strct },
	MONARCH_SIZES(SIZE_ROW)
};

static const struct symbol_row symbol_rows[] = {
#define SYMBOL_ROW(nr, name, sym)		{ nr, sym },
	MONARCH_SYMBOLS(SYMBOL_ROW)
};

/* Every id comes from one row, so that the facts always fit. */
_Static_assert(ARRAY_SIZE(field_rows) + ARRAY_SIZE(size_rows) +
	       ARRAY_SIZE(symbol_rows) + 3 <= MONARCH_LAYOUT_MAX_FACTS,
	       "too many facts");

struct types *types_destroy(struct types *types)
{
	if (types)
		types->ops->destroy(types);
	return NULL;
}

/*
 * Step through "a|b": copy the next alternative into @buf and move *at on.
 * Return: false at the end.
 */
static bool alternative_next(const char **at, char *buf, size_t size)
{
	size_t len = strcspn(*at, "|");

	if (!len || len >= size)
		return false;
	memcpy(buf, *at, len);
	buf[len] = '\0';
	*at += len + ((*at)[len] == '|');
	return true;
}

static u32 alternatives_count(const char *names)
{
	u32 nr = 1;

	for (; *names; names++)
		nr += *names == '|';
	return nr;
}

int layout_symbols(struct symbol **ret)
{
	size_t entries = 0, bytes = 0, i;
	struct symbol *symbols;
	const char *at;
	char *text;
	int nr = 0;

	for (i = 0; i < ARRAY_SIZE(symbol_rows); i++) {
		entries += alternatives_count(symbol_rows[i].names);
		bytes += strlen(symbol_rows[i].names) + 1;
	}
	/* One block, so that free(*ret) is all: the names stand behind. */
	symbols = calloc(1, entries * sizeof(*symbols) + bytes);
	if (!symbols)
		return -ENOMEM;
	text = (char *)(symbols + entries);
	for (i = 0; i < ARRAY_SIZE(symbol_rows); i++) {
		at = symbol_rows[i].names;
		while (alternative_next(&at, text, strlen(at) + 1)) {
			symbols[nr++].name = text;
			text += strlen(text) + 1;
		}
	}
	*ret = symbols;
	return nr;
}

static void fact_add(struct builder *builder, u32 id, u8 kind, u8 source,
		     u32 width, u64 value)
{
	struct monarch_fact *fact = &builder->facts[builder->nr_facts++];

	fact->id = id;
	fact->kind = kind;
	fact->source = source;
	fact->width = width;
	fact->value = value;
}

static int field_add(struct builder *builder, const struct field_row *row)
{
	struct types *types = builder->source->types;
	struct type_member member;
	const char *at = row->paths;
	int r = -ENOENT;
	char path[64];

	while (r == -ENOENT && alternative_next(&at, path, sizeof(path)))
		r = types->ops->member(types, row->name, path, &member);
	/* A member of no size (a spinlock of a one-CPU kernel) holds nothing. */
	if (r == -ENOENT || (!r && !member.width))
		return 0;
	if (r < 0)
		return r;
	if (member.width > GI_LAYOUT_MAX_WIDTH ||
	    member.bit_offset + member.width > GI_LAYOUT_MAX_OFFSET * 8ull)
		return -EUCLEAN;
	fact_add(builder, row->id, MONARCH_FACT_FIELD, types->source,
		 member.width, member.bit_offset);
	return 0;
}

static int size_add(struct builder *builder, const struct size_row *row)
{
	struct types *types = builder->source->types;
	u64 size;
	int r;

	r = types->ops->size(types, row->name, &size);
	if (r == -ENOENT || (!r && !size))
		return 0;
	if (r < 0)
		return r;
	if (size > GI_LAYOUT_MAX_OFFSET)
		return -EUCLEAN;
	fact_add(builder, row->id, MONARCH_FACT_SIZE, types->source, 0, size);
	return 0;
}

static const struct symbol *symbol_lookup(const struct layout_source *source,
					  const char *name)
{
	u32 i;

	for (i = 0; i < source->nr_symbols; i++) {
		if (source->symbols[i].found &&
		    !strcmp(source->symbols[i].name, name))
			return &source->symbols[i];
	}
	return NULL;
}

static void symbol_add(struct builder *builder, const struct symbol_row *row)
{
	const struct symbol *symbol = NULL;
	const char *at = row->names;
	char name[64];

	while (!symbol && alternative_next(&at, name, sizeof(name)))
		symbol = symbol_lookup(builder->source, name);
	if (!symbol || !symbol->address)
		return;
	fact_add(builder, row->id, MONARCH_FACT_SYMBOL,
		 builder->source->symbol_source, 0, symbol->address);
}

static int consts_add(struct builder *builder)
{
	const struct layout_source *source = builder->source;
	struct types *types = source->types;
	u64 value;
	int r;

	r = tif_sigpending_decode(source->sigpending_code,
				  source->sigpending_len);
	if (r >= 0)
		fact_add(builder, MONARCH_F_TIF_SIGPENDING_BIT,
			 MONARCH_FACT_CONST, MONARCH_SOURCE_CODE, 0, r);
	if (table_task_waking(types, &value) == 0)
		fact_add(builder, MONARCH_F_TASK_WAKING_VALUE,
			 MONARCH_FACT_CONST, MONARCH_SOURCE_TABLE, 0, value);
	r = types->ops->constant(types, "CSD_TYPE_TTWU", &value);
	if (r == -ENOENT)
		return 0;
	if (r < 0 || !value || value > U32_MAX)
		return -EUCLEAN;
	fact_add(builder, MONARCH_F_CSD_TYPE_TTWU_VALUE, MONARCH_FACT_CONST,
		 types->source, 0, value);
	return 0;
}

static int facts_collect(struct builder *builder)
{
	size_t i;
	int r = 0;

	for (i = 0; i < ARRAY_SIZE(field_rows) && !r; i++)
		r = field_add(builder, &field_rows[i]);
	for (i = 0; i < ARRAY_SIZE(size_rows) && !r; i++)
		r = size_add(builder, &size_rows[i]);
	for (i = 0; i < ARRAY_SIZE(symbol_rows); i++)
		symbol_add(builder, &symbol_rows[i]);
	return r ? r : consts_add(builder);
}

static int fact_compare(const void *a, const void *b)
{
	const struct monarch_fact *left = a, *right = b;

	return (int)left->id - (int)right->id;
}

static void header_fill(const struct builder *builder,
			struct monarch_layout *header)
{
	const struct layout_source *source = builder->source;
	size_t len = strcspn(source->banner, "\n");

	header->magic = MONARCH_LAYOUT_MAGIC;
	header->version = MONARCH_LAYOUT_VERSION;
	header->header_size = sizeof(*header);
	header->total_size = sizeof(*header) +
			     builder->nr_facts * sizeof(builder->facts[0]);
	header->nr_facts = builder->nr_facts;
	header->build_id_len = min(source->build_id_len,
				   (u32)MONARCH_BUILD_ID_MAX);
	if (header->build_id_len)
		memcpy(header->build_id, source->build_id,
		       header->build_id_len);
	memcpy(header->banner, source->banner,
	       min(len, (size_t)MONARCH_BANNER_MAX - 1));
}

static int blob_create(struct builder *builder, void **ret, size_t *ret_len)
{
	struct monarch_layout *header;
	size_t facts_len = builder->nr_facts * sizeof(builder->facts[0]);

	header = calloc(1, sizeof(*header) + facts_len);
	if (!header)
		return -ENOMEM;
	qsort(builder->facts, builder->nr_facts, sizeof(builder->facts[0]),
	      fact_compare);
	header_fill(builder, header);
	memcpy(header + 1, builder->facts, facts_len);
	header->checksum = gi_crc32(0, header, header->total_size);
	*ret = header;
	*ret_len = header->total_size;
	return 0;
}

int layout_build(const struct layout_source *source, void **ret,
		 size_t *ret_len)
{
	struct builder *builder;
	int r;

	builder = calloc(1, sizeof(*builder));
	if (!builder)
		return -ENOMEM;
	builder->source = source;
	r = facts_collect(builder);
	if (!r)
		r = blob_create(builder, ret, ret_len);
	free(builder);
	return r;
}
