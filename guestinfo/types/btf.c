// SPDX-License-Identifier: GPL-2.0-only
/*
 * BTF: a list of type records, numbered from 1, and a table of strings
 * (Documentation/bpf/btf.rst of the kernel).
 *
 * One pass over the records notes where each starts and refuses the file
 * unless every record and name lies inside; look-ups then go straight to what
 * they need. The records come from a guest and may refer to each other in any
 * way, so every chain (modifiers, arrays, nested anonymous structures) has a
 * bound. A name that two different structures have is no name.
 */
#include "types.h"

#include <linux/btf.h>
#include <stdlib.h>

#ifndef BTF_KIND_ENUM64
#define BTF_KIND_ENUM64	19
#endif

#define BTF_CHAIN_MAX	32	/* modifiers and arrays around one type */
#define BTF_NEST_MAX	64	/* anonymous members waiting to be searched */
#define BTF_VISIT_MAX	65536	/* members looked at in one search */
#define BTF_NAME_MAX	64

struct btf {
	struct types types;
	const u8 *records;
	const char *strings;
	u32 records_len;
	u32 strings_len;
	u32 *starts;		/* by type id; [0] is void */
	u32 nr_types;		/* ids run from 1 to nr_types - 1 */
	char known_name[BTF_NAME_MAX];	/* the structure found last */
	u32 known_id;
};

/* A member found: its type, and its place from the start of the structure. */
struct btf_hit {
	u64 bit_offset;
	u32 type;
	u32 bitfield_width;	/* 0: as wide as its type */
};

/* A search through one structure and its anonymous members. */
struct btf_search {
	const char *name;
	size_t len;
	u32 budget;
	u32 depth;
	struct {
		u64 bit_offset;
		u32 id;
	} todo[BTF_NEST_MAX];
};

static struct btf *to_btf(struct types *types)
{
	return container_of(types, struct btf, types);
}

static u32 record_kind(const struct btf_type *type)
{
	return BTF_INFO_KIND(type->info);
}

static u32 record_vlen(const struct btf_type *type)
{
	return BTF_INFO_VLEN(type->info);
}

static bool is_composite(const struct btf_type *type)
{
	return record_kind(type) == BTF_KIND_STRUCT ||
	       record_kind(type) == BTF_KIND_UNION;
}

/* Bytes that follow a record's head, or -EUCLEAN for an unknown kind. */
static s64 record_tail(const struct btf_type *type)
{
	static const struct {
		u8 known, fixed, each;
	} tails[] = {
		[BTF_KIND_INT] = { 1, 4, 0 },
		[BTF_KIND_PTR] = { 1, 0, 0 },
		[BTF_KIND_ARRAY] = { 1, sizeof(struct btf_array), 0 },
		[BTF_KIND_STRUCT] = { 1, 0, sizeof(struct btf_member) },
		[BTF_KIND_UNION] = { 1, 0, sizeof(struct btf_member) },
		[BTF_KIND_ENUM] = { 1, 0, sizeof(struct btf_enum) },
		[BTF_KIND_FWD] = { 1, 0, 0 },
		[BTF_KIND_TYPEDEF] = { 1, 0, 0 },
		[BTF_KIND_VOLATILE] = { 1, 0, 0 },
		[BTF_KIND_CONST] = { 1, 0, 0 },
		[BTF_KIND_RESTRICT] = { 1, 0, 0 },
		[BTF_KIND_FUNC] = { 1, 0, 0 },
		[BTF_KIND_FUNC_PROTO] = { 1, 0, sizeof(struct btf_param) },
		[BTF_KIND_VAR] = { 1, 4, 0 },
		[BTF_KIND_DATASEC] = { 1, 0, sizeof(struct btf_var_secinfo) },
		[BTF_KIND_FLOAT] = { 1, 0, 0 },
		[BTF_KIND_DECL_TAG] = { 1, 4, 0 },
		[BTF_KIND_TYPE_TAG] = { 1, 0, 0 },
		[BTF_KIND_ENUM64] = { 1, 0, 12 },
	};
	u32 kind = record_kind(type);

	if (kind >= ARRAY_SIZE(tails) || !tails[kind].known)
		return -EUCLEAN;
	return tails[kind].fixed + (s64)tails[kind].each * record_vlen(type);
}

/* Entry @index of @size bytes behind a record; checked by the first pass. */
static void record_entry(const struct btf *btf, u32 id, u32 index, void *ret,
			 size_t size)
{
	memcpy(ret, btf->records + btf->starts[id] + sizeof(struct btf_type) +
			    index * size, size);
}

static int record_read(const struct btf *btf, u32 id, struct btf_type *ret)
{
	if (!id || id >= btf->nr_types)
		return -EUCLEAN;
	memcpy(ret, btf->records + btf->starts[id], sizeof(*ret));
	return 0;
}

/* Whether the name at @at is the @len bytes of @name. */
static bool name_is(const struct btf *btf, u32 at, const char *name, size_t len)
{
	return btf->strings_len - at > len &&
	       !memcmp(btf->strings + at, name, len) &&
	       !btf->strings[at + len];
}

/* The first pass. */
static int records_index(struct btf *btf)
{
	struct btf_type type;
	u32 at = 0;
	s64 tail;

	btf->nr_types = 1;
	while (at < btf->records_len) {
		if (btf->records_len - at < sizeof(type))
			return -EUCLEAN;
		memcpy(&type, btf->records + at, sizeof(type));
		tail = record_tail(&type);
		if (tail < 0 || type.name_off >= btf->strings_len ||
		    tail > btf->records_len - at - (s64)sizeof(type))
			return -EUCLEAN;
		btf->starts[btf->nr_types++] = at;
		at += sizeof(type) + tail;
	}
	return 0;
}

static bool part_ok(u64 start, u64 part_len, u64 len)
{
	return start <= len && part_len <= len - start;
}

/* Find the two parts of the file. */
static int header_parse(struct btf *btf, const u8 *data, size_t len)
{
	struct btf_header header;
	u64 types_at, strings_at;

	if (len < sizeof(header))
		return -EINVAL;
	memcpy(&header, data, sizeof(header));
	if (header.magic != BTF_MAGIC || header.version != BTF_VERSION)
		return -EINVAL;
	types_at = (u64)header.hdr_len + header.type_off;
	strings_at = (u64)header.hdr_len + header.str_off;
	if (header.hdr_len < sizeof(header) || !header.str_len ||
	    !part_ok(types_at, header.type_len, len) ||
	    !part_ok(strings_at, header.str_len, len) ||
	    data[strings_at] || data[strings_at + header.str_len - 1])
		return -EUCLEAN;
	btf->records = data + types_at;
	btf->records_len = header.type_len;
	btf->strings = (const char *)data + strings_at;
	btf->strings_len = header.str_len;
	return 0;
}

/*
 * Find the definition of struct @name. Two definitions that differ in size
 * are two structures: which one is meant cannot be told, so there is none.
 */
static int struct_find(struct btf *btf, const char *name, u32 *ret)
{
	size_t len = strlen(name);
	struct btf_type type;
	u32 found = 0, size = 0;
	u32 id;

	if (btf->known_id && !strcmp(btf->known_name, name)) {
		*ret = btf->known_id;
		return 0;
	}
	for (id = 1; id < btf->nr_types; id++) {
		memcpy(&type, btf->records + btf->starts[id], sizeof(type));
		if (record_kind(&type) != BTF_KIND_STRUCT ||
		    !name_is(btf, type.name_off, name, len))
			continue;
		if (found && type.size != size)
			return -ENOENT;
		found = found ? found : id;
		size = type.size;
	}
	if (!found)
		return -ENOENT;
	if (len < sizeof(btf->known_name)) {
		memcpy(btf->known_name, name, len + 1);
		btf->known_id = found;
	}
	*ret = found;
	return 0;
}

/* Look through typedefs and qualifiers. */
static int type_strip(const struct btf *btf, u32 *id, struct btf_type *ret)
{
	u32 i;

	for (i = 0; i < BTF_CHAIN_MAX; i++) {
		if (record_read(btf, *id, ret) < 0)
			return -EUCLEAN;
		switch (record_kind(ret)) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_CONST:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPE_TAG:
			*id = ret->type;
			break;
		default:
			return 0;
		}
	}
	return -EUCLEAN;
}

/* Width in bits of a type that is no array. */
static int scalar_width(const struct btf_type *type, u64 *ret)
{
	switch (record_kind(type)) {
	case BTF_KIND_INT:
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
	case BTF_KIND_FLOAT:
		*ret = type->size * 8ull;
		return 0;
	case BTF_KIND_PTR:
		*ret = 64;
		return 0;
	default:
		return -EUCLEAN;
	}
}

/* Width in bits of any type: elements are multiplied on the way down. */
static int type_width(const struct btf *btf, u32 id, u32 *ret)
{
	struct btf_array array;
	struct btf_type type;
	u64 elements = 1, width;
	u32 i;

	for (i = 0; i < BTF_CHAIN_MAX; i++) {
		if (type_strip(btf, &id, &type) < 0)
			return -EUCLEAN;
		if (record_kind(&type) != BTF_KIND_ARRAY)
			break;
		record_entry(btf, id, 0, &array, sizeof(array));
		elements *= array.nelems;
		if (elements > U32_MAX)
			return -EUCLEAN;
		id = array.type;
	}
	if (i == BTF_CHAIN_MAX || scalar_width(&type, &width) < 0 ||
	    check_mul_overflow(width, elements, &width) || width > U32_MAX)
		return -EUCLEAN;
	*ret = width;
	return 0;
}

/*
 * Offset and width of a bitfield, in either of BTF's ways: in the member
 * (kind_flag), or in the integer that is its type.
 */
static void member_place(const struct btf *btf, const struct btf_type *parent,
			 const struct btf_member *member, struct btf_hit *ret)
{
	struct btf_type type;
	u32 id = member->type;
	u32 encoding;

	ret->type = id;
	ret->bitfield_width = 0;
	ret->bit_offset = member->offset;
	if (BTF_INFO_KFLAG(parent->info)) {
		ret->bit_offset = BTF_MEMBER_BIT_OFFSET(member->offset);
		ret->bitfield_width = BTF_MEMBER_BITFIELD_SIZE(member->offset);
		return;
	}
	if (type_strip(btf, &id, &type) < 0 ||
	    record_kind(&type) != BTF_KIND_INT)
		return;
	record_entry(btf, id, 0, &encoding, sizeof(encoding));
	if (BTF_INT_BITS(encoding) == type.size * 8ull)
		return;
	ret->bit_offset += BTF_INT_OFFSET(encoding);
	ret->bitfield_width = BTF_INT_BITS(encoding);
}

/* An anonymous member: put it on the list if it is a struct or union. */
static int search_later(const struct btf *btf, struct btf_search *search,
			u32 id, u64 bit_offset)
{
	struct btf_type type;

	if (type_strip(btf, &id, &type) < 0)
		return -EUCLEAN;
	if (!is_composite(&type))
		return 0;
	if (search->depth == BTF_NEST_MAX)
		return -EUCLEAN;
	search->todo[search->depth].id = id;
	search->todo[search->depth].bit_offset = bit_offset;
	search->depth++;
	return 0;
}

/* Search the members of one structure. Return: 0 found, -ENOENT, -EUCLEAN. */
static int search_struct(const struct btf *btf, struct btf_search *search,
			 u32 id, u64 base, struct btf_hit *ret)
{
	struct btf_member member;
	struct btf_type type;
	u32 i;

	if (record_read(btf, id, &type) < 0 || !is_composite(&type))
		return -EUCLEAN;
	for (i = 0; i < record_vlen(&type); i++) {
		if (!search->budget--)
			return -EUCLEAN;
		record_entry(btf, id, i, &member, sizeof(member));
		if (member.name_off >= btf->strings_len)
			return -EUCLEAN;
		member_place(btf, &type, &member, ret);
		ret->bit_offset += base;
		if (name_is(btf, member.name_off, search->name, search->len))
			return 0;
		if (btf->strings[member.name_off])
			continue;
		if (search_later(btf, search, member.type, ret->bit_offset) < 0)
			return -EUCLEAN;
	}
	return -ENOENT;
}

/* Find member @name of struct @id, inside anonymous members too. */
static int member_find(const struct btf *btf, u32 id, const char *name,
		       size_t len, struct btf_hit *ret)
{
	struct btf_search search = {
		.name = name, .len = len, .budget = BTF_VISIT_MAX,
		.todo = { { .id = id } }, .depth = 1,
	};
	int r = -ENOENT;

	while (search.depth && r == -ENOENT) {
		search.depth--;
		r = search_struct(btf, &search, search.todo[search.depth].id,
				  search.todo[search.depth].bit_offset, ret);
	}
	return r;
}

/* One step of a path: from struct *id to its member, which must fit into it. */
static int path_step(const struct btf *btf, u32 *id, const char *name,
		     size_t len, struct type_member *ret)
{
	struct btf_type type;
	struct btf_hit hit;
	u32 width;
	int r;

	if (type_strip(btf, id, &type) < 0)
		return -EUCLEAN;
	if (!is_composite(&type))
		return -ENOENT;
	r = member_find(btf, *id, name, len, &hit);
	if (r < 0)
		return r;
	if (type_width(btf, hit.type, &width) < 0)
		return -EUCLEAN;
	width = hit.bitfield_width ? hit.bitfield_width : width;
	if (hit.bit_offset + width > type.size * 8ull)
		return -EUCLEAN;
	ret->bit_offset += hit.bit_offset;
	ret->width = width;
	*id = hit.type;
	return 0;
}

static int btf_member_op(struct types *types, const char *name,
			 const char *path, struct type_member *ret)
{
	struct type_member member = { 0 };
	struct btf *btf = to_btf(types);
	size_t len;
	u32 id;
	int r;

	r = struct_find(btf, name, &id);
	if (r < 0)
		return r;
	for (; *path; path += len + (path[len] == '.')) {
		len = strcspn(path, ".");
		r = path_step(btf, &id, path, len, &member);
		if (r < 0)
			return r;
	}
	*ret = member;
	return 0;
}

static int btf_size_op(struct types *types, const char *name, u64 *ret)
{
	struct btf *btf = to_btf(types);
	struct btf_type type;
	u32 id;
	int r;

	r = struct_find(btf, name, &id);
	if (r < 0)
		return r;
	r = record_read(btf, id, &type);
	if (r < 0)
		return r;
	*ret = type.size;
	return 0;
}

/* Look for an enumerator in one record. Return: 0, -ENOENT or -EUCLEAN. */
static int enum_search(const struct btf *btf, u32 id, const char *name,
		       size_t len, u64 *ret)
{
	struct btf_type type;
	u32 entry[3] = { 0 };	/* name, value, value's high half (enum64) */
	u32 words, i;

	memcpy(&type, btf->records + btf->starts[id], sizeof(type));
	if (record_kind(&type) != BTF_KIND_ENUM &&
	    record_kind(&type) != BTF_KIND_ENUM64)
		return -ENOENT;
	words = record_kind(&type) == BTF_KIND_ENUM ? 2 : 3;
	for (i = 0; i < record_vlen(&type); i++) {
		record_entry(btf, id, i, entry, words * sizeof(u32));
		if (entry[0] >= btf->strings_len)
			return -EUCLEAN;
		if (!name_is(btf, entry[0], name, len))
			continue;
		*ret = entry[1] | (u64)entry[2] << 32;
		return 0;
	}
	return -ENOENT;
}

static int btf_constant_op(struct types *types, const char *name, u64 *ret)
{
	struct btf *btf = to_btf(types);
	size_t len = strlen(name);
	u32 id;
	int r;

	for (id = 1; id < btf->nr_types; id++) {
		r = enum_search(btf, id, name, len, ret);
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

static void btf_destroy_op(struct types *types)
{
	struct btf *btf = to_btf(types);

	free(btf->starts);
	free(btf);
}

static const struct types_ops btf_ops = {
	.member = btf_member_op,
	.size = btf_size_op,
	.constant = btf_constant_op,
	.destroy = btf_destroy_op,
};

static int btf_parse(struct btf *btf, const void *data, size_t len)
{
	int r;

	r = header_parse(btf, data, len);
	if (r < 0)
		return r;
	/* The smallest record is a head alone; id 0 has no record. */
	btf->starts = malloc((btf->records_len / sizeof(struct btf_type) + 2) *
			     sizeof(*btf->starts));
	return btf->starts ? records_index(btf) : -ENOMEM;
}

int types_btf_create(const void *data, size_t len, struct types **ret)
{
	struct btf *btf;
	int r;

	btf = calloc(1, sizeof(*btf));
	if (!btf)
		return -ENOMEM;
	btf->types.ops = &btf_ops;
	btf->types.source = MONARCH_SOURCE_BTF;
	r = btf_parse(btf, data, len);
	if (r < 0) {
		btf_destroy_op(&btf->types);
		return r;
	}
	*ret = &btf->types;
	return 0;
}
