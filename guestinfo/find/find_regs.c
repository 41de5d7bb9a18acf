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
 * The image is physically contiguous: what does not lie at the same distance
 * from its address as the first page (modules) is not part of it. It has holes
 * where init code was, but begins on a boundary of 2 MiB with code that stays.
 */
#include "finder.h"

#define STEP		(2ull << 20)	/* how the image is aligned */
#define CR3_ADDRESS	GENMASK_ULL(51, 12)
#define CR4_LA57	BIT_ULL(12)

static int pgtable_init(struct gi_pgtable *pt, struct gi_memory *mem,
			const struct gi_vcpu_regs *regs, u32 variant)
{
	if (!regs_usable(regs))
		return -ENOENT;
	/* With the bit clear both readings are one. */
	if (variant && !(regs->cr3 & GI_PAGE_SIZE))
		return -ENOENT;
	pt->mem = mem;
	pt->levels = regs->cr4 & CR4_LA57 ? 5 : 4;
	pt->root = regs->cr3 & CR3_ADDRESS;
	if (!variant)
		pt->root &= ~GI_PAGE_SIZE;
	return 0;
}

int find_regs_image(struct gi_memory *mem, const struct gi_vcpu_regs *regs,
		    u32 variant, struct gpa_range *ret)
{
	u64 at = GI_KERNEL_MAP, end = at + GI_KERNEL_MAP_SIZE;
	struct gpa_range range = { 0 };
	u64 distance = 0;
	struct gi_mapping map;
	struct gi_pgtable pt;

	if (pgtable_init(&pt, mem, regs, variant) < 0)
		return -ENOENT;
	for (; at < end; at += STEP) {
		if (gi_translate(&pt, at, &map) < 0 ||
		    !gi_memory_range(mem, map.gpa))
			continue;
		if (!range.end) {
			distance = at - map.gpa;
			range.start = map.gpa;
		}
		if (at - map.gpa == distance)
			range.end = map.gpa + STEP;
	}
	if (!range.end)
		return -ENOENT;
	*ret = range;
	return 0;
}

bool find_regs_confirm(const struct finder *finder)
{
	u64 text_gpa = finder->result.text_gpa;
	u64 text = text_gpa - finder->result.phys_base + GI_KERNEL_MAP;
	struct gi_mapping map;
	struct gi_pgtable pt;
	u32 i, variant;

	for (i = 0; i < finder->nr_regs; i++) {
		for (variant = 0; variant < FIND_REGS_VARIANTS; variant++) {
			if (!pgtable_init(&pt, finder->mem, &finder->regs[i],
					  variant) &&
			    !gi_translate(&pt, text, &map) &&
			    map.gpa == text_gpa)
				return true;
		}
	}
	return false;
}
