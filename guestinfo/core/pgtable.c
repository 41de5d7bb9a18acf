// SPDX-License-Identifier: GPL-2.0-only
/* Guest page-table walk; the idea is in pgtable.h. */
#include "pgtable.h"

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_WRITE	BIT_ULL(1)
#define PTE_USER	BIT_ULL(2)
#define PTE_HUGE	BIT_ULL(7)
/* Bits 12..51; a host with fewer physical bits has no RAM up there anyway. */
#define PTE_ADDRESS	GENMASK_ULL(51, 12)

static bool canonical(u64 gva, u8 levels)
{
	u32 bits = 12 + 9 * levels;
	u64 top = gva >> (bits - 1);

	return top == 0 || top == (~0ull >> (bits - 1));
}

/* A leaf at @level (1: 4 KiB, 2: 2 MiB, 3: 1 GiB). */
static int leaf(u64 entry, u32 level, u64 gva, struct gi_mapping *ret)
{
	u64 size = 1ull << (12 + 9 * (level - 1));
	u64 base = entry & PTE_ADDRESS & ~(size - 1);

	/* Bit 12 of a large page is PAT; the others below its size must be 0. */
	if (level > 1 && (entry & PTE_ADDRESS & (size - 1) & ~BIT_ULL(12)))
		return -EUCLEAN;
	ret->gpa = base | (gva & (size - 1));
	ret->page_size = size;
	return 0;
}

int gi_translate(const struct gi_pgtable *pt, u64 gva, struct gi_mapping *ret)
{
	struct gi_mapping found = { .writable = true, .user = true };
	u64 table = pt->root & PTE_ADDRESS;
	u32 level;
	int err;

	if (pt->levels != 4 && pt->levels != 5)
		return -EINVAL;
	if (!canonical(gva, pt->levels))
		return -EUCLEAN;

	for (level = pt->levels; level >= 1; level--) {
		u32 index = (gva >> (12 + 9 * (level - 1))) & 511;
		u64 entry;

		err = gi_read_u64(pt->mem, table + index * 8, &entry);
		if (err)
			return err;
		if (!(entry & PTE_PRESENT))
			return -ENXIO;
		found.writable &= !!(entry & PTE_WRITE);
		found.user &= !!(entry & PTE_USER);
		if (level == 1 || (entry & PTE_HUGE)) {
			if (level > 3)
				return -EUCLEAN;
			err = leaf(entry, level, gva, &found);
			if (!err)
				*ret = found;
			return err;
		}
		table = entry & PTE_ADDRESS;
	}
	return -EUCLEAN;
}
