/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * x86-64 guest page tables: 4 or 5 levels, 4 KiB, 2 MiB and 1 GiB pages
 * (Intel SDM vol. 3 ch. 4.5). Tables are the guest's and may say anything;
 * a walk takes at most one read per level, so it always ends.
 */
#ifndef GUESTINFO_CORE_PGTABLE_H
#define GUESTINFO_CORE_PGTABLE_H

#include "memory.h"

#define GI_PAGE_SIZE	4096ull
#define GI_PAGE_MASK	(~(GI_PAGE_SIZE - 1))

/**
 * struct gi_pgtable - a page-table root
 * @root: gpa of the top-level table (low 12 bits ignored)
 * @levels: 4 or 5
 */
struct gi_pgtable {
	struct gi_memory *mem;
	u64 root;
	u8 levels;
};

/**
 * struct gi_mapping - what a walk found
 * @gpa: of the byte asked for
 * @page_size: of the page that maps it: 4 KiB, 2 MiB or 1 GiB
 * @writable, @user: the permissions, ANDed over the levels
 */
struct gi_mapping {
	u64 gpa;
	u64 page_size;
	bool writable;
	bool user;
};

/**
 * gi_translate() - walk the tables for one address
 * Return: 0; -ENXIO nothing is mapped there; -EUCLEAN a reserved bit is set or
 * @gva is not canonical; -EFAULT a table is outside RAM; -EINVAL bad @levels.
 */
int __must_check gi_translate(const struct gi_pgtable *pt, u64 gva,
			      struct gi_mapping *ret);

#endif /* GUESTINFO_CORE_PGTABLE_H */
