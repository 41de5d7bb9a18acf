/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One booted Linux kernel in a guest: its layout plus where this boot put it
 * (KASLR, direct map, per-CPU areas), and reads by kernel virtual address.
 *
 * Addresses in the kernel image and in the direct map are plain arithmetic;
 * everything else (vmalloc: stacks) walks init_top_pgt.
 */
#ifndef GUESTINFO_CORE_KERNEL_H
#define GUESTINFO_CORE_KERNEL_H

#include "layout.h"
#include "pgtable.h"

#define GI_KERNEL_MAP	0xffffffff80000000ull	/* __START_KERNEL_map */
#define GI_KERNEL_MAP_SIZE	(1ull << 30)
#define GI_MAX_CPUS	256

/**
 * struct gi_boot - where this boot put the kernel
 * @slide: of the kernel image (KASLR), added to linked symbol addresses
 * @phys_base: gpa = gva - GI_KERNEL_MAP + phys_base inside the image
 * @page_offset: start of the direct map of all RAM
 * @pgd: gpa of init_top_pgt
 * @levels: of paging, 4 or 5
 * @nr_cpus: online CPUs; CPU numbers run from 0 to nr_cpus - 1
 * @per_cpu_offset: __per_cpu_offset[]
 * @apic_id: x86_cpu_to_apicid per CPU
 */
struct gi_boot {
	u64 slide;
	u64 phys_base;
	u64 page_offset;
	u64 pgd;
	u8 levels;
	u32 nr_cpus;
	u64 per_cpu_offset[GI_MAX_CPUS];
	u32 apic_id[GI_MAX_CPUS];
};

/**
 * struct gi_kernel - a booted guest kernel
 * Borrowed pointers; layout and mem outlive it.
 */
struct gi_kernel {
	struct gi_memory *mem;
	const struct gi_layout *layout;
	struct gi_boot boot;
	u64 image_gva;		/* _text, slid */
	u64 image_size;		/* _end - _text */
	u64 ram_end;		/* end of the last RAM range */
};

/**
 * gi_kernel_init() - check the boot facts and make a kernel of them
 * Return: 0; -EINVAL a boot fact is impossible; -ENOENT the layout has no
 * _text or _end.
 */
int __must_check gi_kernel_init(struct gi_kernel *kernel, struct gi_memory *mem,
				const struct gi_layout *layout,
				const struct gi_boot *boot);

/* The run-time address of a symbol, or 0 if the layout has none. */
u64 gi_kernel_symbol(const struct gi_kernel *kernel, u32 id);

/* The address of a per-CPU variable on @cpu, or 0. */
u64 gi_kernel_per_cpu(const struct gi_kernel *kernel, u32 id, u32 cpu);

/* Is @cpu one that we know of, and online now? Unknown counts as online. */
bool gi_kernel_cpu_online(const struct gi_kernel *kernel, u32 cpu);

/* The same, and not about to go offline. */
bool gi_kernel_cpu_active(const struct gi_kernel *kernel, u32 cpu);

/* How many CPUs a mask of them has bits for, GI_MAX_CPUS at most. */
u32 gi_kernel_cpus_max(const struct gi_layout *layout);

/* Are the online CPUs still those of gi_boot? False after CPU hotplug. */
bool gi_kernel_cpus_same(const struct gi_kernel *kernel);

/**
 * gi_kernel_gpa() - translate a kernel virtual address
 * Return: 0, or as gi_translate(); -EFAULT also where the result is no RAM.
 */
int __must_check gi_kernel_gpa(const struct gi_kernel *kernel, u64 gva,
			       u64 *ret);

/* As gi_read() and gi_read_uint(), by kernel virtual address. */
int __must_check gi_kernel_read(const struct gi_kernel *kernel, u64 gva,
				void *buf, u32 len);
int __must_check gi_kernel_read_uint(const struct gi_kernel *kernel, u64 gva,
				     u32 bytes, u64 *ret);

/**
 * gi_kernel_field() - read a structure member
 * @gva: of the structure
 * @id: MONARCH_F_* of a field up to 64 bits wide; bitfields are shifted down
 * Return: 0; -ENOENT the layout has no such member; else as gi_kernel_read().
 */
int __must_check gi_kernel_field(const struct gi_kernel *kernel, u64 gva,
				 u32 id, u64 *ret);

#endif /* GUESTINFO_CORE_KERNEL_H */
