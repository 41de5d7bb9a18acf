/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One search for a kernel: what the files of find/ share. The steps:
 *
 *   find.c		the order of everything
 *   find_regs.c	page tables of a vCPU -> where the kernel image is
 *   find_vmcoreinfo.c	the kernel's own note for crash dumps -> the same
 *   types/kallsyms.c	image, or all RAM -> symbols, phys_base
 *   blob_store.c	layout blobs in files; blob.c: checks and repairs them
 *   blob_btf.c		a layout blob from the BTF in the image
 *   boot.c		what this boot decided: direct map, per-CPU areas, CPUs
 */
#ifndef GUESTINFO_FIND_FINDER_H
#define GUESTINFO_FIND_FINDER_H

#include "../types/kallsyms.h"
#include "find.h"

/* Bytes of signal_wake_up_state() that are decoded. */
#define FINDER_CODE_LEN	64
#define FINDER_IMAGES	4	/* all vCPUs of an honest guest map the same one */

/* A run of guest-physical memory. */
struct gpa_range {
	u64 start, end;
};

/* What page tables map where the kernel image is: gva = gpa + @distance. */
struct kernel_image {
	struct gpa_range range;
	u64 distance;
};

/**
 * struct finder - a search
 * @symbols: layout_symbols(), of which there are @nr_layout, and then our own
 * @names: what layout_symbols() returned, which holds the names
 * @images: of find_regs_images()
 * @result: of kallsyms_find()
 * @banner: of the kernel found, without its newline
 * @code: first bytes of signal_wake_up_state()
 * @btf: copy of the BTF in RAM, NULL if there is none
 */
struct finder {
	struct gi_memory *mem;
	const struct gi_vcpu_regs *regs;
	u32 nr_regs;
	const struct gi_find_options *options;
	struct symbol *symbols;
	void *names;
	u32 nr_symbols, nr_layout;
	struct kernel_image images[FINDER_IMAGES];
	u32 nr_images;
	struct kallsyms_result result;
	enum gi_find_way way;
	char banner[MONARCH_BANNER_MAX];
	u8 build_id[MONARCH_BUILD_ID_MAX];
	u32 build_id_len;
	u8 code[FINDER_CODE_LEN];
	u32 code_len;
	void *btf;
	size_t btf_len;
};

/* A layout blob and where it is from. */
struct blob {
	void *data;
	size_t len;
	struct gi_layout *layout;
	char *origin;
};

/* The address of a symbol as linked, or 0. */
u64 finder_symbol(const struct finder *finder, const char *name);

/* Copy from the kernel image, by linked address. Return: 0 or -EFAULT. */
int __must_check finder_read(const struct finder *finder, u64 linked, void *buf,
			     u32 len);

/* Whether the vCPU runs in long mode with paging on. */
static inline bool regs_usable(const struct gi_vcpu_regs *regs)
{
	return regs->cr0 >> 31 & 1 && regs->efer >> 10 & 1 && regs->cr3;
}

/**
 * find_regs_images() - where the vCPUs' page tables map the kernel image
 * Fills finder->images with the different answers, at most FINDER_IMAGES.
 */
void find_regs_images(struct finder *finder);

/* Whether some vCPU's page tables mapped _text to where we found it. */
bool find_regs_confirm(const struct finder *finder);

/**
 * find_vmcoreinfo() - find the kernel by VMCOREINFO
 * Return: 0, finder->result and symbols are set; -ENOENT; -ENOMEM.
 */
int find_vmcoreinfo(struct finder *finder);

/**
 * boot_read() - read what this boot decided
 * Return: 0; -EAGAIN the kernel has not set itself up so far; -EINVAL the
 * layout does not fit this kernel.
 */
int boot_read(const struct finder *finder, const struct gi_layout *layout,
	      struct gi_boot *ret);

/*
 * blob_decode() - take over a malloc'ed blob, decode it and see that it is of
 * this kernel. Return: 0; -ENOMEM; -EUCLEAN; @data is freed on error.
 */
int blob_decode(const struct finder *finder, void *data, size_t len,
		struct blob *ret);
void blob_deinit(struct blob *blob);

/* Add TIF_SIGPENDING if the blob has none. Return: 0 or -ENOMEM. */
int blob_complete(const struct finder *finder, struct blob *blob);

/* Return: 0; -ENOENT nothing suitable in these directories; -ENOMEM. */
int blob_store_user(const struct finder *finder, struct blob *ret);
int blob_store_cached(const struct finder *finder, struct blob *ret);

/* Keep a blob made from BTF. A cache that cannot be written is no error. */
void blob_store_save(const struct finder *finder, const struct blob *blob);

/*
 * blob_btf_load() - copy the BTF out of the image, if there is any
 * blob_btf_make() - a blob from it
 * Return: 0; -ENOENT no BTF, or none that makes sense; -ENOMEM.
 */
int blob_btf_load(struct finder *finder);
int blob_btf_make(const struct finder *finder, struct blob *ret);

#endif /* GUESTINFO_FIND_FINDER_H */
