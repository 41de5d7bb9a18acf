// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel image by a vCPU's page tables.
 *
 * Every Linux page table maps the kernel image in the same GiB of address
 * space, wherever KASLR put it, also while user code runs. So walking that GiB
 * finds it, with no register but CR3. Under page-table isolation (PTI) a CPU
 * in user mode has a CR3 whose tables map only the entry code; they are the
 * second page of a pair, and the kernel's tables are the first: clear bit 12.
 * Without PTI bit 12 is part of the address. Both readings are tried, the
 * clear one first, and what is found there is proven by kallsyms anyway.
 *
 * The page tables are those of whatever process ran when the registers were read,
 * and it may end at any moment: they are walked once, at the beginning, and what
 * they mapped is remembered.
 *
 * The image is physically contiguous: what does not lie at the same distance
 * from its address as the first page (modules) is not part of it. It has holes
 * where init code was, but begins on a boundary of 2 MiB with code that stays.
 */
#include "finder.h"

#define STEP		(2ull << 20)	/* how the image is aligned */
#define CR3_ADDRESS	GENMASK_ULL(51, 12)
#define CR4_LA57	BIT_ULL(12)
#define CR3_READINGS	2

static int pgtable_init(struct gi_pgtable *pt, struct gi_memory *mem,
			const struct gi_vcpu_regs *regs, u32 reading)
{
	if (!regs_usable(regs))
		return -ENOENT;
	/* With the bit clear both readings are one. */
	if (reading && !(regs->cr3 & GI_PAGE_SIZE))
		return -ENOENT;
	pt->mem = mem;
	pt->levels = regs->cr4 & CR4_LA57 ? 5 : 4;
	pt->root = regs->cr3 & CR3_ADDRESS;
	if (!reading)
		pt->root &= ~GI_PAGE_SIZE;
	return 0;
}

static int image_walk(const struct gi_pgtable *pt, struct kernel_image *ret)
{
	u64 at = GI_KERNEL_MAP, end = at + GI_KERNEL_MAP_SIZE;
	struct kernel_image image = { 0 };
	struct gi_mapping map;

	for (; at < end; at += STEP) {
		if (gi_translate(pt, at, &map) < 0 ||
		    !gi_memory_range(pt->mem, map.gpa))
			continue;
		if (!image.range.end) {
			image.distance = at - map.gpa;
			image.range.start = map.gpa;
		}
		if (at - map.gpa == image.distance)
			image.range.end = map.gpa + STEP;
	}
	if (!image.range.end)
		return -ENOENT;
	*ret = image;
	return 0;
}

static bool image_known(const struct finder *finder,
			const struct kernel_image *image)
{
	u32 i;

	for (i = 0; i < finder->nr_images; i++)
		if (finder->images[i].range.start == image->range.start &&
		    finder->images[i].range.end == image->range.end &&
		    finder->images[i].distance == image->distance)
			return true;
	return false;
}

void find_regs_images(struct finder *finder)
{
	struct kernel_image image;
	struct gi_pgtable pt;
	u32 i, reading;

	for (i = 0; i < finder->nr_regs; i++) {
		for (reading = 0; reading < CR3_READINGS; reading++) {
			if (finder->nr_images == FINDER_IMAGES)
				return;
			if (!pgtable_init(&pt, finder->mem, &finder->regs[i],
					  reading) &&
			    !image_walk(&pt, &image) &&
			    !image_known(finder, &image))
				finder->images[finder->nr_images++] = image;
		}
	}
}

bool find_regs_confirm(const struct finder *finder)
{
	u64 text_gpa = finder->result.text_gpa;
	u64 text = text_gpa - finder->result.phys_base + GI_KERNEL_MAP;
	u32 i;

	for (i = 0; i < finder->nr_images; i++) {
		const struct kernel_image *image = &finder->images[i];

		if (text_gpa >= image->range.start &&
		    text_gpa < image->range.end &&
		    text - text_gpa == image->distance)
			return true;
	}
	return false;
}
