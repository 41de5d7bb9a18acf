/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finding a Linux kernel in a guest, with nothing but its RAM and, where the
 * backend has them, the registers of its vCPUs. User space only.
 */
#ifndef GUESTINFO_FIND_FIND_H
#define GUESTINFO_FIND_FIND_H

#include "../core/kernel.h"

/**
 * struct gi_vcpu_regs - the registers of one vCPU that matter here
 * The search needs cr0, cr3, cr4, efer, rip and cpl. A cr0 of 0 says that the
 * registers of this vCPU are not known.
 * @idt_base: 0 if the backend cannot tell
 * @lstar: MSR_LSTAR, 0 if the backend cannot tell
 */
struct gi_vcpu_regs {
	u64 cr0, cr3, cr4, efer;
	u64 rip, rsp;
	u64 gs_base, kernel_gs_base;
	u64 idt_base;
	u64 lstar;
	u32 cpl;
};

enum gi_find_way { GI_FIND_CACHED, GI_FIND_REGS, GI_FIND_VMCOREINFO, GI_FIND_SCAN };

/* Why no kernel was found; positive outcomes of gi_find_linux(). */
enum gi_find_outcome {
	GI_FOUND = 0,
	GI_FIND_E_BOOTING,	/* vCPUs not in long mode with paging yet, or kernel half set up: try again */
	GI_FIND_E_NOT_LINUX,	/* runs, but no Linux kernel is in its RAM */
	GI_FIND_E_NO_TYPES,	/* Linux, but no BTF and no layout blob for it */
};

/**
 * struct gi_find_options
 * @blob_dirs: NULL-terminated list of directories of user-given blobs
 *	(*.layout), looked up by build id (hex file name) or banner
 * @cache_dir: where blobs made here are kept by build id, or NULL. It is made
 *	if it does not exist, and holds 16 files of about 5 MB at most. Guests may
 *	share it: a cached blob serves only a guest whose BTF, symbols and code
 *	are those that it was made from, to the byte (find/blob_store.c)
 */
struct gi_find_options {
	const char *const *blob_dirs;
	const char *cache_dir;
};

/**
 * struct gi_found - a kernel found
 * @blob: its layout blob, malloc'ed
 * @layout: decoded, malloc'ed
 * @way: how; GI_FIND_CACHED: by whatever way, with its blob from the cache
 * @blob_origin: path of the file that the blob was read from or NULL (BTF)
 */
struct gi_found {
	void *blob;
	size_t blob_len;
	struct gi_layout *layout;
	struct gi_boot boot;
	enum gi_find_way way;
	char *blob_origin;
	char release[64];
};

/**
 * gi_find_linux() - find the kernel
 * @regs: of all vCPUs; may be empty (then scans RAM)
 * With registers, the kernel is the one that the vCPUs' page tables map; no
 * other counts, since RAM may hold kernels from before a reboot. Without,
 * VMCOREINFO, then a scan of all RAM; the first kernel that stands all tests
 * is it. The layout comes from a user's blob with the kernel's build id or
 * banner, else from the cache, else from BTF in its RAM.
 * Reads at most a bounded part of RAM per way, and allocates < 64 MiB.
 * Return: 0 with *ret; a positive gi_find_outcome; -ENOMEM, -EINVAL, -EIO.
 */
int gi_find_linux(struct gi_memory *mem, const struct gi_vcpu_regs *regs,
		  u32 nr_regs, const struct gi_find_options *options,
		  struct gi_found *ret);

void gi_found_deinit(struct gi_found *found);

const char *gi_find_outcome_text(int outcome);

#endif /* GUESTINFO_FIND_FIND_H */
