/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kallsyms, read out of guest RAM: all five table layouts from before 4.6 to
 * 7.x. User space only. The tables are found by content, never by version.
 */
#ifndef GUESTINFO_TYPES_KALLSYMS_H
#define GUESTINFO_TYPES_KALLSYMS_H

#include "../core/memory.h"
#include "types.h"

/**
 * struct kallsyms_result - what the tables said
 * @text_gpa: gpa of _text
 * @phys_base: value of the kernel's phys_base, checked against _text
 * @slide: run-time minus linked address of _text
 * @layout: which of the five table layouts
 * @nr_syms: symbols in the table
 */
struct kallsyms_result {
	u64 text_gpa;
	u64 phys_base;
	u64 slide;
	u32 layout;
	u32 nr_syms;
};

/**
 * kallsyms_find() - find and read the tables in [start, end) of guest RAM
 * @symbols: wanted names; addresses come back as linked (slide removed).
 *	One pass over the names; nothing else is expanded.
 * A candidate counts only if *(phys_base) fits _text's place and
 * "Linux version " stands at linux_banner (stale kernel copies and zero pages
 * fail one of the two).
 * Return: 0; -ENOENT no tables there; -ENOMEM.
 */
int kallsyms_find(struct gi_memory *mem, u64 start, u64 end,
		  struct symbol *symbols, u32 nr,
		  struct kallsyms_result *ret);

#endif /* GUESTINFO_TYPES_KALLSYMS_H */
