// SPDX-License-Identifier: GPL-2.0-only
/*
 * Our DWARF reader on top of a libdwarf that says whatever the input wants.
 *
 * Debian 12's libdwarf (20210528) does not end on some files: a nested
 * DW_AT_sibling that points to itself is enough (test/types/sibling-loop.s).
 * So monarch-guestinfo reads files in a child process with limits, which
 * scripts/check-types tests with that very file, and what is fuzzed here is
 * the part that is ours: each function of libdwarf that types/dwarf.c calls is
 * replaced by one that answers out of the input, any answer at any time:
 * cycles, references to nowhere, numbers of any size, errors. Handles are
 * counted, so that a leak or a use after free is a finding too.
 *
 * The input is records of 8 bytes, one per DIE, numbered from 1; the offset of
 * a DIE is its number.
 */
#include <libdwarf/dwarf.h>
#include <libdwarf/libdwarf.h>
#include <stdlib.h>

#include "../../guestinfo/types/types.h"
#include "../unit/elf_maker.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

struct record {
	u8 tag;			/* into tags[] */
	u8 name;		/* into names[] */
	u8 has;			/* bits: into attributes[] */
	u8 type, child, sibling;	/* numbers; 0: none, 255: an error */
	u8 number;		/* attributes that are numbers */
	u8 form;		/* how big, and as what */
};

struct Dwarf_Die_s {
	u32 at;
};

struct Dwarf_Attribute_s {
	u32 at;
	Dwarf_Half attribute;
};

static const struct record *records;
static u32 nr_records;
static u32 units_left;
static u32 live;

static const Dwarf_Half tags[] = {
	DW_TAG_structure_type, DW_TAG_member, DW_TAG_union_type,
	DW_TAG_base_type, DW_TAG_typedef, DW_TAG_const_type,
	DW_TAG_array_type, DW_TAG_subrange_type, DW_TAG_pointer_type,
	DW_TAG_enumeration_type, DW_TAG_enumerator, DW_TAG_variable,
};

static const char *const names[] = {
	"", "task_struct", "__state", "pid", "tasks", "se", "comm",
	"sum_exec_runtime", "cred", "uid", "val", "wake_entry", "u_flags",
	"rq", "spinlock", "raw_spinlock", "CSD_TYPE_TTWU", "frozen",
};

static const Dwarf_Half attributes[] = {
	DW_AT_type, DW_AT_byte_size, DW_AT_data_member_location,
	DW_AT_bit_size, DW_AT_data_bit_offset, DW_AT_bit_offset,
	DW_AT_upper_bound, DW_AT_declaration,
};

static const struct record *record(u32 at)
{
	return &records[at - 1];
}

static bool exists(u32 at)
{
	return at && at <= nr_records;
}

static void *handle(size_t size)
{
	live++;
	return calloc(1, size);
}

static void handle_free(void *handle_to_free)
{
	live--;
	free(handle_to_free);
}

/* A DIE by its number, as an answer of libdwarf. */
static int answer_die(u32 at, Dwarf_Die *ret)
{
	if (!at)
		return DW_DLV_NO_ENTRY;
	if (!exists(at))
		return DW_DLV_ERROR;
	*ret = handle(sizeof(**ret));
	(*ret)->at = at;
	return DW_DLV_OK;
}

static bool has_attribute(u32 at, Dwarf_Half attribute)
{
	u32 i;

	if (attribute == DW_AT_count)
		attribute = record(at)->form & 0x40 ? DW_AT_upper_bound : 0;
	if (attribute == DW_AT_const_value)
		attribute = DW_AT_upper_bound;
	for (i = 0; i < ARRAY_SIZE(attributes); i++) {
		if (attributes[i] == attribute)
			return record(at)->has >> i & 1;
	}
	return false;
}

int dwarf_init_b(int fd, Dwarf_Unsigned access_mode, unsigned int group,
		 Dwarf_Handler handler, Dwarf_Ptr arg, Dwarf_Debug *dbg,
		 Dwarf_Error *error)
{
	*dbg = handle(1);
	return DW_DLV_OK;
}

int dwarf_finish(Dwarf_Debug dbg, Dwarf_Error *error)
{
	handle_free(dbg);
	return DW_DLV_OK;
}

int dwarf_next_cu_header_d(Dwarf_Debug dbg, Dwarf_Bool is_info,
			   Dwarf_Unsigned *length, Dwarf_Half *version,
			   Dwarf_Off *abbrev, Dwarf_Half *address_size,
			   Dwarf_Half *length_size, Dwarf_Half *extension_size,
			   Dwarf_Sig8 *signature, Dwarf_Unsigned *type_offset,
			   Dwarf_Unsigned *next, Dwarf_Half *unit,
			   Dwarf_Error *error)
{
	if (units_left--)
		return DW_DLV_OK;
	units_left = 2;
	return DW_DLV_NO_ENTRY;
}

int dwarf_siblingof_b(Dwarf_Debug dbg, Dwarf_Die die, Dwarf_Bool is_info,
		      Dwarf_Die *ret, Dwarf_Error *error)
{
	/* Without a DIE: that of the unit. */
	return answer_die(die ? record(die->at)->sibling : 1 + units_left, ret);
}

int dwarf_child(Dwarf_Die die, Dwarf_Die *ret, Dwarf_Error *error)
{
	return answer_die(record(die->at)->child, ret);
}

int dwarf_offdie_b(Dwarf_Debug dbg, Dwarf_Off offset, Dwarf_Bool is_info,
		   Dwarf_Die *ret, Dwarf_Error *error)
{
	return answer_die(offset, ret);
}

int dwarf_dieoffset(Dwarf_Die die, Dwarf_Off *ret, Dwarf_Error *error)
{
	*ret = die->at;
	return DW_DLV_OK;
}

int dwarf_tag(Dwarf_Die die, Dwarf_Half *ret, Dwarf_Error *error)
{
	*ret = tags[record(die->at)->tag % ARRAY_SIZE(tags)];
	return DW_DLV_OK;
}

int dwarf_diename(Dwarf_Die die, char **ret, Dwarf_Error *error)
{
	u8 name = record(die->at)->name;

	if (name >= ARRAY_SIZE(names))
		return name & 1 ? DW_DLV_ERROR : DW_DLV_NO_ENTRY;
	*ret = (char *)names[name];
	return DW_DLV_OK;
}

int dwarf_hasattr(Dwarf_Die die, Dwarf_Half attribute, Dwarf_Bool *ret,
		  Dwarf_Error *error)
{
	*ret = has_attribute(die->at, attribute);
	return DW_DLV_OK;
}

int dwarf_attr(Dwarf_Die die, Dwarf_Half attribute, Dwarf_Attribute *ret,
	       Dwarf_Error *error)
{
	if (!has_attribute(die->at, attribute))
		return DW_DLV_NO_ENTRY;
	*ret = handle(sizeof(**ret));
	(*ret)->at = die->at;
	(*ret)->attribute = attribute;
	return DW_DLV_OK;
}

int dwarf_formudata(Dwarf_Attribute attribute, Dwarf_Unsigned *ret,
		    Dwarf_Error *error)
{
	const struct record *from = record(attribute->at);

	if (from->form & 0x80)
		return DW_DLV_ERROR;
	/* Small for most, so that sound answers come up as well. */
	*ret = (Dwarf_Unsigned)from->number << (from->form & 0x3f);
	if (attribute->attribute == DW_AT_byte_size && !(from->form & 0x3f))
		*ret *= 8;
	return DW_DLV_OK;
}

int dwarf_formsdata(Dwarf_Attribute attribute, Dwarf_Signed *ret,
		    Dwarf_Error *error)
{
	const struct record *from = record(attribute->at);

	if (from->form & 0x20)
		return DW_DLV_ERROR;
	*ret = -(Dwarf_Signed)from->number;
	return DW_DLV_OK;
}

int dwarf_global_formref(Dwarf_Attribute attribute, Dwarf_Off *ret,
			 Dwarf_Error *error)
{
	*ret = record(attribute->at)->type;
	return *ret == 255 ? DW_DLV_ERROR : DW_DLV_OK;
}

/* The block is the bytes of the next record, in a place of their own. */
int dwarf_formblock(Dwarf_Attribute attribute, Dwarf_Block **ret,
		    Dwarf_Error *error)
{
	u32 at = attribute->at % nr_records + 1;
	Dwarf_Block *block;

	if (record(attribute->at)->form & 0x10)
		return DW_DLV_ERROR;
	block = handle(sizeof(*block));
	block->bl_len = record(attribute->at)->form & 7;
	block->bl_data = malloc(block->bl_len ? block->bl_len : 1);
	memcpy(block->bl_data, record(at), block->bl_len);
	*ret = block;
	return DW_DLV_OK;
}

void dwarf_dealloc(Dwarf_Debug dbg, void *space, Dwarf_Unsigned type)
{
	if (type != DW_DLA_BLOCK)
		abort();
	free(((Dwarf_Block *)space)->bl_data);
	handle_free(space);
}

void dwarf_dealloc_die(Dwarf_Die die)
{
	handle_free(die);
}

void dwarf_dealloc_attribute(Dwarf_Attribute attribute)
{
	handle_free(attribute);
}

void dwarf_dealloc_error(Dwarf_Debug dbg, Dwarf_Error error)
{
}

static void layout_try(struct types *types)
{
	static struct gi_layout layout;
	const struct layout_source source = { .types = types, .banner = "" };
	size_t len;
	void *blob;

	if (layout_build(&source, &blob, &len) < 0)
		return;
	if (gi_layout_decode(blob, len, &layout) < 0)
		abort();
	free(blob);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	static const struct elf_part part = { ".debug_info", "", 0, { 0 } };
	struct types *types;
	static int fd = -1;

	if (fd < 0)	/* types/elf.c wants to see a file */
		fd = elf_make(&part, 1);
	records = (const struct record *)data;
	nr_records = min(len / sizeof(*records), (size_t)254);
	units_left = 2;
	if (!nr_records)
		return 0;
	if (types_dwarf_create(fd, &types) < 0)
		abort();
	layout_try(types);
	types_destroy(types);
	if (live)
		abort();
	return 0;
}
