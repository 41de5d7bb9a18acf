// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel image by VMCOREINFO: a text that the kernel makes for crash
 * dumps, at the start of a page of its own ("OSRELEASE=..." on top). It says
 * where the image is. Anyone in the guest can write such a page, and a kernel
 * that ran before a reboot leaves one behind: what it says is only a place to
 * look at.
 */
#include "finder.h"
#include "../types/ram_scan.h"

#include <stdlib.h>

#define BUDGET_RAM	(64ull << 30)
#define BUDGET_NOTES	8	/* that say where; others cost nothing */
#define IMAGE_REACH	(128ull << 20)

static const char head[] = "OSRELEASE=";

/* The number behind "@key=" at the start of a line. */
static bool note_number(const char *text, const char *key, int base, u64 *ret)
{
	size_t len = strlen(key);
	const char *at;
	char *end;

	for (at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, key, len) || at[len] != '=')
			continue;
		at += len + 1;
		errno = 0;
		/* phys_base is printed signed. */
		*ret = *at == '-' ? (u64)strtoll(at, &end, base) :
				    strtoull(at, &end, base);
		return end != at && !errno;
	}
	return false;
}

/* Where the note says that the tables are, or at least the image. */
static bool note_parse(const char *text, struct gpa_range *ret)
{
	u64 phys_base, at;
	u64 reach = GI_PAGE_SIZE;

	if (!note_number(text, "NUMBER(phys_base)", 10, &phys_base))
		return false;
	if (!note_number(text, "SYMBOL(kallsyms_token_table)", 16, &at)) {
		if (!note_number(text, "SYMBOL(_stext)", 16, &at))
			return false;
		reach = IMAGE_REACH;
	}
	if (at < GI_KERNEL_MAP || at - GI_KERNEL_MAP >= GI_KERNEL_MAP_SIZE)
		return false;
	ret->start = at - GI_KERNEL_MAP + phys_base;
	return !check_add_overflow(ret->start, reach, &ret->end);
}

static int note_try(struct finder *finder, u64 gpa, u32 *notes_left)
{
	char text[GI_PAGE_SIZE + 1];
	struct gpa_range range;

	if (gi_read(finder->mem, gpa, text, GI_PAGE_SIZE) < 0)
		return -ENOENT;
	text[GI_PAGE_SIZE] = '\0';
	if (!note_parse(text, &range))
		return -ENOENT;
	--*notes_left;
	return kallsyms_find(finder->mem, range.start, range.end,
			     finder->symbols, finder->nr_symbols,
			     &finder->result);
}

static int piece_try(struct finder *finder, const struct ram_piece *piece,
		     u32 *notes_left)
{
	u64 at = -piece->gpa & (GI_PAGE_SIZE - 1);
	int r = -ENOENT;

	for (; at + sizeof(head) <= piece->len && r == -ENOENT && *notes_left;
	     at += GI_PAGE_SIZE) {
		if (memcmp(piece->data + at, head, sizeof(head) - 1))
			continue;
		r = note_try(finder, piece->gpa + at, notes_left);
	}
	return r;
}

int find_vmcoreinfo(struct finder *finder)
{
	u32 notes_left = BUDGET_NOTES;
	struct ram_piece piece;
	struct ram_scan scan;
	int r;

	r = ram_scan_init(&scan, finder->mem, 0, U64_MAX, 0, BUDGET_RAM);
	if (r < 0)
		return r;
	r = -ENOENT;
	while (r == -ENOENT && notes_left && ram_scan_next(&scan, &piece))
		r = piece_try(finder, &piece, &notes_left);
	ram_scan_deinit(&scan);
	return r;
}
