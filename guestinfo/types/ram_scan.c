// SPDX-License-Identifier: GPL-2.0-only
/* Going through guest RAM in pieces; the idea is in ram_scan.h. */
#include "ram_scan.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Ask which host pages under [hva, hva + len) exist.
 * Return: false if the host cannot say.
 */
static bool pages_resident(const u8 *hva, u32 len, u8 *ret)
{
	uintptr_t start = (uintptr_t)hva & ~(uintptr_t)(RAM_SCAN_PAGE - 1);
	size_t span = (uintptr_t)hva + len - start;

	return sysconf(_SC_PAGESIZE) == RAM_SCAN_PAGE &&
	       mincore((void *)start, span, ret) == 0;
}

static bool residency_known(struct gi_memory *mem)
{
	u8 first[2] = { 0 };

	if (!mem->nr_ranges || !mem->ranges[0].hva || !mem->ranges[0].size)
		return false;
	return pages_resident(mem->ranges[0].hva, 1, first) && (first[0] & 1);
}

int ram_scan_init(struct ram_scan *scan, struct gi_memory *mem, u64 start,
		  u64 end, u32 overlap, u64 budget)
{
	if (overlap >= RAM_SCAN_PAGE)
		return -EINVAL;
	scan->buffer = malloc(RAM_SCAN_CHUNK);
	if (!scan->buffer)
		return -ENOMEM;
	scan->mem = mem;
	scan->at = start;
	scan->end = end;
	scan->overlap = overlap;
	scan->budget = budget;
	scan->sparse = end - start > RAM_SCAN_SMALL && residency_known(mem);
	return 0;
}

void ram_scan_deinit(struct ram_scan *scan)
{
	free(scan->buffer);
	scan->buffer = NULL;
}

/* The range that holds @gpa, or else the next one with anything in it. */
static const struct gi_ram_range *range_from(const struct gi_memory *mem,
					     u64 gpa)
{
	u32 i;

	for (i = 0; i < mem->nr_ranges; i++) {
		const struct gi_ram_range *range = &mem->ranges[i];

		if (range->size && (range->gpa >= gpa ||
				    gpa - range->gpa < range->size))
			return range;
	}
	return NULL;
}

/* Narrow a piece of mapped RAM to its first run of pages that exist. */
static void piece_narrow(struct ram_scan *scan, struct ram_piece *piece)
{
	u32 in_page = (uintptr_t)piece->data & (RAM_SCAN_PAGE - 1);
	u32 pages = (in_page + piece->len + RAM_SCAN_PAGE - 1) / RAM_SCAN_PAGE;
	u32 first = 0, last, skip;

	if (!scan->sparse ||
	    !pages_resident(piece->data, piece->len, scan->resident))
		return;
	while (first < pages && !(scan->resident[first] & 1))
		first++;
	for (last = first; last < pages && (scan->resident[last] & 1); last++)
		;
	skip = first ? first * RAM_SCAN_PAGE - in_page : 0;
	skip = min(skip, piece->len);
	piece->len = min(piece->len, last * RAM_SCAN_PAGE - in_page) - skip;
	piece->data += skip;
	piece->gpa += skip;
}

/* Make a piece at scan->at, in @range. Its length is 0 if nothing is there. */
static void piece_make(struct ram_scan *scan, const struct gi_ram_range *range,
		       struct ram_piece *piece)
{
	u64 left = min(range->size - (scan->at - range->gpa),
		       scan->end - scan->at);
	u32 tried = min(left, (u64)RAM_SCAN_CHUNK);

	piece->gpa = scan->at;
	piece->len = tried;
	if (range->hva) {
		piece->data = range->hva + (scan->at - range->gpa);
		piece_narrow(scan, piece);
	} else {
		piece->data = scan->buffer;
		if (gi_read(scan->mem, piece->gpa, scan->buffer, tried) < 0)
			piece->len = 0;
	}
	scan->at += tried;
	if (!piece->len)
		return;
	scan->at = piece->gpa + piece->len;
	/* Going back must not give the same piece, or one shorter, again. */
	if (tried == RAM_SCAN_CHUNK && piece->len > scan->overlap)
		scan->at -= scan->overlap;
}

bool ram_scan_next(struct ram_scan *scan, struct ram_piece *ret)
{
	struct ram_piece piece = { .len = 0 };

	while (!piece.len) {
		const struct gi_ram_range *range;

		range = range_from(scan->mem, scan->at);
		if (!range)
			return false;
		scan->at = max(scan->at, range->gpa);
		if (scan->at >= scan->end)
			return false;
		piece_make(scan, range, &piece);
	}
	if (scan->budget < piece.len)
		return false;
	scan->budget -= piece.len;
	*ret = piece;
	return true;
}
