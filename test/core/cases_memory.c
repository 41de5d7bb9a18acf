// SPDX-License-Identifier: GPL-2.0-only
/* Cases of guestinfo/core/memory.c. */
#include "../../guestinfo/core/memory.h"
#include "suite.h"

static u64 low[512], high[512];

static const struct gi_ram_range ranges[] = {
	{ .gpa = 0, .size = 2048, .hva = (const u8 *)low },
	{ .gpa = 2048, .size = 2048, .hva = (const u8 *)low + 2048 },
	{ .gpa = 0x100000000ull, .size = 4096, .hva = (const u8 *)high },
};

static struct gi_memory mapped = { .ranges = ranges, .nr_ranges = 3 };

static bool ranges_and_holes(void)
{
	u8 buf[64];

	((u8 *)low)[2047] = 7;
	((u8 *)low)[2048] = 9;
	CHECK(gi_read(&mapped, 2047, buf, 2) == 0);
	CHECK(buf[0] == 7 && buf[1] == 9);
	CHECK(gi_read(&mapped, 4090, buf, 8) == -EFAULT);
	CHECK(gi_read(&mapped, 0xc0000000ull, buf, 1) == -EFAULT);
	CHECK(gi_read(&mapped, U64_MAX - 3, buf, 8) == -EFAULT);
	CHECK(gi_read(&mapped, U64_MAX, buf, 0) == 0);
	CHECK(gi_memory_hva(&mapped, 2040, 16) == NULL);
	CHECK(gi_memory_hva(&mapped, 0x100000000ull, 4096) == (u8 *)high);
	CHECK(gi_memory_hva(&mapped, 0x100000000ull, 4097) == NULL);
	CHECK(gi_memory_hva(&mapped, 0x100000000ull, U64_MAX) == NULL);
	return true;
}

static bool integers(void)
{
	u64 value = 0;
	u32 value32 = 0;

	high[0] = 0x1122334455667788ull;
	high[1] = 0x99aabbccddeeff00ull;
	CHECK(gi_read_u64(&mapped, 0x100000000ull, &value) == 0);
	CHECK(value == 0x1122334455667788ull);
	CHECK(gi_read_u32(&mapped, 0x100000004ull, &value32) == 0);
	CHECK(value32 == 0x11223344);
	CHECK(gi_read_uint(&mapped, 0x100000001ull, 1, &value) == 0);
	CHECK(value == 0x77);
	/* Not aligned: still right. */
	CHECK(gi_read_uint(&mapped, 0x100000006ull, 4, &value) == 0);
	CHECK(value == 0xff001122);
	CHECK(gi_read_uint(&mapped, 0x100000000ull, 3, &value) == -EINVAL);
	CHECK(gi_read_uint(&mapped, 0x100000ffcull, 8, &value) == -EFAULT);
	CHECK(value == 0xff001122);
	return true;
}

static u32 reads;

static int op_read(struct gi_memory *mem, u64 gpa, void *buf, u32 len)
{
	reads++;
	if (gpa >= 3072)
		return -EFAULT;
	memcpy(buf, (const u8 *)low + gpa, len);
	return 0;
}

static bool through_ops(void)
{
	static const struct gi_memory_ops ops = { .read = op_read };
	static const struct gi_ram_range unmapped[] = {
		{ .gpa = 0, .size = 4096 },
	};
	struct gi_memory mem = { .ops = &ops, .ranges = unmapped,
				 .nr_ranges = 1 };
	struct gi_memory none = { .ranges = unmapped, .nr_ranges = 1 };
	u64 value;

	low[1] = 42;
	reads = 0;
	CHECK(gi_read_u64(&mem, 8, &value) == 0 && value == 42);
	CHECK(reads == 1);
	CHECK(gi_read_u64(&mem, 3072, &value) == -EFAULT);
	CHECK(gi_memory_hva(&mem, 0, 8) == NULL);
	CHECK(gi_read_u64(&none, 8, &value) == -EFAULT);
	return true;
}

const struct suite_case cases_memory[] = {
	{ "memory: ranges and holes", ranges_and_holes },
	{ "memory: integers", integers },
	{ "memory: through ops", through_ops },
	{ NULL, NULL },
};
