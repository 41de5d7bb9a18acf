// SPDX-License-Identifier: GPL-2.0-only
/* Cases of guestinfo/core/pgtable.c: tables built here, and hostile ones. */
#include "../../guestinfo/core/pgtable.h"
#include "suite.h"

#define RAM_PAGES	128
#define PRESENT		1ull
#define WRITABLE	2ull
#define USER		4ull
#define HUGE		0x80ull

static u64 ram[RAM_PAGES * 512];
static u32 next_page;
static const struct gi_ram_range range = { .size = sizeof(ram),
					   .hva = (const u8 *)ram };
static struct gi_memory mem = { .ranges = &range, .nr_ranges = 1 };

static void reset(void)
{
	memset(ram, 0, sizeof(ram));
	next_page = 1;	/* page 0 is the root */
}

/* Map @gva to @gpa with a page of level 1, 2 or 3; the reference. */
static bool map(u8 levels, u64 gva, u64 gpa, u32 leaf, u64 flags)
{
	u64 table = 0;
	u32 level;

	for (level = levels; level > leaf; level--) {
		u64 *entry = &ram[table * 512 +
				  ((gva >> (12 + 9 * (level - 1))) & 511)];

		if (*entry & HUGE)
			return false;
		if (!*entry) {
			if (next_page == RAM_PAGES)
				return false;
			*entry = ((u64)next_page++ << 12) | PRESENT | WRITABLE |
				 USER;
		}
		table = *entry >> 12;
	}
	if (ram[table * 512 + ((gva >> (12 + 9 * (leaf - 1))) & 511)])
		return false;
	ram[table * 512 + ((gva >> (12 + 9 * (leaf - 1))) & 511)] =
		gpa | flags | PRESENT | (leaf > 1 ? HUGE : 0);
	return true;
}

static u64 canonical(u64 gva, u8 levels)
{
	u32 bits = 12 + 9 * levels;

	gva &= (1ull << bits) - 1;
	return gva >> (bits - 1) ? gva | (~0ull << bits) : gva;
}

/* Whatever is mapped comes back, for all page sizes and both depths. */
static bool property(u8 levels)
{
	struct gi_pgtable pt = { .mem = &mem, .levels = levels };
	u64 seed = levels;
	u32 i, mapped = 0;

	for (i = 0; i < 400; i++) {
		u32 leaf = 1 + suite_random(&seed) % 3;
		u64 size = 1ull << (12 + 9 * (leaf - 1));
		u64 flags = suite_random(&seed) % 4 * 2;
		u64 gva = canonical(((u64)suite_random(&seed) << 30) ^
				    ((u64)suite_random(&seed) << 12), levels);
		u64 gpa = ((u64)suite_random(&seed) << 12) & ~(size - 1);
		struct gi_mapping found;

		if (i % 40 == 0)
			reset();
		gva &= ~(size - 1);
		if (!map(levels, gva, gpa, leaf, flags))
			continue;
		mapped++;
		gva += suite_random(&seed) % size;
		CHECK(gi_translate(&pt, gva, &found) == 0);
		CHECK(found.gpa == gpa + (gva & (size - 1)));
		CHECK(found.page_size == size);
		CHECK(found.writable == !!(flags & WRITABLE));
		CHECK(found.user == !!(flags & USER));
	}
	CHECK(mapped > 200);
	return true;
}

static bool four_levels(void)
{
	return property(4);
}

static bool five_levels(void)
{
	return property(5);
}

static bool bad_addresses(void)
{
	struct gi_pgtable pt = { .mem = &mem, .levels = 4 };
	struct gi_mapping found;

	reset();
	CHECK(gi_translate(&pt, 0x1000, &found) == -ENXIO);
	CHECK(gi_translate(&pt, 0x0000800000000000ull, &found) == -EUCLEAN);
	CHECK(gi_translate(&pt, 0xffff7fffffffffffull, &found) == -EUCLEAN);
	CHECK(gi_translate(&pt, 0xffff800000000000ull, &found) == -ENXIO);
	pt.levels = 5;
	CHECK(gi_translate(&pt, 0x0000800000000000ull, &found) == -ENXIO);
	CHECK(gi_translate(&pt, 0x0100000000000000ull, &found) == -EUCLEAN);
	pt.levels = 3;
	CHECK(gi_translate(&pt, 0, &found) == -EINVAL);
	pt.levels = 4;
	pt.root = 1ull << 40;
	CHECK(gi_translate(&pt, 0, &found) == -EFAULT);
	return true;
}

static bool hostile_tables(void)
{
	struct gi_pgtable pt = { .mem = &mem, .levels = 5 };
	struct gi_mapping found;

	/* A root that is its own child: five reads and an answer. */
	reset();
	ram[0] = PRESENT | WRITABLE;
	CHECK(gi_translate(&pt, 0, &found) == 0);
	CHECK(found.gpa == 0 && found.page_size == GI_PAGE_SIZE);

	/* A large page where there is none. */
	ram[0] = PRESENT | HUGE;
	CHECK(gi_translate(&pt, 0, &found) == -EUCLEAN);

	/* A 2 MiB page that is not aligned; its PAT bit (12) is allowed. */
	reset();
	pt.levels = 4;
	CHECK(map(4, 0, 0x200000 | 0x1000, 2, 0));
	CHECK(gi_translate(&pt, 5, &found) == 0 && found.gpa == 0x200005);
	reset();
	CHECK(map(4, 0, 0x202000, 2, 0));
	CHECK(gi_translate(&pt, 5, &found) == -EUCLEAN);

	/* A table beyond RAM. */
	reset();
	ram[0] = (1ull << 45) | PRESENT;
	CHECK(gi_translate(&pt, 0, &found) == -EFAULT);
	return true;
}

const struct suite_case cases_pgtable[] = {
	{ "pgtable: four levels", four_levels },
	{ "pgtable: five levels", five_levels },
	{ "pgtable: bad addresses", bad_addresses },
	{ "pgtable: hostile tables", hostile_tables },
	{ NULL, NULL },
};
