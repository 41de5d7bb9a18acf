// SPDX-License-Identifier: GPL-2.0-only
/*
 * DWARF, through libdwarf. A kernel's DWARF is some 3000 compilation units and
 * hundreds of megabytes, of which about a dozen structures are wanted: units
 * are gone through only until each of those was met as a complete definition;
 * their places are kept and members are then looked up in them alone.
 *
 * The file may lie. Siblings must come in ascending order (else DW_AT_sibling
 * makes a loop), chains of types and nested anonymous members have a bound.
 * libdwarf itself is not hardened: see types_dwarf_create() in types.h.
 */
#include "types.h"

#include <libdwarf/dwarf.h>
#include <libdwarf/libdwarf.h>
#include <stdlib.h>

#define DW_WANTED_MAX	64	/* names looked for in one file */
#define DW_NAME_MAX	64
#define DW_CHAIN_MAX	32	/* modifiers and arrays around one type */
#define DW_NEST_MAX	64	/* anonymous members waiting to be searched */
#define DW_VISIT_MAX	65536	/* members looked at in one search */

/**
 * struct dw_wanted - a structure or an enumerator looked for
 * @searched: every unit was gone through, or it was found before the end
 * @offset: of its DIE (structures)
 */
struct dw_wanted {
	char name[DW_NAME_MAX];
	bool enumerator;
	bool found;
	bool searched;
	Dwarf_Off offset;
	u64 value;
};

struct dw {
	struct types types;
	Dwarf_Debug dbg;
	Dwarf_Error error;	/* libdwarf frees it in dwarf_finish() */
	struct dw_wanted wanted[DW_WANTED_MAX];
	u32 nr_wanted;
};

struct dw_hit {
	u64 bit_offset;
	u32 width;
	Dwarf_Off type;
};

struct dw_search {
	const char *name;
	size_t len;
	u32 budget;
	u32 depth;
	struct {
		u64 bit_offset;
		Dwarf_Off offset;
	} todo[DW_NEST_MAX];
};

static void die_free(Dwarf_Die *die)
{
	if (*die)
		dwarf_dealloc_die(*die);
}

static void attribute_free(Dwarf_Attribute *attribute)
{
	if (*attribute)
		dwarf_dealloc_attribute(*attribute);
}

#define __free_die		__attribute__((__cleanup__(die_free)))
#define __free_attribute	__attribute__((__cleanup__(attribute_free)))

static struct dw *to_dw(struct types *types)
{
	return container_of(types, struct dw, types);
}

/* libdwarf's answers as ours. */
static int dw_result(int result)
{
	return result == DW_DLV_OK ? 0 :
	       result == DW_DLV_NO_ENTRY ? -ENOENT : -EUCLEAN;
}

static int die_open(struct dw *dw, Dwarf_Off offset, Dwarf_Die *ret)
{
	*ret = NULL;
	/* A reference to nothing is damage, not absence. */
	return dwarf_offdie_b(dw->dbg, offset, true, ret, &dw->error) ==
			       DW_DLV_OK ? 0 : -EUCLEAN;
}

static Dwarf_Half die_tag(struct dw *dw, Dwarf_Die die)
{
	Dwarf_Half tag;

	return dwarf_tag(die, &tag, &dw->error) == DW_DLV_OK ? tag : 0;
}

/* A DIE's name, "" if it has none. */
static const char *die_name(struct dw *dw, Dwarf_Die die)
{
	char *name = NULL;

	if (dwarf_diename(die, &name, &dw->error) != DW_DLV_OK || !name)
		return "";
	return name;
}

static bool die_has(struct dw *dw, Dwarf_Die die, Dwarf_Half attr)
{
	Dwarf_Bool has = false;

	return dwarf_hasattr(die, attr, &has, &dw->error) == DW_DLV_OK && has;
}

/* An attribute that is a constant. Return: 0, -ENOENT, -EUCLEAN. */
static int die_number(struct dw *dw, Dwarf_Die die, Dwarf_Half attr, u64 *ret)
{
	__free_attribute Dwarf_Attribute attribute = NULL;
	Dwarf_Unsigned value;
	Dwarf_Signed sdata;
	int r;

	r = dw_result(dwarf_attr(die, attr, &attribute, &dw->error));
	if (r < 0)
		return r;
	if (dwarf_formudata(attribute, &value, &dw->error) == DW_DLV_OK) {
		*ret = value;
		return 0;
	}
	if (dwarf_formsdata(attribute, &sdata, &dw->error) != DW_DLV_OK)
		return -EUCLEAN;
	*ret = sdata;
	return 0;
}

/* The type that a DIE refers to. Return: 0, -ENOENT (void), -EUCLEAN. */
static int die_type(struct dw *dw, Dwarf_Die die, Dwarf_Off *ret)
{
	__free_attribute Dwarf_Attribute attribute = NULL;
	int r;

	r = dw_result(dwarf_attr(die, DW_AT_type, &attribute, &dw->error));
	if (r < 0)
		return r;
	r = dwarf_global_formref(attribute, ret, &dw->error);
	return r == DW_DLV_OK ? 0 : -EUCLEAN;
}

static int die_child(struct dw *dw, Dwarf_Die die, Dwarf_Die *ret)
{
	*ret = NULL;
	return dw_result(dwarf_child(die, ret, &dw->error));
}

/* Replace *die by its sibling, which must lie behind it. */
static int die_next(struct dw *dw, Dwarf_Die *die)
{
	Dwarf_Off before = 0, after = 0;
	Dwarf_Die next = NULL;
	int r;

	r = dw_result(dwarf_siblingof_b(dw->dbg, *die, true, &next,
					&dw->error));
	if (r < 0)
		return r;
	if (dwarf_dieoffset(*die, &before, &dw->error) != DW_DLV_OK ||
	    dwarf_dieoffset(next, &after, &dw->error) != DW_DLV_OK ||
	    after <= before) {
		dwarf_dealloc_die(next);
		return -EUCLEAN;
	}
	dwarf_dealloc_die(*die);
	*die = next;
	return 0;
}

static bool is_composite(Dwarf_Half tag)
{
	return tag == DW_TAG_structure_type || tag == DW_TAG_union_type;
}

static bool is_modifier(Dwarf_Half tag)
{
	return tag == DW_TAG_typedef || tag == DW_TAG_const_type ||
	       tag == DW_TAG_volatile_type || tag == DW_TAG_restrict_type ||
	       tag == DW_TAG_atomic_type;
}

/* Finding the wanted structures and enumerators. */

static struct dw_wanted *wanted_get(struct dw *dw, const char *name,
				    bool enumerator)
{
	u32 i;

	for (i = 0; i < dw->nr_wanted; i++) {
		if (dw->wanted[i].enumerator == enumerator &&
		    !strcmp(dw->wanted[i].name, name))
			return &dw->wanted[i];
	}
	return NULL;
}

static struct dw_wanted *wanted_add(struct dw *dw, const char *name,
				    bool enumerator)
{
	struct dw_wanted *wanted = wanted_get(dw, name, enumerator);

	if (wanted)
		return wanted;
	if (dw->nr_wanted == DW_WANTED_MAX || strlen(name) >= DW_NAME_MAX)
		return NULL;
	wanted = &dw->wanted[dw->nr_wanted++];
	memcpy(wanted->name, name, strlen(name) + 1);
	wanted->enumerator = enumerator;
	return wanted;
}

/* How many are still to be found. */
static u32 wanted_open(const struct dw *dw, bool enumerators)
{
	u32 nr = 0;
	u32 i;

	for (i = 0; i < dw->nr_wanted; i++)
		nr += !dw->wanted[i].found &&
		      dw->wanted[i].enumerator == enumerators;
	return nr;
}

static int structure_note(struct dw *dw, Dwarf_Die die)
{
	struct dw_wanted *wanted;

	wanted = wanted_get(dw, die_name(dw, die), false);
	if (!wanted || wanted->found || die_has(dw, die, DW_AT_declaration))
		return 0;
	if (dwarf_dieoffset(die, &wanted->offset, &dw->error) != DW_DLV_OK)
		return -EUCLEAN;
	wanted->found = true;
	return 0;
}

static int enumerators_note(struct dw *dw, Dwarf_Die die)
{
	__free_die Dwarf_Die child = NULL;
	struct dw_wanted *wanted;
	int r;

	for (r = die_child(dw, die, &child); !r; r = die_next(dw, &child)) {
		wanted = wanted_get(dw, die_name(dw, child), true);
		if (!wanted || wanted->found)
			continue;
		if (die_number(dw, child, DW_AT_const_value,
			       &wanted->value) < 0)
			return -EUCLEAN;
		wanted->found = true;
	}
	return r == -ENOENT ? 0 : r;
}

/* Note what is wanted among a unit's top-level DIEs. */
static int unit_scan(struct dw *dw, Dwarf_Die unit)
{
	bool enumerators = wanted_open(dw, true) != 0;
	__free_die Dwarf_Die die = NULL;
	Dwarf_Half tag;
	int r;

	for (r = die_child(dw, unit, &die); !r; r = die_next(dw, &die)) {
		tag = die_tag(dw, die);
		if (tag == DW_TAG_structure_type)
			r = structure_note(dw, die);
		else if (tag == DW_TAG_enumeration_type && enumerators)
			r = enumerators_note(dw, die);
		if (r < 0)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

/* Go to the next unit. Return: 0, -ENOENT after the last, -EUCLEAN. */
static int unit_next(struct dw *dw)
{
	Dwarf_Unsigned length, type_offset, next;
	Dwarf_Half version, address_size, length_size, extension_size, unit;
	Dwarf_Sig8 signature;
	Dwarf_Off abbrev;

	return dw_result(dwarf_next_cu_header_d(dw->dbg, true, &length,
			&version, &abbrev, &address_size, &length_size,
			&extension_size, &signature, &type_offset, &next,
			&unit, &dw->error));
}

static int unit_visit(struct dw *dw)
{
	__free_die Dwarf_Die unit = NULL;
	int r;

	r = dw_result(dwarf_siblingof_b(dw->dbg, NULL, true, &unit,
					&dw->error));
	return r < 0 ? -EUCLEAN : unit_scan(dw, unit);
}

/* Look for everything that is wanted and was not searched for. */
static int units_scan(struct dw *dw)
{
	u32 i;
	int r;

	for (r = unit_next(dw); !r; r = unit_next(dw)) {
		/* All found: go on over the heads, which rewinds libdwarf. */
		if (!wanted_open(dw, false) && !wanted_open(dw, true))
			continue;
		r = unit_visit(dw);
		if (r < 0)
			return r;
	}
	if (r != -ENOENT)
		return r;
	for (i = 0; i < dw->nr_wanted; i++)
		dw->wanted[i].searched = true;
	return 0;
}

static int wanted_find(struct dw *dw, const char *name, bool enumerator,
		       const struct dw_wanted **ret)
{
	struct dw_wanted *wanted = wanted_add(dw, name, enumerator);
	int r;

	if (!wanted)
		return -ENOENT;
	if (!wanted->searched) {
		r = units_scan(dw);
		if (r < 0)
			return r;
	}
	if (!wanted->found)
		return -ENOENT;
	*ret = wanted;
	return 0;
}

/* Types of members. */

/* Follow typedefs and qualifiers from *offset; *ret is the type found. */
static int type_strip(struct dw *dw, Dwarf_Off *offset, Dwarf_Die *ret)
{
	u32 i;

	for (i = 0; i < DW_CHAIN_MAX; i++) {
		__free_die Dwarf_Die die = NULL;

		if (die_open(dw, *offset, &die) < 0)
			return -EUCLEAN;
		if (!is_modifier(die_tag(dw, die))) {
			*ret = die;
			die = NULL;
			return 0;
		}
		if (die_type(dw, die, offset) < 0)
			return -EUCLEAN;
	}
	return -EUCLEAN;
}

/* Elements of one dimension; 0 for "[]" and "[0]", whose bound is absent or -1. */
static u64 subrange_elements(struct dw *dw, Dwarf_Die die)
{
	u64 value;

	if (die_number(dw, die, DW_AT_count, &value) == 0)
		return value;
	if (die_number(dw, die, DW_AT_upper_bound, &value) == 0)
		return value + 1;
	return 0;
}

/* Elements of all dimensions together. */
static int array_elements(struct dw *dw, Dwarf_Die die, u64 *ret)
{
	__free_die Dwarf_Die child = NULL;
	u64 elements = 1;
	int r;

	for (r = die_child(dw, die, &child); !r; r = die_next(dw, &child)) {
		if (die_tag(dw, child) == DW_TAG_subrange_type &&
		    check_mul_overflow(elements, subrange_elements(dw, child),
				       &elements))
			return -EUCLEAN;
	}
	*ret = elements;
	return r == -ENOENT ? 0 : r;
}

/* Width in bits of a type that is no array. */
static int scalar_width(struct dw *dw, Dwarf_Die die, u64 *ret)
{
	u64 bytes;
	int r;

	r = die_number(dw, die, DW_AT_byte_size, &bytes);
	if (r == -ENOENT && die_tag(dw, die) == DW_TAG_pointer_type)
		bytes = 8;
	else if (r < 0)
		return -EUCLEAN;
	return check_mul_overflow(bytes, (u64)8, ret) ? -EUCLEAN : 0;
}

/* Width in bits of the type at @offset. */
static int type_width(struct dw *dw, Dwarf_Off offset, u32 *ret)
{
	u64 elements = 1, dimension, width;
	u32 i;

	for (i = 0; i < DW_CHAIN_MAX; i++) {
		__free_die Dwarf_Die die = NULL;

		if (type_strip(dw, &offset, &die) < 0)
			return -EUCLEAN;
		if (die_tag(dw, die) != DW_TAG_array_type) {
			if (scalar_width(dw, die, &width) < 0 ||
			    check_mul_overflow(width, elements, &width) ||
			    width > U32_MAX)
				return -EUCLEAN;
			*ret = width;
			return 0;
		}
		if (array_elements(dw, die, &dimension) < 0 ||
		    check_mul_overflow(elements, dimension, &elements) ||
		    die_type(dw, die, &offset) < 0)
			return -EUCLEAN;
	}
	return -EUCLEAN;
}

/* Members. */

static int uleb_read(const u8 *at, size_t len, u64 *ret)
{
	u64 value = 0;
	size_t i;

	for (i = 0; i < len && i < 9; i++) {
		value |= (u64)(at[i] & 0x7f) << (7 * i);
		if (at[i] & 0x80)
			continue;
		*ret = value;
		return 0;
	}
	return -EUCLEAN;
}

/* DWARF 2 and 3 give a place as an expression: DW_OP_plus_uconst N. */
static int location_decode(struct dw *dw, Dwarf_Attribute attribute, u64 *ret)
{
	Dwarf_Block *block;
	int r = -EUCLEAN;

	if (dwarf_formblock(attribute, &block, &dw->error) != DW_DLV_OK)
		return -EUCLEAN;
	if (block->bl_len > 1 && *(u8 *)block->bl_data == DW_OP_plus_uconst)
		r = uleb_read((u8 *)block->bl_data + 1, block->bl_len - 1, ret);
	dwarf_dealloc(dw->dbg, block, DW_DLA_BLOCK);
	return r;
}

/* Byte offset of a member; members of a union have none: 0. */
static int member_location(struct dw *dw, Dwarf_Die die, u64 *ret)
{
	__free_attribute Dwarf_Attribute attribute = NULL;
	Dwarf_Unsigned value;
	int r;

	*ret = 0;
	r = dw_result(dwarf_attr(die, DW_AT_data_member_location, &attribute,
				 &dw->error));
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (dwarf_formudata(attribute, &value, &dw->error) != DW_DLV_OK)
		return location_decode(dw, attribute, ret);
	*ret = value;
	return 0;
}

/*
 * Where a bitfield starts. Since DWARF 4 that is said outright; before,
 * DW_AT_bit_offset counts from the top bit of the integer that holds it.
 */
static int bitfield_offset(struct dw *dw, Dwarf_Die die, u32 type_bits,
			   u32 width, u64 *ret)
{
	u64 byte, bit, storage, end;

	if (die_number(dw, die, DW_AT_data_bit_offset, ret) == 0)
		return 0;
	if (member_location(dw, die, &byte) < 0 || byte > U32_MAX)
		return -EUCLEAN;
	*ret = byte * 8;
	if (die_number(dw, die, DW_AT_bit_offset, &bit) < 0)
		return 0;
	if (die_number(dw, die, DW_AT_byte_size, &storage) < 0)
		storage = type_bits / 8;
	if (storage > 16 || bit > 128 || width > 128)
		return -EUCLEAN;
	end = bit + width;
	if (end > storage * 8)
		return -EUCLEAN;
	*ret += storage * 8 - end;
	return 0;
}

/* Place of a member from the start of its own structure. */
static int member_place(struct dw *dw, Dwarf_Die die, struct dw_hit *ret)
{
	u64 bits = 0, byte;

	if (die_type(dw, die, &ret->type) < 0 ||
	    type_width(dw, ret->type, &ret->width) < 0)
		return -EUCLEAN;
	if (die_number(dw, die, DW_AT_bit_size, &bits) == 0) {
		if (!bits || bits > 128)
			return -EUCLEAN;
		if (bitfield_offset(dw, die, ret->width, bits,
				    &ret->bit_offset) < 0)
			return -EUCLEAN;
		ret->width = bits;
	} else {
		if (member_location(dw, die, &byte) < 0 || byte > U32_MAX)
			return -EUCLEAN;
		ret->bit_offset = byte * 8;
	}
	return ret->bit_offset > U32_MAX * 8ull ? -EUCLEAN : 0;
}

/* An anonymous member: put it on the list if it is a struct or union. */
static int search_later(struct dw *dw, struct dw_search *search, Dwarf_Die die,
			u64 base)
{
	__free_die Dwarf_Die type = NULL;
	struct dw_hit hit;

	if (die_has(dw, die, DW_AT_bit_size))	/* padding */
		return 0;
	if (member_place(dw, die, &hit) < 0 ||
	    type_strip(dw, &hit.type, &type) < 0)
		return -EUCLEAN;
	if (!is_composite(die_tag(dw, type)))
		return 0;
	if (search->depth == DW_NEST_MAX)
		return -EUCLEAN;
	search->todo[search->depth].offset = hit.type;
	search->todo[search->depth].bit_offset = base + hit.bit_offset;
	search->depth++;
	return 0;
}

/* One member of a structure searched. Return: 0 it is the one, -ENOENT, ... */
static int search_member(struct dw *dw, struct dw_search *search,
			 Dwarf_Die die, u64 base, struct dw_hit *ret)
{
	const char *name;

	if (!search->budget--)
		return -EUCLEAN;
	if (die_tag(dw, die) != DW_TAG_member)
		return -ENOENT;
	name = die_name(dw, die);
	if (!*name) {
		if (search_later(dw, search, die, base) < 0)
			return -EUCLEAN;
		return -ENOENT;
	}
	if (strlen(name) != search->len ||
	    memcmp(name, search->name, search->len))
		return -ENOENT;
	if (member_place(dw, die, ret) < 0)
		return -EUCLEAN;
	ret->bit_offset += base;
	return 0;
}

/* Search the members of the structure at @offset. */
static int search_struct(struct dw *dw, struct dw_search *search,
			 Dwarf_Off offset, u64 base, struct dw_hit *ret)
{
	__free_die Dwarf_Die parent = NULL, die = NULL;
	int r;

	if (die_open(dw, offset, &parent) < 0)
		return -EUCLEAN;
	r = die_child(dw, parent, &die);
	while (!r) {
		r = search_member(dw, search, die, base, ret);
		if (r != -ENOENT)
			return r;
		r = die_next(dw, &die);
	}
	return r;
}

/* Find member @name of a struct, inside anonymous members too. */
static int member_find(struct dw *dw, Dwarf_Off offset, const char *name,
		       size_t len, struct dw_hit *ret)
{
	struct dw_search search = {
		.name = name, .len = len, .budget = DW_VISIT_MAX,
		.todo = { { .offset = offset } }, .depth = 1,
	};
	int r = -ENOENT;

	while (search.depth && r == -ENOENT) {
		search.depth--;
		r = search_struct(dw, &search,
				  search.todo[search.depth].offset,
				  search.todo[search.depth].bit_offset, ret);
	}
	return r;
}

/* One step of a path: from struct *offset to its member, which must fit. */
static int path_step(struct dw *dw, Dwarf_Off *offset, const char *name,
		     size_t len, struct type_member *ret)
{
	__free_die Dwarf_Die die = NULL;
	struct dw_hit hit;
	u64 size;
	int r;

	if (type_strip(dw, offset, &die) < 0)
		return -EUCLEAN;
	if (!is_composite(die_tag(dw, die)))
		return -ENOENT;
	r = member_find(dw, *offset, name, len, &hit);
	if (r < 0)
		return r;
	if (scalar_width(dw, die, &size) < 0 ||
	    hit.bit_offset + hit.width > size)
		return -EUCLEAN;
	ret->bit_offset += hit.bit_offset;
	ret->width = hit.width;
	*offset = hit.type;
	return 0;
}

static int dw_member_op(struct types *types, const char *name,
			const char *path, struct type_member *ret)
{
	struct type_member member = { 0 };
	const struct dw_wanted *wanted;
	struct dw *dw = to_dw(types);
	Dwarf_Off offset;
	size_t len;
	int r;

	r = wanted_find(dw, name, false, &wanted);
	if (r < 0)
		return r;
	offset = wanted->offset;
	for (; *path; path += len + (path[len] == '.')) {
		len = strcspn(path, ".");
		r = path_step(dw, &offset, path, len, &member);
		if (r < 0)
			return r;
	}
	*ret = member;
	return 0;
}

static int dw_size_op(struct types *types, const char *name, u64 *ret)
{
	const struct dw_wanted *wanted;
	__free_die Dwarf_Die die = NULL;
	struct dw *dw = to_dw(types);
	u64 size;
	int r;

	r = wanted_find(dw, name, false, &wanted);
	if (r < 0)
		return r;
	if (die_open(dw, wanted->offset, &die) < 0 ||
	    die_number(dw, die, DW_AT_byte_size, &size) < 0)
		return -EUCLEAN;
	*ret = size;
	return 0;
}

static int dw_constant_op(struct types *types, const char *name, u64 *ret)
{
	const struct dw_wanted *wanted;
	int r;

	r = wanted_find(to_dw(types), name, true, &wanted);
	if (r < 0)
		return r;
	*ret = wanted->value;
	return 0;
}

static void dw_destroy_op(struct types *types)
{
	struct dw *dw = to_dw(types);

	dwarf_finish(dw->dbg, &dw->error);
	free(dw);
}

static const struct types_ops dw_ops = {
	.member = dw_member_op,
	.size = dw_size_op,
	.constant = dw_constant_op,
	.destroy = dw_destroy_op,
};

/* What a layout is made of, so that one pass over the file finds all. */
static void wanted_prepare(struct dw *dw)
{
#define WANT_FIELD(nr, name, strct, member)	wanted_add(dw, strct, false);
	MONARCH_FIELDS(WANT_FIELD)
#define WANT_SIZE(nr, name, strct)		wanted_add(dw, strct, false);
	MONARCH_SIZES(WANT_SIZE)
	wanted_add(dw, "CSD_TYPE_TTWU", true);
}

int types_dwarf_create(int fd, struct types **ret)
{
	struct dw *dw;
	int r;

	if (elf_sections_fit(fd) < 0)
		return -EINVAL;
	dw = calloc(1, sizeof(*dw));
	if (!dw)
		return -ENOMEM;
	r = dwarf_init_b(fd, DW_DLC_READ, DW_GROUPNUMBER_ANY, NULL, NULL,
			 &dw->dbg, &dw->error);
	if (r != DW_DLV_OK) {
		if (r == DW_DLV_ERROR)
			dwarf_dealloc_error(NULL, dw->error);
		free(dw);
		return r == DW_DLV_NO_ENTRY ? -ENOENT : -EINVAL;
	}
	dw->types.ops = &dw_ops;
	dw->types.source = MONARCH_SOURCE_DWARF;
	wanted_prepare(dw);
	*ret = &dw->types;
	return 0;
}
