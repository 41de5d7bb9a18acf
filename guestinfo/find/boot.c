// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this boot of the kernel decided: where RAM is mapped, how many levels
 * the page tables have, where the per-CPU areas are, which CPUs there are.
 *
 * All of it is read from the kernel's variables and then proven where that is
 * possible: the direct map must lead to the kernel image through the kernel's
 * own page tables, each per-CPU area must be mapped, the first task must be
 * called "swapper". Numbers that a kernel has not set yet, while it boots, fail
 * the same tests; so failing means "not yet".
 */
#include "finder.h"

#define APICID_UNKNOWN	0xffff

/*
 * Where the direct map starts on kernels that do not keep it in a variable:
 * since 4.20, and before (arch/x86/include/asm/page_64_types.h).
 */
static const u64 fixed_page_offsets[] = {
	0xffff888000000000ull,
	0xffff880000000000ull,
};

/* The variable behind a symbol of the layout, in the kernel image. */
static int image_read(const struct finder *finder,
		      const struct gi_layout *layout, const struct gi_boot *boot,
		      u32 id, u64 offset, void *buf, u32 len)
{
	u64 linked = gi_symbol(layout, id);

	if (linked < GI_KERNEL_MAP)
		return -ENOENT;
	return gi_read(finder->mem, linked + offset + boot->slide -
				    GI_KERNEL_MAP + boot->phys_base, buf, len);
}

/* The image as the layout knows it must be the image that we found. */
static int slide_find(const struct finder *finder,
		      const struct gi_layout *layout, struct gi_boot *boot)
{
	const struct kallsyms_result *result = &finder->result;
	u64 text = result->text_gpa - result->phys_base + GI_KERNEL_MAP;
	u64 linked = gi_symbol(layout, MONARCH_F_SYM_TEXT);

	if (linked < GI_KERNEL_MAP || text < linked)
		return -EINVAL;
	boot->slide = text - linked;
	boot->phys_base = result->phys_base;
	return 0;
}

static bool maps_to(const struct gi_pgtable *pt, u64 gva, u64 gpa)
{
	struct gi_mapping map;

	return gi_translate(pt, gva, &map) == 0 && map.gpa == gpa;
}

/* Whether this is where the kernel's page tables map RAM. */
static bool direct_map_proven(const struct finder *finder,
			      const struct gi_boot *boot, u8 levels,
			      u64 page_offset)
{
	struct gi_pgtable pt = {
		.mem = finder->mem, .root = boot->pgd, .levels = levels,
	};
	u64 text_gpa = finder->result.text_gpa;
	u64 text = text_gpa - boot->phys_base + GI_KERNEL_MAP;

	return !(page_offset & (GI_PAGE_SIZE - 1)) &&
	       maps_to(&pt, page_offset + text_gpa, text_gpa) &&
	       maps_to(&pt, text, text_gpa);
}

/*
 * The page tables have as many levels as make the direct map come out right:
 * the wrong number does not. What the kernel says itself is only tried first.
 */
static bool direct_map_try(const struct finder *finder, u64 page_offset,
			   u8 likely_levels, struct gi_boot *boot)
{
	u8 levels[2] = { likely_levels, 9 - likely_levels };
	u32 i;

	for (i = 0; i < 2; i++) {
		if (!direct_map_proven(finder, boot, levels[i], page_offset))
			continue;
		boot->levels = levels[i];
		boot->page_offset = page_offset;
		return true;
	}
	return false;
}

static int direct_map_find(const struct finder *finder,
			   const struct gi_layout *layout, struct gi_boot *boot)
{
	u8 levels = 4;
	u64 page_offset;
	u32 l5 = 0;
	size_t i;

	if (!image_read(finder, layout, boot, MONARCH_F_SYM_PGTABLE_L5, 0,
			&l5, sizeof(l5)) && l5)
		levels = 5;
	if (!image_read(finder, layout, boot, MONARCH_F_SYM_PAGE_OFFSET_BASE,
			0, &page_offset, sizeof(page_offset)))
		return direct_map_try(finder, page_offset, levels, boot) ?
			       0 : -EAGAIN;
	for (i = 0; i < ARRAY_SIZE(fixed_page_offsets); i++)
		if (direct_map_try(finder, fixed_page_offsets[i], levels, boot))
			return 0;
	return -EAGAIN;
}

static int pgd_find(const struct finder *finder, const struct gi_layout *layout,
		    struct gi_boot *boot)
{
	u64 linked = gi_symbol(layout, MONARCH_F_SYM_INIT_TOP_PGT);

	if (linked < GI_KERNEL_MAP)
		return -EINVAL;
	boot->pgd = linked + boot->slide - GI_KERNEL_MAP + boot->phys_base;
	return boot->pgd & (GI_PAGE_SIZE - 1) ? -EINVAL : 0;
}

/*
 * How many CPUs are online, from CPU 0 to the first that is not. CPUs behind a
 * gap (one in the middle was taken offline) are left out. The mask has as many
 * bits as any cpumask has; what stands behind it is something else.
 */
static int cpus_count(const struct finder *finder,
		      const struct gi_layout *layout, struct gi_boot *boot)
{
	u8 mask[GI_MAX_CPUS / 8] = { 0 };
	u32 bits = gi_kernel_cpus_max(layout), n = 0;

	boot->nr_cpus = 1;
	/* A kernel for one CPU has no such mask. */
	if (!gi_symbol(layout, MONARCH_F_SYM_CPU_ONLINE_MASK))
		return 0;
	if (image_read(finder, layout, boot, MONARCH_F_SYM_CPU_ONLINE_MASK, 0,
		       mask, (bits + 7) / 8))
		return -EINVAL;
	while (n < bits && mask[n / 8] >> (n % 8) & 1)
		n++;
	if (!n)
		return -EAGAIN;
	boot->nr_cpus = n;
	return 0;
}

/*
 * Each online CPU's area must be mapped and be its own. A CPU for which that
 * does not hold ends the count, as a gap does.
 */
static int per_cpu_read(const struct finder *finder, struct gi_kernel *kernel)
{
	const struct gi_layout *layout = kernel->layout;
	struct gi_boot *boot = &kernel->boot;
	u64 start = gi_kernel_symbol(kernel, MONARCH_F_SYM_RUNQUEUES);
	u32 cpu;

	if (!start)
		return -EINVAL;
	if (!gi_symbol(layout, MONARCH_F_SYM_PER_CPU_OFFSET))
		return boot->nr_cpus == 1 ? 0 : -EINVAL;
	if (image_read(finder, layout, boot, MONARCH_F_SYM_PER_CPU_OFFSET, 0,
		       boot->per_cpu_offset, boot->nr_cpus * sizeof(u64)))
		return -EINVAL;
	for (cpu = 0; cpu < boot->nr_cpus; cpu++) {
		u64 offset = boot->per_cpu_offset[cpu], gpa;

		if (gi_kernel_gpa(kernel, start + offset, &gpa) < 0 ||
		    (cpu && offset == boot->per_cpu_offset[cpu - 1]))
			break;
	}
	if (!cpu)
		return -EAGAIN;
	boot->nr_cpus = cpu;
	return 0;
}

/*
 * The APIC ids are u16 up to 6.8 and u32 later: the low half serves for both,
 * since no VM of this size has an id above 65534. A kernel that knows of none
 * (one CPU, no APIC) has the ids that firmware gives by default.
 */
static void apic_ids_read(struct gi_kernel *kernel)
{
	u32 cpu;

	for (cpu = 0; cpu < kernel->boot.nr_cpus; cpu++) {
		u64 at, id = APICID_UNKNOWN;

		at = gi_kernel_per_cpu(kernel, MONARCH_F_SYM_CPU_TO_APICID, cpu);
		if (!at || gi_kernel_read_uint(kernel, at, 2, &id) < 0)
			id = APICID_UNKNOWN;
		kernel->boot.apic_id[cpu] = id == APICID_UNKNOWN ? cpu : id;
	}
}

/* The first task is called "swapper", or "swapper/0". */
static int init_task_check(const struct gi_kernel *kernel)
{
	static const char expected[] = "swapper";
	u64 task = gi_kernel_symbol(kernel, MONARCH_F_SYM_INIT_TASK);
	char comm[sizeof(expected) - 1];

	if (!task || !gi_has(kernel->layout, MONARCH_F_TASK_COMM))
		return -EINVAL;
	task += gi_offset(kernel->layout, MONARCH_F_TASK_COMM);
	if (gi_kernel_read(kernel, task, comm, sizeof(comm)) < 0 ||
	    memcmp(comm, expected, sizeof(comm)))
		return -EINVAL;
	return 0;
}

/*
 * Other CPUs are started while system_state is SYSTEM_SCHEDULING (1). That
 * state came with 4.13; before it, 1 meant that the system runs.
 */
static int running_check(const struct finder *finder,
			 const struct gi_layout *layout)
{
	u64 linked = finder_symbol(finder, "system_state");
	u32 least = gi_has(layout, MONARCH_F_TASK_FROZEN) ? 2 : 1;
	u32 state;

	if (!linked)
		return 0;
	if (finder_read(finder, linked, &state, sizeof(state)) < 0)
		return -EINVAL;
	return state < least ? -EAGAIN : 0;
}

int boot_read(const struct finder *finder, const struct gi_layout *layout,
	      struct gi_boot *ret)
{
	struct gi_boot boot = { 0 };
	struct gi_kernel kernel;
	int r;

	r = slide_find(finder, layout, &boot);
	if (!r)
		r = pgd_find(finder, layout, &boot);
	if (!r)
		r = running_check(finder, layout);
	if (!r)
		r = direct_map_find(finder, layout, &boot);
	if (!r)
		r = cpus_count(finder, layout, &boot);
	if (!r)
		r = gi_kernel_init(&kernel, finder->mem, layout, &boot);
	if (!r)
		r = init_task_check(&kernel);
	if (!r)
		r = per_cpu_read(finder, &kernel);
	if (r < 0)
		return r == -EAGAIN ? r : -EINVAL;
	apic_ids_read(&kernel);
	*ret = kernel.boot;
	return 0;
}
