/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's physical memory, as the core sees it: ranges of guest RAM, each
 * either mapped (then reads are plain loads) or reached through ops->read().
 * A backend embeds struct gi_memory. Nothing here writes: see edit.h.
 *
 * Guest memory changes while it is read. Each read happens once, into the
 * caller's buffer; integers of 1, 2, 4 or 8 bytes that are naturally aligned
 * are read in one access.
 */
#ifndef GUESTINFO_CORE_MEMORY_H
#define GUESTINFO_CORE_MEMORY_H

#include "env.h"

struct gi_memory;

struct gi_memory_ops {
	/*
	 * Read @len bytes at @gpa, which lie inside one range.
	 * Return: 0, or -EFAULT where the host cannot supply these bytes.
	 */
	int (*read)(struct gi_memory *mem, u64 gpa, void *buf, u32 len);
};

/**
 * struct gi_ram_range - a run of guest RAM
 * @gpa: guest-physical address of its first byte
 * @size: bytes
 * @hva: where it is mapped here, or NULL: then reads go through ops->read()
 */
struct gi_ram_range {
	u64 gpa;
	u64 size;
	const u8 *hva;
};

/**
 * struct gi_memory - guest RAM
 * @ops: may be NULL if every range is mapped
 * @ranges: sorted by gpa, not overlapping, gpa + size does not wrap
 */
struct gi_memory {
	const struct gi_memory_ops *ops;
	const struct gi_ram_range *ranges;
	u32 nr_ranges;
};

/* The range that holds @gpa, or NULL. */
const struct gi_ram_range *gi_memory_range(const struct gi_memory *mem,
					   u64 gpa);

/**
 * gi_read() - copy guest RAM
 * @len: any length; the bytes may span ranges that adjoin
 * Return: 0; -EFAULT where there is no RAM or the host cannot supply it.
 * @buf is unspecified then.
 */
int __must_check gi_read(struct gi_memory *mem, u64 gpa, void *buf, u32 len);

int __must_check gi_read_u64(struct gi_memory *mem, u64 gpa, u64 *ret);
int __must_check gi_read_u32(struct gi_memory *mem, u64 gpa, u32 *ret);

/*
 * An integer of 1, 2, 4 or 8 bytes, zero-extended.
 * Return: 0, -EFAULT, or -EINVAL for another width.
 */
int __must_check gi_read_uint(struct gi_memory *mem, u64 gpa, u32 bytes,
			      u64 *ret);

/* Where [gpa, gpa + len) is mapped here, or NULL: not RAM, or not mapped. */
const u8 *gi_memory_hva(const struct gi_memory *mem, u64 gpa, u64 len);

#endif /* GUESTINFO_CORE_MEMORY_H */
