/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes DWARF 4 by hand, DIE by DIE, for what no compiler would make.
 */
#ifndef TEST_UNIT_DWARF_MAKER_H
#define TEST_UNIT_DWARF_MAKER_H

#include "elf_maker.h"

#include <libdwarf/dwarf.h>

#define UNIT_HEADER	11	/* bytes before the first DIE */

/* Abbreviations: one per kind of DIE that is written here. */
enum abbrev {
	UNIT = 1, STRUCT, ANON_STRUCT, UNION, MEMBER, ANON_MEMBER, BASE,
	TYPEDEF, DECLARED, ARRAY, SUBRANGE, STRUCT_SIBLING, BITFIELD,
	OLD_BITFIELD, ENUM, ENUMERATOR, UNTYPED_MEMBER, POINTER, BLOCK_MEMBER,
};

#define ABBREV(code, tag, children, ...) \
	code, tag, children, ##__VA_ARGS__, 0, 0

static const unsigned char dwarf_abbrevs[] = {
	ABBREV(UNIT, DW_TAG_compile_unit, 1),
	ABBREV(STRUCT, DW_TAG_structure_type, 1, DW_AT_name, DW_FORM_string,
	       DW_AT_byte_size, DW_FORM_udata),
	ABBREV(ANON_STRUCT, DW_TAG_structure_type, 1,
	       DW_AT_byte_size, DW_FORM_udata),
	ABBREV(UNION, DW_TAG_union_type, 1, DW_AT_byte_size, DW_FORM_udata),
	ABBREV(MEMBER, DW_TAG_member, 0, DW_AT_name, DW_FORM_string,
	       DW_AT_type, DW_FORM_ref4,
	       DW_AT_data_member_location, DW_FORM_udata),
	ABBREV(ANON_MEMBER, DW_TAG_member, 0, DW_AT_type, DW_FORM_ref4,
	       DW_AT_data_member_location, DW_FORM_udata),
	ABBREV(BASE, DW_TAG_base_type, 0, DW_AT_byte_size, DW_FORM_udata),
	ABBREV(TYPEDEF, DW_TAG_typedef, 0, DW_AT_type, DW_FORM_ref4),
	ABBREV(DECLARED, DW_TAG_structure_type, 0, DW_AT_name, DW_FORM_string,
	       DW_AT_declaration, DW_FORM_flag_present),
	ABBREV(ARRAY, DW_TAG_array_type, 1, DW_AT_type, DW_FORM_ref4),
	ABBREV(SUBRANGE, DW_TAG_subrange_type, 0,
	       DW_AT_upper_bound, DW_FORM_udata),
	ABBREV(STRUCT_SIBLING, DW_TAG_structure_type, 1,
	       DW_AT_name, DW_FORM_string, DW_AT_byte_size, DW_FORM_udata,
	       DW_AT_sibling, DW_FORM_ref4),
	ABBREV(BITFIELD, DW_TAG_member, 0, DW_AT_name, DW_FORM_string,
	       DW_AT_type, DW_FORM_ref4, DW_AT_bit_size, DW_FORM_udata,
	       DW_AT_data_bit_offset, DW_FORM_udata),
	ABBREV(OLD_BITFIELD, DW_TAG_member, 0, DW_AT_name, DW_FORM_string,
	       DW_AT_type, DW_FORM_ref4,
	       DW_AT_data_member_location, DW_FORM_udata,
	       DW_AT_bit_size, DW_FORM_udata, DW_AT_bit_offset, DW_FORM_udata,
	       DW_AT_byte_size, DW_FORM_udata),
	ABBREV(ENUM, DW_TAG_enumeration_type, 1,
	       DW_AT_byte_size, DW_FORM_udata),
	ABBREV(ENUMERATOR, DW_TAG_enumerator, 0, DW_AT_name, DW_FORM_string,
	       DW_AT_const_value, DW_FORM_udata),
	ABBREV(UNTYPED_MEMBER, DW_TAG_member, 0, DW_AT_name, DW_FORM_string,
	       DW_AT_data_member_location, DW_FORM_udata),
	ABBREV(POINTER, DW_TAG_pointer_type, 0),
	ABBREV(BLOCK_MEMBER, DW_TAG_member, 0, DW_AT_name, DW_FORM_string,
	       DW_AT_type, DW_FORM_ref4,
	       DW_AT_data_member_location, DW_FORM_block1),
	0,
};

/* .debug_info under construction. */
struct dwarf_maker {
	unsigned char info[8192];
	size_t len;
};

static inline void info_byte(struct dwarf_maker *dwarf, unsigned char byte)
{
	if (dwarf->len == sizeof(dwarf->info))
		_exit(98);
	dwarf->info[dwarf->len++] = byte;
}

static inline void info_udata(struct dwarf_maker *dwarf,
			      unsigned long long value)
{
	for (; value > 0x7f; value >>= 7)
		info_byte(dwarf, 0x80 | (value & 0x7f));
	info_byte(dwarf, value);
}

static inline void info_u32(struct dwarf_maker *dwarf, unsigned int value)
{
	int i;

	for (i = 0; i < 4; i++)
		info_byte(dwarf, value >> 8 * i);
}

static inline void info_text(struct dwarf_maker *dwarf, const char *text)
{
	do
		info_byte(dwarf, *text);
	while (*text++);
}

static inline void dwarf_start(struct dwarf_maker *dwarf)
{
	memset(dwarf, 0, sizeof(*dwarf));
	info_u32(dwarf, 0);	/* length: by dwarf_finish_fd() */
	info_byte(dwarf, 4);
	info_byte(dwarf, 0);
	info_u32(dwarf, 0);
	info_byte(dwarf, 8);
	info_byte(dwarf, UNIT);
}

/* Start a DIE. Return: its offset, for references to it. */
static inline unsigned int die(struct dwarf_maker *dwarf, enum abbrev abbrev)
{
	unsigned int at = dwarf->len;

	info_byte(dwarf, abbrev);
	return at;
}

static inline unsigned int die_struct(struct dwarf_maker *dwarf,
				      const char *name, unsigned int bytes)
{
	unsigned int at = die(dwarf, STRUCT);

	info_text(dwarf, name);
	info_udata(dwarf, bytes);
	return at;
}

/* One of the kinds that have just a size. */
static inline unsigned int die_sized(struct dwarf_maker *dwarf,
				     enum abbrev abbrev, unsigned int bytes)
{
	unsigned int at = die(dwarf, abbrev);

	info_udata(dwarf, bytes);
	return at;
}

static inline void die_member(struct dwarf_maker *dwarf, const char *name,
			      unsigned int type, unsigned long long offset)
{
	die(dwarf, *name ? MEMBER : ANON_MEMBER);
	if (*name)
		info_text(dwarf, name);
	info_u32(dwarf, type);
	info_udata(dwarf, offset);
}

static inline unsigned int die_typed(struct dwarf_maker *dwarf,
				     enum abbrev abbrev, unsigned int type)
{
	unsigned int at = die(dwarf, abbrev);

	info_u32(dwarf, type);
	return at;
}

/* The end of a DIE's children. */
static inline void die_end(struct dwarf_maker *dwarf)
{
	info_byte(dwarf, 0);
}

static inline int dwarf_finish_fd(struct dwarf_maker *dwarf)
{
	unsigned int length;
	struct elf_part parts[] = {
		{ ".debug_info", dwarf->info, 0,
		  { .sh_type = SHT_PROGBITS } },
		{ ".debug_abbrev", dwarf_abbrevs, sizeof(dwarf_abbrevs),
		  { .sh_type = SHT_PROGBITS } },
	};

	die_end(dwarf);		/* of the unit */
	parts[0].len = dwarf->len;
	length = dwarf->len - 4;
	memcpy(dwarf->info, &length, sizeof(length));
	return elf_make(parts, 2);
}

#endif /* TEST_UNIT_DWARF_MAKER_H */
