// SPDX-License-Identifier: GPL-2.0-only
/* Guest RAM by guest-physical address; the idea is in memory.h. */
#include "memory.h"

const struct gi_ram_range *gi_memory_range(const struct gi_memory *mem, u64 gpa)
{
	u32 i;

	/* Two or three ranges (PCI hole, hotplug): a scan beats a search. */
	for (i = 0; i < mem->nr_ranges; i++)
		if (gpa - mem->ranges[i].gpa < mem->ranges[i].size)
			return &mem->ranges[i];
	return NULL;
}

const u8 *gi_memory_hva(const struct gi_memory *mem, u64 gpa, u64 len)
{
	const struct gi_ram_range *range = gi_memory_range(mem, gpa);

	if (!range || !range->hva || range->size - (gpa - range->gpa) < len)
		return NULL;
	return range->hva + (gpa - range->gpa);
}

static int read_range(struct gi_memory *mem, const struct gi_ram_range *range,
		      u64 gpa, void *buf, u32 len)
{
	if (range->hva) {
		memcpy(buf, range->hva + (gpa - range->gpa), len);
		return 0;
	}
	if (!mem->ops || !mem->ops->read)
		return -EFAULT;
	return mem->ops->read(mem, gpa, buf, len);
}

int gi_read(struct gi_memory *mem, u64 gpa, void *buf, u32 len)
{
	u8 *out = buf;

	/* Each turn uses up a range, so this ends after nr_ranges turns. */
	while (len) {
		const struct gi_ram_range *range = gi_memory_range(mem, gpa);
		u64 left;
		u32 part;
		int err;

		if (!range)
			return -EFAULT;
		left = range->size - (gpa - range->gpa);
		part = left < len ? (u32)left : len;
		err = read_range(mem, range, gpa, out, part);
		if (err)
			return err;
		out += part;
		len -= part;
		if (len && check_add_overflow(gpa, (u64)part, &gpa))
			return -EFAULT;
	}
	return 0;
}

/* One load per value: the guest may store to it at this moment. */
static int load_mapped(const u8 *hva, u32 bytes, u64 *ret)
{
	switch (bytes) {
	case 1:
		*ret = READ_ONCE(*(const u8 *)hva);
		return 0;
	case 2:
		*ret = READ_ONCE(*(const u16 *)hva);
		return 0;
	case 4:
		*ret = READ_ONCE(*(const u32 *)hva);
		return 0;
	case 8:
		*ret = READ_ONCE(*(const u64 *)hva);
		return 0;
	}
	return -EINVAL;
}

int gi_read_uint(struct gi_memory *mem, u64 gpa, u32 bytes, u64 *ret)
{
	const u8 *hva;
	u64 value = 0;
	int err;

	if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8)
		return -EINVAL;
	hva = gi_memory_hva(mem, gpa, bytes);
	if (hva && !((uintptr_t)hva & (bytes - 1)))
		return load_mapped(hva, bytes, ret);
	/* x86-64 is little endian, and so are we: the low bytes come first. */
	err = gi_read(mem, gpa, &value, bytes);
	if (!err)
		*ret = value;
	return err;
}

int gi_read_u64(struct gi_memory *mem, u64 gpa, u64 *ret)
{
	return gi_read_uint(mem, gpa, 8, ret);
}

int gi_read_u32(struct gi_memory *mem, u64 gpa, u32 *ret)
{
	u64 value;
	int err = gi_read_uint(mem, gpa, 4, &value);

	if (!err)
		*ret = (u32)value;
	return err;
}
