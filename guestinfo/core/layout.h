/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The layout of one guest kernel build, decoded from a layout blob
 * (include/uapi/linux/monarch.h) into a flat table that look-ups index.
 */
#ifndef GUESTINFO_CORE_LAYOUT_H
#define GUESTINFO_CORE_LAYOUT_H

#include "env.h"
#include "../../include/uapi/linux/monarch.h"

/* No kernel structure that we read is larger; keeps gva + offset sane. */
#define GI_LAYOUT_MAX_OFFSET	65536u

/* Bits. The widest member is a cpumask: NR_CPUS, 8192 on distribution kernels. */
#define GI_LAYOUT_MAX_WIDTH	16384u

/**
 * struct gi_fact - a decoded fact
 * @kind: enum monarch_fact_kind, 0 if absent
 * @source: enum monarch_fact_source
 * @bit: first bit inside the byte at @offset (bitfields; else 0)
 * @width: bits (fields)
 * @offset: bytes (fields)
 * @value: sizes, symbols and constants
 */
struct gi_fact {
	u8 kind;
	u8 source;
	u8 bit;
	u32 width;
	u32 offset;
	u64 value;
};

struct gi_layout {
	struct gi_fact facts[MONARCH_F_MAX];
	u8 build_id[MONARCH_BUILD_ID_MAX];
	u32 build_id_len;
	char banner[MONARCH_BANNER_MAX];
};

/**
 * gi_layout_decode() - validate a blob and decode it
 * @blob: need not be aligned
 * Return: 0; -EINVAL not a blob, wrong version or cut short; -EBADMSG the
 * checksum is wrong; -EUCLEAN a fact contradicts the format or is out of
 * bounds. @ret is unspecified on error.
 */
int __must_check gi_layout_decode(const void *blob, size_t len,
				  struct gi_layout *ret);

static inline bool gi_has(const struct gi_layout *layout, u32 id)
{
	return layout->facts[id].kind != 0;
}

/* Byte offset of a field; the caller has checked gi_has(). */
static inline u32 gi_offset(const struct gi_layout *layout, u32 id)
{
	return layout->facts[id].offset;
}

/* A symbol's linked address, or 0. */
static inline u64 gi_symbol(const struct gi_layout *layout, u32 id)
{
	return layout->facts[id].kind == MONARCH_FACT_SYMBOL ?
		       layout->facts[id].value : 0;
}

/* A fact's name as in the enum, without prefix ("TASK_PID"), or NULL. */
const char *gi_fact_name(u32 id);

#endif /* GUESTINFO_CORE_LAYOUT_H */
