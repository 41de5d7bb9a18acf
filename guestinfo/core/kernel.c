// SPDX-License-Identifier: GPL-2.0-only
/* A booted guest kernel and reads by its virtual addresses; see kernel.h. */
#include "kernel.h"

#define KERNEL_IMAGE_MAX	(256ull << 20)

static bool boot_possible(const struct gi_boot *boot)
{
	return (boot->levels == 4 || boot->levels == 5) &&
	       !(boot->pgd & (GI_PAGE_SIZE - 1)) &&
	       !(boot->page_offset & (GI_PAGE_SIZE - 1)) &&
	       boot->page_offset >= 0xff00000000000000ull &&
	       boot->page_offset < GI_KERNEL_MAP &&
	       boot->slide < GI_KERNEL_MAP_SIZE &&
	       boot->nr_cpus >= 1 && boot->nr_cpus <= GI_MAX_CPUS;
}

static u64 end_of_ram(const struct gi_memory *mem)
{
	const struct gi_ram_range *last;

	if (!mem->nr_ranges)
		return 0;
	last = &mem->ranges[mem->nr_ranges - 1];
	return last->gpa + last->size;
}

int gi_kernel_init(struct gi_kernel *kernel, struct gi_memory *mem,
		   const struct gi_layout *layout, const struct gi_boot *boot)
{
	u64 text = gi_symbol(layout, MONARCH_F_SYM_TEXT);
	u64 end = gi_symbol(layout, MONARCH_F_SYM_END);

	if (!boot_possible(boot))
		return -EINVAL;
	if (!text || !end)
		return -ENOENT;
	if (text < GI_KERNEL_MAP || end <= text ||
	    end - text > KERNEL_IMAGE_MAX)
		return -EINVAL;
	kernel->mem = mem;
	kernel->layout = layout;
	kernel->boot = *boot;
	kernel->image_gva = text + boot->slide;
	kernel->image_size = end - text;
	kernel->ram_end = end_of_ram(mem);
	return 0;
}

u64 gi_kernel_symbol(const struct gi_kernel *kernel, u32 id)
{
	u64 linked = gi_symbol(kernel->layout, id);

	return linked >= GI_KERNEL_MAP ? linked + kernel->boot.slide : linked;
}

u64 gi_kernel_per_cpu(const struct gi_kernel *kernel, u32 id, u32 cpu)
{
	if (!gi_has(kernel->layout, id) || cpu >= kernel->boot.nr_cpus)
		return 0;
	/*
	 * Zero-based up to 6.12 (the symbol is a small number that KASLR does
	 * not move), an address in the image later: right both ways.
	 */
	return gi_kernel_symbol(kernel, id) + kernel->boot.per_cpu_offset[cpu];
}

/* A word of a mask of CPUs. Return: false where it cannot be known. */
static bool mask_word(const struct gi_kernel *kernel, u32 id, u32 word,
		      u64 *ret)
{
	u64 mask = gi_kernel_symbol(kernel, id);

	return mask && !gi_kernel_read_uint(kernel, mask + word * 8, 8, ret);
}

static bool mask_has(const struct gi_kernel *kernel, u32 id, u32 cpu)
{
	u64 word;

	return cpu < kernel->boot.nr_cpus &&
	       (!mask_word(kernel, id, cpu / 64, &word) ||
		((word >> (cpu % 64)) & 1));
}

bool gi_kernel_cpu_online(const struct gi_kernel *kernel, u32 cpu)
{
	return mask_has(kernel, MONARCH_F_SYM_CPU_ONLINE_MASK, cpu);
}

bool gi_kernel_cpu_active(const struct gi_kernel *kernel, u32 cpu)
{
	return gi_kernel_cpu_online(kernel, cpu) &&
	       mask_has(kernel, MONARCH_F_SYM_CPU_ACTIVE_MASK, cpu);
}

u32 gi_kernel_cpus_max(const struct gi_layout *layout)
{
	u32 bits = 64;

	if (gi_has(layout, MONARCH_F_TASK_CPUS_MASK))
		bits = layout->facts[MONARCH_F_TASK_CPUS_MASK].width;
	return min(bits, (u32)GI_MAX_CPUS);
}

bool gi_kernel_cpus_same(const struct gi_kernel *kernel)
{
	u32 nr = kernel->boot.nr_cpus, max = gi_kernel_cpus_max(kernel->layout);
	u64 expected, seen;
	u32 at;

	for (at = 0; at < max; at += 64) {
		expected = at >= nr ? 0 :
			   nr - at >= 64 ? U64_MAX : BIT_ULL(nr - at) - 1;
		if (mask_word(kernel, MONARCH_F_SYM_CPU_ONLINE_MASK, at / 64,
			      &seen) && seen != expected)
			return false;
	}
	return true;
}

int gi_kernel_gpa(const struct gi_kernel *kernel, u64 gva, u64 *ret)
{
	struct gi_pgtable pt = {
		.mem = kernel->mem,
		.root = kernel->boot.pgd,
		.levels = kernel->boot.levels,
	};
	struct gi_mapping mapping;
	int err;

	if (gva - kernel->boot.page_offset < kernel->ram_end) {
		*ret = gva - kernel->boot.page_offset;
		return gi_memory_range(kernel->mem, *ret) ? 0 : -EFAULT;
	}
	if (gva - kernel->image_gva < kernel->image_size) {
		*ret = gva - GI_KERNEL_MAP + kernel->boot.phys_base;
		return gi_memory_range(kernel->mem, *ret) ? 0 : -EFAULT;
	}
	err = gi_translate(&pt, gva, &mapping);
	if (err)
		return err;
	if (!gi_memory_range(kernel->mem, mapping.gpa))
		return -EFAULT;
	*ret = mapping.gpa;
	return 0;
}

/* How many bytes from @gva on are sure to be contiguous. */
static u32 contiguous(const struct gi_kernel *kernel, u64 gva, u32 len)
{
	u64 in_page = GI_PAGE_SIZE - (gva & (GI_PAGE_SIZE - 1));

	if (gva - kernel->boot.page_offset < kernel->ram_end ||
	    gva - kernel->image_gva < kernel->image_size)
		return len;
	return in_page < len ? (u32)in_page : len;
}

int gi_kernel_read(const struct gi_kernel *kernel, u64 gva, void *buf, u32 len)
{
	u8 *out = buf;

	while (len) {
		u32 part = contiguous(kernel, gva, len);
		u64 gpa;
		int err = gi_kernel_gpa(kernel, gva, &gpa);

		if (!err)
			err = gi_read(kernel->mem, gpa, out, part);
		if (err)
			return err;
		out += part;
		len -= part;
		if (len && check_add_overflow(gva, (u64)part, &gva))
			return -EUCLEAN;
	}
	return 0;
}

int gi_kernel_read_uint(const struct gi_kernel *kernel, u64 gva, u32 bytes,
			u64 *ret)
{
	u64 gpa;
	int err;

	if (!bytes || (gva & (GI_PAGE_SIZE - 1)) > GI_PAGE_SIZE - bytes) {
		u64 value = 0;

		if (!bytes || bytes > 8)
			return -EINVAL;
		err = gi_kernel_read(kernel, gva, &value, bytes);
		if (!err)
			*ret = value;
		return err;
	}
	err = gi_kernel_gpa(kernel, gva, &gpa);
	return err ? err : gi_read_uint(kernel->mem, gpa, bytes, ret);
}

int gi_kernel_field(const struct gi_kernel *kernel, u64 gva, u32 id, u64 *ret)
{
	const struct gi_fact *fact = &kernel->layout->facts[id];
	u64 value, mask;
	u32 bytes;
	int err;

	if (fact->kind != MONARCH_FACT_FIELD)
		return -ENOENT;
	if (fact->bit + fact->width > 64)
		return -EINVAL;
	if (check_add_overflow(gva, (u64)fact->offset, &gva))
		return -EUCLEAN;
	bytes = (fact->bit + fact->width + 7) / 8;
	/* A bitfield that spans bytes is rare; read the power of two around it. */
	while (bytes & (bytes - 1))
		bytes++;
	err = gi_kernel_read_uint(kernel, gva, bytes, &value);
	if (err)
		return err;
	mask = fact->width >= 64 ? U64_MAX : BIT_ULL(fact->width) - 1;
	*ret = (value >> fact->bit) & mask;
	return 0;
}
