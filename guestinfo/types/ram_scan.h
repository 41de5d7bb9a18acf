/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Going through guest RAM in pieces, to look for something. User space only.
 *
 * A guest's memory is sparse: the host has no page yet where the guest never
 * wrote, and merely reading there would make one. So pieces leave out what
 * mincore() says does not exist. It can tell for the usual kinds of backing
 * (shared memory, memfd), but not for a file that is not in the page cache or
 * for huge pages not yet touched from here: if it denies even the first page
 * of RAM, which firmware always writes, it is not asked. What of the guest the
 * host has swapped out is left out too; so a pass that knows where to look, in
 * RAM_SCAN_SMALL bytes or less, takes all of it.
 */
#ifndef GUESTINFO_TYPES_RAM_SCAN_H
#define GUESTINFO_TYPES_RAM_SCAN_H

#include "../core/memory.h"

#define RAM_SCAN_CHUNK	(1u << 20)
#define RAM_SCAN_PAGE	4096u
#define RAM_SCAN_SMALL	(1ull << 30)

/**
 * struct ram_scan - a pass over RAM
 * @at, @end: what is left
 * @overlap: bytes that a piece shares with the one before it, so that nothing
 *	of up to @overlap + 1 bytes is missed between two
 * @budget: bytes that may still be looked at
 */
struct ram_scan {
	struct gi_memory *mem;
	u64 at, end;
	u64 budget;
	u32 overlap;
	bool sparse;
	u8 *buffer;
	u8 resident[RAM_SCAN_CHUNK / RAM_SCAN_PAGE + 2];
};

/* A piece of RAM. @data may be the guest's live memory: it can change. */
struct ram_piece {
	const u8 *data;
	u64 gpa;
	u32 len;
};

int __must_check ram_scan_init(struct ram_scan *scan, struct gi_memory *mem,
			       u64 start, u64 end, u32 overlap, u64 budget);
void ram_scan_deinit(struct ram_scan *scan);

/* The next piece. Return: false at the end, or when the budget is spent. */
bool ram_scan_next(struct ram_scan *scan, struct ram_piece *ret);

#endif /* GUESTINFO_TYPES_RAM_SCAN_H */
