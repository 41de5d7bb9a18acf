// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a QEMU monitor prints, which a guest that broke out of its VM may write:
 * registers, the memory tree, and a command line with it.
 */
#include <stdlib.h>

#include "../../daemon/qemu_cmdline.h"
#include "../../daemon/qemu_ram.h"
#include "../../daemon/qemu_registers.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static void try_mtree(const char *text)
{
	static const char ids[][64] = { "pc.ram", "m" };
	static struct qemu_ram_range ranges[QEMU_RAM_RANGES];
	u32 nr;

	if (qemu_ram_parse_mtree(text, ids, 2, ranges, &nr))
		return;
	if (!nr || nr > QEMU_RAM_RANGES)
		abort();
	for (u32 i = 0; i < nr; i++) {
		u64 end = ranges[i].gpa + ranges[i].size;

		if (end <= ranges[i].gpa ||
		    (i + 1 < nr && ranges[i + 1].gpa < end))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	struct gi_vcpu_regs regs[4];
	struct qemu_cmdline cmdline;
	char *text = malloc(len + 1);
	u32 nr;

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	if (!qemu_registers_parse(text, regs, 4, &nr) && (!nr || nr > 4))
		abort();
	try_mtree(text);
	qemu_cmdline_parse(text, len, &cmdline);
	free(text);
	return 0;
}
