// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layout blob -> struct gi_layout. A blob comes from a file or from user
 * space, so nothing in it is believed: the frame is checked first (magic,
 * sizes, checksum), then each fact against its class and against bounds that
 * every later address computation relies on. Integers are little endian, as is
 * every machine that runs x86-64 guests.
 *
 * An id that this build does not know is skipped: a newer builder may say more.
 */
#include "layout.h"

#define HEADER_SIZE	sizeof(struct monarch_layout)
#define FACT_SIZE	sizeof(struct monarch_fact)

/* Which kind of fact an id stands for, 0 if the id is unknown. */
static u8 fact_kind(u32 id)
{
	switch (id) {
#define FIELD_CASE(nr, name, strct, member)	case nr:
	MONARCH_FIELDS(FIELD_CASE)
		return MONARCH_FACT_FIELD;
#define SIZE_CASE(nr, name, strct)		case nr:
	MONARCH_SIZES(SIZE_CASE)
		return MONARCH_FACT_SIZE;
#define SYMBOL_CASE(nr, name, sym)		case nr:
	MONARCH_SYMBOLS(SYMBOL_CASE)
		return MONARCH_FACT_SYMBOL;
#define CONST_CASE(nr, name)			case nr:
	MONARCH_CONSTS(CONST_CASE)
		return MONARCH_FACT_CONST;
	default:
		return 0;
	}
}

const char *gi_fact_name(u32 id)
{
	switch (id) {
#define FIELD_NAME(nr, name, strct, member)	case nr: return #name;
	MONARCH_FIELDS(FIELD_NAME)
#define SIZE_NAME(nr, name, strct)		case nr: return #name;
	MONARCH_SIZES(SIZE_NAME)
#define SYMBOL_NAME(nr, name, sym)		case nr: return #name;
	MONARCH_SYMBOLS(SYMBOL_NAME)
#define CONST_NAME(nr, name)			case nr: return #name;
	MONARCH_CONSTS(CONST_NAME)
	default:
		return NULL;
	}
}

static u32 blob_checksum(const u8 *blob, u32 len)
{
	const u32 at = offsetof(struct monarch_layout, checksum);
	const u32 zero = 0;
	u32 crc;

	crc = gi_crc32(0, blob, at);
	crc = gi_crc32(crc, &zero, sizeof(zero));
	return gi_crc32(crc, blob + at + sizeof(zero),
			len - at - sizeof(zero));
}

/* The frame: what must hold before a byte behind the header is looked at. */
static int header_check(const struct monarch_layout *header, const u8 *blob,
			size_t len)
{
	if (header->magic != MONARCH_LAYOUT_MAGIC ||
	    header->version != MONARCH_LAYOUT_VERSION ||
	    header->header_size < HEADER_SIZE ||
	    header->total_size < header->header_size ||
	    header->total_size > len)
		return -EINVAL;
	if (blob_checksum(blob, header->total_size) != header->checksum)
		return -EBADMSG;
	if (header->nr_facts > MONARCH_LAYOUT_MAX_FACTS ||
	    header->build_id_len > MONARCH_BUILD_ID_MAX ||
	    header->banner[MONARCH_BANNER_MAX - 1] ||
	    header->total_size - header->header_size !=
		    header->nr_facts * FACT_SIZE)
		return -EUCLEAN;
	return 0;
}

/* A member must end inside the largest structure that we would read. */
static bool field_ok(const struct monarch_fact *fact)
{
	const u64 limit = GI_LAYOUT_MAX_OFFSET * 8ull;

	return fact->width && fact->width <= GI_LAYOUT_MAX_WIDTH &&
	       fact->value < limit && fact->width <= limit - fact->value;
}

static bool const_ok(const struct monarch_fact *fact)
{
	if (fact->id == MONARCH_F_TIF_SIGPENDING_BIT)
		return fact->value < 64;
	return fact->value && fact->value <= U32_MAX;
}

static bool fact_ok(const struct monarch_fact *fact)
{
	if (fact->source < MONARCH_SOURCE_BTF ||
	    fact->source > MONARCH_SOURCE_TABLE)
		return false;
	if (fact->kind == MONARCH_FACT_FIELD)
		return field_ok(fact);
	if (fact->width)
		return false;
	if (fact->kind == MONARCH_FACT_SIZE)
		return fact->value && fact->value <= GI_LAYOUT_MAX_OFFSET;
	return fact->kind == MONARCH_FACT_CONST ? const_ok(fact) :
						  fact->value != 0;
}

static void fact_store(const struct monarch_fact *fact, struct gi_fact *ret)
{
	ret->kind = fact->kind;
	ret->source = fact->source;
	ret->width = fact->width;
	if (fact->kind == MONARCH_FACT_FIELD) {
		ret->offset = fact->value / 8;
		ret->bit = fact->value % 8;
	} else {
		ret->value = fact->value;
	}
}

static int facts_decode(const u8 *at, u32 nr_facts, struct gi_layout *ret)
{
	struct monarch_fact fact;
	u32 previous = 0;
	u32 i;

	for (i = 0; i < nr_facts; i++) {
		memcpy(&fact, at + i * FACT_SIZE, FACT_SIZE);
		if (fact.id <= previous)
			return -EUCLEAN;
		previous = fact.id;
		if (!fact_kind(fact.id))
			continue;
		if (fact.kind != fact_kind(fact.id) || !fact_ok(&fact))
			return -EUCLEAN;
		fact_store(&fact, &ret->facts[fact.id]);
	}
	return 0;
}

int gi_layout_decode(const void *blob, size_t len, struct gi_layout *ret)
{
	struct monarch_layout header;
	int r;

	if (len < HEADER_SIZE)
		return -EINVAL;
	memcpy(&header, blob, HEADER_SIZE);
	r = header_check(&header, blob, len);
	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->build_id, header.build_id, header.build_id_len);
	ret->build_id_len = header.build_id_len;
	memcpy(ret->banner, header.banner, MONARCH_BANNER_MAX);
	return facts_decode((const u8 *)blob + header.header_size,
			    header.nr_facts, ret);
}
