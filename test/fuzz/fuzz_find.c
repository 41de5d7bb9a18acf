// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest whose RAM and registers say anything. The first byte of the input
 * chooses: odd, a true kernel, in which the rest of the input changes bytes
 * (page tables, variables, notes, BTF, symbols) and registers; even, the rest
 * is registers and RAM. Whatever is found must be fit for use: the layout
 * decodes, and the boot facts are accepted by the core.
 */
#include "../../guestinfo/find/find.h"
#include "../unit/kernel_maker.h"

#define IMAGE_SIZE	MAKER_END
#define RAM_SIZE	(MAKER_END + 4 * MAKER_PER_CPU_SIZE)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static u8 ram[MAKER_RAM_SIZE];
static u8 *pristine;
static bool whole;		/* RAM is as in @pristine */
static struct maker maker;

static void kernel_make(void)
{
	if (pristine)
		return;
	maker_init(&maker, ram);
	maker.text_gpa = 0;
	maker.levels = 5;
	maker.page_offset = 0xff38ae7480000000ull;
	maker_make(&maker);
	pristine = malloc(RAM_SIZE);
	if (!pristine)
		abort();
	memcpy(pristine, ram, RAM_SIZE);
}

static struct gi_vcpu_regs regs_good(void)
{
	struct gi_vcpu_regs regs = {
		.cr0 = 0x80050033, .cr3 = MAKER_PGD + 0x1000, .cr4 = 0x1000,
		.efer = 0xd01, .rip = 0x401000, .cpl = 3,
	};

	return regs;
}

static void search(const struct gi_vcpu_regs *regs, u32 nr_regs, u64 ram_size)
{
	struct gi_ram_range range = { .size = ram_size, .hva = ram };
	struct gi_memory mem = { .ranges = &range, .nr_ranges = 1 };
	struct gi_found found = { 0 };
	struct gi_layout layout;
	struct gi_kernel kernel;

	if (gi_find_linux(&mem, regs, nr_regs, NULL, &found))
		return;
	if (gi_layout_decode(found.blob, found.blob_len, &layout) ||
	    memcmp(&layout, found.layout, sizeof(layout)) ||
	    gi_kernel_init(&kernel, &mem, found.layout, &found.boot) ||
	    strnlen(found.release, sizeof(found.release)) ==
		    sizeof(found.release))
		abort();
	gi_found_deinit(&found);
}

/* Where a change goes: into one of the parts of interest. */
static u32 change_place(const u8 *data)
{
	static const u32 parts[] = {
		MAKER_BANNER, MAKER_NOTES, MAKER_BTF, MAKER_KALLSYMS,
		MAKER_DATA, MAKER_INIT_TASK, MAKER_PGD, MAKER_TABLES,
	};
	u32 part = parts[data[0] % ARRAY_SIZE(parts)];
	u32 at = data[1] | data[2] << 8;

	if (part == MAKER_KALLSYMS)
		at = at * 4 + (data[0] >> 6);
	return (part + at) % RAM_SIZE;
}

/* Eight bytes for the registers, then four each: where, and what to put there. */
static void kernel_change(const u8 *data, size_t size)
{
	struct gi_vcpu_regs regs = regs_good();
	u32 nr_regs = 1;
	size_t i;

	if (!whole)
		memcpy(ram, pristine, RAM_SIZE);
	whole = true;
	if (size >= 8) {
		/* Small changes, so that page tables may still be found. */
		regs.cr3 ^= (u64)data[0] << (data[1] % 50);
		regs.cr4 ^= (u64)(data[2] & 1) << 12;
		nr_regs = !(data[3] & 1);
	}
	for (i = 8; i + 4 <= size; i += 4)
		ram[change_place(data + i)] = data[i + 3];
	search(&regs, nr_regs, RAM_SIZE);
	for (i = 8; i + 4 <= size; i += 4)
		ram[change_place(data + i)] = pristine[change_place(data + i)];
}

static void ram_search(const u8 *data, size_t size)
{
	struct gi_vcpu_regs regs = regs_good();

	if (size < 24 || size > RAM_SIZE)
		return;
	memcpy(&regs.cr3, data, 8);
	memcpy(&regs.cr4, data + 8, 8);
	memcpy(&regs.rip, data + 16, 8);
	whole = false;
	memcpy(ram, data + 24, size - 24);
	search(&regs, 1, size - 24);
	search(NULL, 0, size - 24);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	kernel_make();
	if (!size)
		return 0;
	if (data[0] & 1)
		kernel_change(data + 1, size - 1);
	else
		ram_search(data + 1, size - 1);
	return 0;
}
