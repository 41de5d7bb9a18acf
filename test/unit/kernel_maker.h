/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes the RAM of a guest in which a Linux kernel has booted: just as much of
 * it as finding the kernel needs. All is written by hand, nothing is taken from
 * the code under test, and everything can be spoilt afterwards.
 *
 * In RAM: the image (4 MiB at text_gpa), per-CPU areas behind it, VMCOREINFO
 * in a page behind these. The image: code, banner, notes, BTF, kallsyms in one
 * of the five layouts (types/kallsyms.c) in its first half, variables and page
 * tables in the second.
 */
#ifndef TEST_UNIT_KERNEL_MAKER_H
#define TEST_UNIT_KERNEL_MAKER_H

#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../guestinfo/core/kernel.h"

#define MAKER_RAM_SIZE	(16ull << 20)
#define MAKER_LINKED	0xffffffff81000000ull
#define MAKER_FILLERS	5000
#define MAKER_SYMS_MAX	(MAKER_FILLERS + 64)
#define MAKER_NAME_MAX	400

/* Offsets in the image. */
enum {
	MAKER_CODE = 0x1000,
	MAKER_BANNER = 0x2000,
	MAKER_NOTES = 0x3000,
	MAKER_BTF = 0x4000,
	MAKER_KALLSYMS = 0x10000,
	MAKER_DATA = 0x200000,
	MAKER_INIT_TASK = 0x201000,
	MAKER_PGD = 0x202000,		/* and the user's at 0x203000 */
	MAKER_TABLES = 0x204000,
	MAKER_END = 0x400000,
};

/* Offsets in MAKER_DATA. */
enum {
	DATA_PHYS_BASE = 0x00,
	DATA_PAGE_OFFSET = 0x08,
	DATA_L5 = 0x10,
	DATA_SYSTEM_STATE = 0x18,
	DATA_ONLINE = 0x20,
	DATA_PER_CPU = 0x100,
};

#define MAKER_RUNQUEUES		0x1000ull	/* per-CPU, zero-based */
#define MAKER_APICID		0x0800ull
#define MAKER_PER_CPU_SIZE	0x4000ull
#define MAKER_COMM		0x40u		/* task_struct.comm */

struct maker_symbol {
	char name[MAKER_NAME_MAX];	/* type letter first */
	u64 address;			/* at run time */
};

/**
 * struct maker - what to make; maker_init() fills in a plain guest
 * @slide: of the image from where it is linked
 * @per_cpu_va: per-CPU symbols are image addresses (as in 7.x)
 * @task_comm: offset of comm in the BTF
 */
struct maker {
	u8 *ram;
	u64 text_gpa, slide, page_offset;
	u32 layout, levels, nr_cpus;
	u32 system_state;
	u32 task_comm;
	bool no_btf;
	struct maker_symbol *symbols;
	u32 nr_symbols;
	u64 tables_gpa, tables_end;	/* out: where kallsyms lies */
	u64 tokens_gpa;			/* out */
	u64 vmcoreinfo_gpa;
	struct gi_ram_range range;
	struct gi_memory mem;
};

static inline u64 maker_text(const struct maker *maker)
{
	return MAKER_LINKED + maker->slide;
}

static inline u64 maker_phys_base(const struct maker *maker)
{
	return maker->text_gpa - (maker_text(maker) - GI_KERNEL_MAP);
}

static inline void maker_put(struct maker *maker, u64 gpa, const void *data,
			     size_t len)
{
	if (gpa > MAKER_RAM_SIZE || len > MAKER_RAM_SIZE - gpa)
		abort();
	memcpy(maker->ram + gpa, data, len);
}

static inline void maker_put_u64(struct maker *maker, u64 gpa, u64 value)
{
	maker_put(maker, gpa, &value, 8);
}

static inline void maker_put_u32(struct maker *maker, u64 gpa, u32 value)
{
	maker_put(maker, gpa, &value, 4);
}

static inline void maker_symbol(struct maker *maker, char type,
				const char *name, u64 address)
{
	struct maker_symbol *symbol = &maker->symbols[maker->nr_symbols++];

	if (maker->nr_symbols > MAKER_SYMS_MAX)
		abort();
	snprintf(symbol->name, sizeof(symbol->name), "%c%s", type, name);
	symbol->address = address;
}

/* kallsyms */

/* Tokens: a letter is itself; from 0x80 on, pieces of two to five letters. */
static inline void maker_token(u32 i, char ret[8])
{
	static const char *const pieces[] = {
		"__", "cpu", "init", "sys_", "text", "_base", "per_", "linux",
	};

	if (i >= 0x80 && i < 0x80 + ARRAY_SIZE(pieces))
		strcpy(ret, pieces[i - 0x80]);
	else if (i > 0x20 && i < 0x7f)
		sprintf(ret, "%c", (char)i);
	else
		sprintf(ret, "%c%02x", 'x', (unsigned char)i);
}

/* The codes of @name; pieces are used, but not for the type letter alone. */
static inline u32 maker_encode(const char *name, u8 *ret)
{
	u32 nr = 0, i;
	char token[8];

	while (*name) {
		u32 code = (u8)*name, len = 1;

		for (i = 0x80; i < 0x88; i++) {
			maker_token(i, token);
			if (!strncmp(name, token, strlen(token))) {
				code = i;
				len = strlen(token);
			}
		}
		ret[nr++] = code;
		name += len;
	}
	return nr;
}

static inline u64 maker_align(const struct maker *maker, u64 gpa)
{
	u64 align = maker->layout == 3 ? 4 : 8;

	return (gpa + align - 1) & ~(align - 1);
}

static inline u64 maker_names(struct maker *maker, u64 at, u64 *markers)
{
	u64 start = at;
	u32 i;

	for (i = 0; i < maker->nr_symbols; i++) {
		u8 codes[MAKER_NAME_MAX], head[2];
		u32 nr = maker_encode(maker->symbols[i].name, codes);

		if (i % 256 == 0)
			markers[i / 256] = at - start;
		head[0] = nr < 0x80 ? nr : 0x80 | (nr & 0x7f);
		head[1] = nr >> 7;
		maker_put(maker, at, head, nr < 0x80 ? 1 : 2);
		at += nr < 0x80 ? 1 : 2;
		maker_put(maker, at, codes, nr);
		at += nr;
	}
	return at;
}

static inline u64 maker_markers(struct maker *maker, u64 at, const u64 *markers)
{
	u32 nr = (maker->nr_symbols + 255) / 256, i;
	u32 size = maker->layout == 4 ? 8 : 4;

	for (i = 0; i < nr; i++, at += size)
		maker_put(maker, at, &markers[i], size);
	return at;
}

/* seqs_of_names: three bytes each, here at random. */
static inline u64 maker_seqs(struct maker *maker, u64 at)
{
	u32 i, random = 1;

	for (i = 0; i < 3 * maker->nr_symbols; i++) {
		u8 byte = (random = random * 1103515245 + 12345) >> 16;

		maker_put(maker, at++, &byte, 1);
	}
	return at;
}

static inline u64 maker_tokens(struct maker *maker, u64 at)
{
	u16 index[256];
	char token[8];
	u32 i;

	maker->tokens_gpa = at;
	for (i = 0; i < 256; i++) {
		maker_token(i, token);
		index[i] = at - maker->tokens_gpa;
		maker_put(maker, at, token, strlen(token) + 1);
		at += strlen(token) + 1;
	}
	at = maker_align(maker, at);
	maker_put(maker, at, index, sizeof(index));
	return at + sizeof(index);
}

static inline u64 maker_offsets(struct maker *maker, u64 at)
{
	u64 base = maker_text(maker);
	u32 i;

	for (i = 0; i < maker->nr_symbols; i++, at += 4) {
		u64 address = maker->symbols[i].address;
		u64 offset = address;

		if (maker->layout == 3)
			offset = address - GI_KERNEL_MAP +
				 maker_phys_base(maker) - at;
		else if (maker->layout == 5)
			offset = address - base;
		else if (address >= GI_KERNEL_MAP)
			offset = base - 1 - address;
		maker_put_u32(maker, at, (u32)offset);
	}
	if (maker->layout == 3)
		return at;
	at = maker_align(maker, at);
	maker_put_u64(maker, at, base);
	return at + 8;
}

static inline u64 maker_addresses(struct maker *maker, u64 at)
{
	u32 i;

	for (i = 0; i < maker->nr_symbols; i++, at += 8)
		maker_put_u64(maker, at, maker->symbols[i].address);
	return at;
}

/* Write the tables at @at, in the order of the layout. */
static inline void maker_kallsyms(struct maker *maker, u64 at)
{
	u64 markers[MAKER_SYMS_MAX / 256 + 1];
	u32 layout = maker->layout;

	maker->tables_gpa = at;
	if (layout == 1 || layout == 5)
		at = maker_offsets(maker, at);
	else if (layout == 4)
		at = maker_addresses(maker, at);
	maker_put_u32(maker, at, maker->nr_symbols);
	at = maker_align(maker, at + 4);
	at = maker_align(maker, maker_names(maker, at, markers));
	at = maker_align(maker, maker_markers(maker, at, markers));
	if (layout == 1)	/* as some stable kernels have it */
		at = maker_align(maker, maker_seqs(maker, at));
	at = maker_align(maker, maker_tokens(maker, at));
	if (layout == 2 || layout == 3)
		at = maker_seqs(maker, maker_offsets(maker, at));
	maker->tables_end = at;
}

/* BTF with what a task needs here. */
static inline void maker_btf(struct maker *maker, u64 gpa, u64 *ret_end)
{
	static const char strings[] =
		"\0char\0int\0task_struct\0comm\0frozen\0cpus_mask\0pid";
	const struct {
		struct btf_type chr;
		u32 chr_bits;
		struct btf_type integer;
		u32 integer_bits;
		struct btf_type array;
		struct btf_array name;
		struct btf_type wide;
		struct btf_array mask;
		struct btf_type task;
		struct btf_member members[4];
	} types = {
		{ 1, BTF_KIND_INT << 24, { 1 } }, 8,
		{ 6, BTF_KIND_INT << 24, { 4 } }, 32,
		{ 0, BTF_KIND_ARRAY << 24, { 0 } }, { 1, 2, 16 },
		{ 0, BTF_KIND_ARRAY << 24, { 0 } }, { 2, 2, 2 },
		{ 10, BTF_KIND_STRUCT << 24 | 4, { 256 } },
		{ { 22, 3, maker->task_comm * 8 }, { 27, 2, 0x60 * 8 },
		  { 34, 4, 0x68 * 8 }, { 44, 2, 0x70 * 8 } },
	};
	const struct btf_header header = {
		.magic = BTF_MAGIC, .version = BTF_VERSION,
		.hdr_len = sizeof(header), .type_len = sizeof(types),
		.str_off = sizeof(types), .str_len = sizeof(strings),
	};

	maker_put(maker, gpa, &header, sizeof(header));
	gpa += sizeof(header);
	maker_put(maker, gpa, &types, sizeof(types));
	gpa += sizeof(types);
	maker_put(maker, gpa, strings, sizeof(strings));
	*ret_end = gpa + sizeof(strings);
}

/* Code, banner, notes. */
static inline void maker_text_make(struct maker *maker)
{
	static const u8 code[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0xf0, 0x80, 0x0f, 4 };
	static const char banner[] =
		"Linux version 6.1.0-test (someone@somewhere) #1 SMP\n";
	static const u8 notes[] = {
		6, 0, 0, 0, 4, 0, 0, 0, 1, 1, 0, 0,
		'L', 'i', 'n', 'u', 'x', 0, 0, 0, 0, 0, 0, 0,
		4, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0,
		0xde, 0xad, 0xbe, 0xef, 0x01, 0x02, 0x03, 0x04,
	};
	u64 text = maker_text(maker), gpa = maker->text_gpa, end;

	maker_put(maker, gpa + MAKER_CODE, code, sizeof(code));
	maker_put(maker, gpa + MAKER_BANNER, banner, sizeof(banner));
	maker_put(maker, gpa + MAKER_NOTES, notes, sizeof(notes));
	maker_symbol(maker, 'T', "_text", text);
	maker_symbol(maker, 'T', "signal_wake_up_state", text + MAKER_CODE);
	maker_symbol(maker, 'R', "linux_banner", text + MAKER_BANNER);
	maker_symbol(maker, 'R', "__start_notes", text + MAKER_NOTES);
	maker_symbol(maker, 'R', "__stop_notes",
		     text + MAKER_NOTES + sizeof(notes));
	maker_symbol(maker, 'B', "_end", text + MAKER_END);
	if (maker->no_btf)
		return;
	maker_btf(maker, gpa + MAKER_BTF, &end);
	maker_symbol(maker, 'R', "__start_BTF", text + MAKER_BTF);
	maker_symbol(maker, 'R', "__stop_BTF", text + end - gpa);
}

/* Where the per-CPU symbols are based: 0, or an address in the image. */
static inline u64 maker_per_cpu_base(const struct maker *maker)
{
	return maker->layout == 3 || maker->layout == 5 ?
		       maker_text(maker) + 0x300000 : 0;
}

static inline u64 maker_per_cpu_gpa(const struct maker *maker, u32 cpu)
{
	return maker->text_gpa + MAKER_END + cpu * MAKER_PER_CPU_SIZE;
}

static inline u64 maker_per_cpu_offset(const struct maker *maker, u32 cpu)
{
	return maker->page_offset + maker_per_cpu_gpa(maker, cpu) -
	       maker_per_cpu_base(maker);
}

static inline void maker_cpus_make(struct maker *maker)
{
	u64 data = maker->text_gpa + MAKER_DATA, base = maker_per_cpu_base(maker);
	u32 cpu;

	for (cpu = 0; cpu < maker->nr_cpus; cpu++) {
		maker_put_u64(maker, data + DATA_PER_CPU + 8 * cpu,
			      maker_per_cpu_offset(maker, cpu));
		maker->ram[data + DATA_ONLINE + cpu / 8] |= 1 << cpu % 8;
		/* APIC ids 0, 2, 4; BAD_APICID of u16 is not used here. */
		maker_put_u32(maker, maker_per_cpu_gpa(maker, cpu) +
				     MAKER_APICID, 2 * cpu);
	}
	maker_symbol(maker, 'D', "runqueues", base + MAKER_RUNQUEUES);
	maker_symbol(maker, 'D', "x86_cpu_to_apicid", base + MAKER_APICID);
}

static inline void maker_data_make(struct maker *maker)
{
	u64 text = maker_text(maker), gpa = maker->text_gpa;
	u64 data = gpa + MAKER_DATA, va = text + MAKER_DATA;

	maker_put_u64(maker, data + DATA_PHYS_BASE, maker_phys_base(maker));
	maker_put_u64(maker, data + DATA_PAGE_OFFSET, maker->page_offset);
	maker_put_u32(maker, data + DATA_L5, maker->levels == 5);
	maker_put_u32(maker, data + DATA_SYSTEM_STATE, maker->system_state);
	maker_put(maker, gpa + MAKER_INIT_TASK + MAKER_COMM, "swapper/0", 10);
	maker_symbol(maker, 'D', "phys_base", va + DATA_PHYS_BASE);
	maker_symbol(maker, 'D', "page_offset_base", va + DATA_PAGE_OFFSET);
	maker_symbol(maker, 'D', "__pgtable_l5_enabled", va + DATA_L5);
	maker_symbol(maker, 'D', "system_state", va + DATA_SYSTEM_STATE);
	maker_symbol(maker, 'D', "__cpu_online_mask", va + DATA_ONLINE);
	maker_symbol(maker, 'D', "__per_cpu_offset", va + DATA_PER_CPU);
	maker_symbol(maker, 'D', "init_task", text + MAKER_INIT_TASK);
	maker_symbol(maker, 'D', "init_top_pgt", text + MAKER_PGD);
	maker_cpus_make(maker);
}

/* Make the tables on the way to @gva; the entry of the last is @leaf. */
static inline void maker_map(struct maker *maker, u64 *next_table, u64 gva,
			     u32 leaf_level, u64 leaf)
{
	u64 table = maker->text_gpa + MAKER_PGD;
	u32 level;

	for (level = maker->levels; ; level--) {
		u64 at = table + ((gva >> (12 + 9 * (level - 1))) & 511) * 8;
		u64 entry;

		if (level == leaf_level) {
			maker_put_u64(maker, at, leaf | 0x83);
			return;
		}
		memcpy(&entry, maker->ram + at, 8);
		if (!entry) {
			entry = *next_table | 3;
			*next_table += 4096;
			maker_put_u64(maker, at, entry);
		}
		table = entry & ~0xfffull;
	}
}

/* The image in 2 MiB pages, all RAM in one page of 1 GiB. */
static inline void maker_pages_make(struct maker *maker)
{
	u64 next = maker->text_gpa + MAKER_TABLES;
	u64 at;

	for (at = 0; at < MAKER_END; at += 2 << 20)
		maker_map(maker, &next, maker_text(maker) + at, 2,
			  maker->text_gpa + at);
	maker_map(maker, &next, maker->page_offset, 3, 0);
}

static inline void maker_vmcoreinfo(struct maker *maker)
{
	char text[1024];

	maker->vmcoreinfo_gpa = (maker_per_cpu_gpa(maker, maker->nr_cpus) +
				 4095) & ~4095ull;
	snprintf(text, sizeof(text),
		 "OSRELEASE=6.1.0-test\nPAGESIZE=4096\nSYMBOL(_stext)=%llx\n"
		 "NUMBER(phys_base)=%lld\nKERNELOFFSET=%llx\n",
		 maker_text(maker), (s64)maker_phys_base(maker), maker->slide);
	maker_put(maker, maker->vmcoreinfo_gpa, text, strlen(text) + 1);
}

static inline void maker_fillers(struct maker *maker, u32 nr)
{
	char name[64];
	u32 i;

	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "filler_%x_%u", i * 2654435761u, i);
		maker_symbol(maker, 't', name, maker_text(maker) + i * 16);
	}
}

static inline void maker_init(struct maker *maker, u8 *ram)
{
	memset(maker, 0, sizeof(*maker));
	maker->ram = ram;
	maker->text_gpa = 4 << 20;
	maker->slide = 0x3200000;
	maker->page_offset = 0xffff9c25c0000000ull;
	maker->layout = 1;
	maker->levels = 4;
	maker->nr_cpus = 2;
	maker->system_state = 3;
	maker->task_comm = MAKER_COMM;
	maker->symbols = calloc(MAKER_SYMS_MAX, sizeof(*maker->symbols));
	if (!maker->symbols)
		abort();
	maker->range.size = MAKER_RAM_SIZE;
	maker->range.hva = ram;
	maker->mem.ranges = &maker->range;
	maker->mem.nr_ranges = 1;
}

/* Write the kernel that @maker describes; other kernels in RAM stay. */
static inline void maker_make(struct maker *maker)
{
	maker->nr_symbols = 0;
	maker_fillers(maker, MAKER_FILLERS / 2);
	maker_text_make(maker);
	maker_data_make(maker);
	maker_fillers(maker, MAKER_FILLERS / 2);
	maker_kallsyms(maker, maker->text_gpa + MAKER_KALLSYMS);
	maker_pages_make(maker);
	maker_vmcoreinfo(maker);
	if (maker->tables_end > maker->text_gpa + MAKER_DATA)
		abort();
}

static inline void maker_deinit(struct maker *maker)
{
	free(maker->symbols);
}

#endif /* TEST_UNIT_KERNEL_MAKER_H */
