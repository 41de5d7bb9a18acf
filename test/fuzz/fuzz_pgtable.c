// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables from a hostile guest: the input is RAM, after a head that says
 * where to start. Nothing may be read outside RAM, and every answer must keep
 * what pgtable.h promises.
 */
#include <stdlib.h>

#include "../../guestinfo/core/pgtable.h"

struct head {
	u64 root;
	u64 gva[4];
	u8 levels;
	u8 split;
};

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static int never_read(struct gi_memory *mem, u64 gpa, void *buf, u32 len)
{
	return -EFAULT;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const struct gi_memory_ops ops = { .read = never_read };
	struct gi_ram_range ranges[2] = { 0 };
	struct gi_memory mem = { .ops = &ops, .ranges = ranges,
				 .nr_ranges = 2 };
	struct gi_pgtable pt = { .mem = &mem };
	struct head head;
	u8 *ram;
	u32 i;

	if (size < sizeof(head) + 16)
		return 0;
	memcpy(&head, data, sizeof(head));
	size -= sizeof(head);
	ram = malloc(size);	/* exact, so that ASan sees a byte too far */
	if (!ram)
		return 0;
	memcpy(ram, data + sizeof(head), size);
	ranges[0].size = size / 2;
	ranges[0].hva = ram;
	ranges[1].gpa = head.split ? 0x100000000ull : ranges[0].size;
	ranges[1].size = size - ranges[0].size;
	ranges[1].hva = ram + ranges[0].size;
	pt.root = head.root;
	pt.levels = head.levels;
	for (i = 0; i < ARRAY_SIZE(head.gva); i++) {
		struct gi_mapping found;

		if (gi_translate(&pt, head.gva[i], &found))
			continue;
		if ((found.gpa ^ head.gva[i]) & (GI_PAGE_SIZE - 1))
			abort();
		if (found.page_size != 1ull << 12 &&
		    found.page_size != 1ull << 21 &&
		    found.page_size != 1ull << 30)
			abort();
	}
	free(ram);
	return 0;
}
