// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finding a Linux kernel: the order of things.
 *
 *  1. Where is it? With registers, only what a vCPU's page tables map counts:
 *     RAM may hold kernels that ran before a reboot, whole in every detail.
 *     Without registers, VMCOREINFO or a scan of RAM, and the first kernel that
 *     stands all tests.
 *  2. Which is it? Banner, build id, symbols: from its own tables.
 *  3. What does it look like? A layout blob of the user, of the cache, or made
 *     from BTF in the image.
 *  4. What did this boot decide? boot.c.
 */
#include "finder.h"

#include <stdlib.h>

#define NOTES_MAX	4096
#define NOTE_BUILD_ID	3

static const char banner_head[] = "Linux version ";

/* Symbols that only the search needs: they are in no layout. */
static const char *const own_symbols[] = { "system_state" };

u64 finder_symbol(const struct finder *finder, const char *name)
{
	u32 i;

	for (i = 0; i < finder->nr_symbols; i++)
		if (finder->symbols[i].found &&
		    !strcmp(finder->symbols[i].name, name))
			return finder->symbols[i].address;
	return 0;
}

int finder_read(const struct finder *finder, u64 linked, void *buf, u32 len)
{
	u64 gva = linked + finder->result.slide;

	if (linked < GI_KERNEL_MAP || gva < GI_KERNEL_MAP ||
	    gva - GI_KERNEL_MAP >= GI_KERNEL_MAP_SIZE)
		return -EFAULT;
	return gi_read(finder->mem,
		       gva - GI_KERNEL_MAP + finder->result.phys_base, buf,
		       len);
}

static int finder_init(struct finder *finder)
{
	struct symbol *symbols, *wanted;
	size_t i;
	int nr;

	nr = layout_symbols(&wanted);
	if (nr < 0)
		return nr;
	finder->names = wanted;
	symbols = calloc(nr + ARRAY_SIZE(own_symbols), sizeof(*symbols));
	if (!symbols)
		return -ENOMEM;
	memcpy(symbols, wanted, nr * sizeof(*symbols));
	for (i = 0; i < ARRAY_SIZE(own_symbols); i++)
		symbols[nr + i].name = own_symbols[i];
	finder->symbols = symbols;
	finder->nr_layout = nr;
	finder->nr_symbols = nr + ARRAY_SIZE(own_symbols);
	return 0;
}

static void finder_deinit(struct finder *finder)
{
	free(finder->btf);
	free(finder->symbols);
	free(finder->names);
}

static int kallsyms_in(struct finder *finder, const struct gpa_range *range)
{
	return kallsyms_find(finder->mem, range->start, range->end,
			     finder->symbols, finder->nr_symbols,
			     &finder->result);
}

/* The kernel that the vCPUs run. */
static int locate_by_regs(struct finder *finder)
{
	u32 i;
	int r;

	for (i = 0; i < finder->nr_images; i++) {
		r = kallsyms_in(finder, &finder->images[i].range);
		if (!r && !find_regs_confirm(finder))
			r = -ENOENT;
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

static int locate_in_ram(struct finder *finder)
{
	static const struct gpa_range all = { 0, U64_MAX };
	int r;

	finder->way = GI_FIND_VMCOREINFO;
	r = find_vmcoreinfo(finder);
	if (r != -ENOENT)
		return r;
	finder->way = GI_FIND_SCAN;
	return kallsyms_in(finder, &all);
}

/*
 * Firmware, a boot loader and the kernel's decompressor run in ring 0 at low
 * addresses; no kernel that is up does.
 */
static bool regs_booting(const struct gi_vcpu_regs *regs)
{
	return !regs_usable(regs) || (!regs->cpl && !(regs->rip >> 63));
}

static bool all_booting(const struct finder *finder)
{
	u32 i;

	for (i = 0; i < finder->nr_regs; i++)
		if (!regs_booting(&finder->regs[i]))
			return false;
	return true;
}

/* CR0 is never 0 on a real CPU: such registers are not known. */
static bool regs_known(const struct finder *finder)
{
	u32 i;

	for (i = 0; i < finder->nr_regs; i++)
		if (finder->regs[i].cr0)
			return true;
	return false;
}

/* Step 1. Return: 0, a positive outcome, or -errno. */
static int kernel_locate(struct finder *finder)
{
	int r;

	if (!regs_known(finder)) {
		r = locate_in_ram(finder);
		return r == -ENOENT ? GI_FIND_E_NOT_LINUX : r;
	}
	finder->way = GI_FIND_REGS;
	find_regs_images(finder);
	r = locate_by_regs(finder);
	if (r != -ENOENT)
		return r;
	/* No tables in what is mapped there: perhaps elsewhere, for the same image. */
	if (finder->nr_images) {
		r = locate_in_ram(finder);
		if (!r && find_regs_confirm(finder))
			return 0;
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return all_booting(finder) ? GI_FIND_E_BOOTING : GI_FIND_E_NOT_LINUX;
}

static void build_id_parse(struct finder *finder, const u8 *notes, u32 len)
{
	u32 at = 0;

	/* Each turn moves on by 12 bytes at least. */
	while (len - at >= 12) {
		u32 name_len, desc_len, type;
		u64 desc, next;

		memcpy(&name_len, notes + at, 4);
		memcpy(&desc_len, notes + at + 4, 4);
		memcpy(&type, notes + at + 8, 4);
		desc = at + 12 + (((u64)name_len + 3) & ~3ull);
		next = desc + (((u64)desc_len + 3) & ~3ull);
		if (desc + desc_len > len)
			return;
		if (type == NOTE_BUILD_ID && name_len == 4 &&
		    !memcmp(notes + at + 12, "GNU", 4) && desc_len &&
		    desc_len <= MONARCH_BUILD_ID_MAX) {
			memcpy(finder->build_id, notes + desc, desc_len);
			finder->build_id_len = desc_len;
			return;
		}
		if (next >= len)
			return;
		at = next;
	}
}

static void build_id_read(struct finder *finder)
{
	u64 start = finder_symbol(finder, "__start_notes");
	u64 stop = finder_symbol(finder, "__stop_notes");
	u8 notes[NOTES_MAX];

	if (start && stop > start && stop - start <= sizeof(notes) &&
	    !finder_read(finder, start, notes, stop - start))
		build_id_parse(finder, notes, stop - start);
}

/* Step 2. */
static int kernel_identify(struct finder *finder)
{
	u64 banner = finder_symbol(finder, "linux_banner");
	u64 code = finder_symbol(finder, "signal_wake_up_state");

	if (finder_read(finder, banner, finder->banner,
			sizeof(finder->banner)) < 0 ||
	    memcmp(finder->banner, banner_head, sizeof(banner_head) - 1))
		return -EUCLEAN;
	finder->banner[sizeof(finder->banner) - 1] = '\0';
	finder->banner[strcspn(finder->banner, "\n")] = '\0';
	/* Equal banners are to be equal to the last byte. */
	memset(finder->banner + strlen(finder->banner), 0,
	       sizeof(finder->banner) - strlen(finder->banner));
	if (code && !finder_read(finder, code, finder->code,
				 sizeof(finder->code)))
		finder->code_len = sizeof(finder->code);
	build_id_read(finder);
	return 0;
}

/* Step 3. Return: 0, -ENOENT there is none, -ENOMEM. */
static int blob_find(struct finder *finder, struct blob *ret)
{
	int r = blob_store_user(finder, ret);

	if (!r) {
		r = blob_complete(finder, ret);
		if (r < 0)
			blob_deinit(ret);
		return r;
	}
	if (r == -ENOMEM)
		return r;
	r = blob_btf_load(finder);
	if (r < 0)
		return r;
	r = blob_store_cached(finder, ret);
	if (!r)
		finder->way = GI_FIND_CACHED;
	if (r != -ENOENT)
		return r;
	r = blob_btf_make(finder, ret);
	if (!r)
		blob_store_save(finder, ret);
	return r;
}

/* "Linux version RELEASE (..." */
static void release_copy(const char *banner, char *ret, size_t size)
{
	const char *at = banner + sizeof(banner_head) - 1;
	size_t len = strcspn(at, " ");

	len = min(len, size - 1);
	memcpy(ret, at, len);
	ret[len] = '\0';
}

static int found_fill(const struct finder *finder, struct blob *blob,
		      struct gi_found *ret)
{
	struct gi_found found = { .way = finder->way };
	int r;

	r = boot_read(finder, blob->layout, &found.boot);
	if (r < 0) {
		blob_deinit(blob);
		return GI_FIND_E_BOOTING;
	}
	found.blob = blob->data;
	found.blob_len = blob->len;
	found.layout = blob->layout;
	found.blob_origin = blob->origin;
	release_copy(finder->banner, found.release, sizeof(found.release));
	*ret = found;
	return 0;
}

static int linux_find(struct finder *finder, struct gi_found *ret)
{
	struct blob blob;
	int r;

	r = kernel_locate(finder);
	if (r)
		return r;
	/* It was there a moment ago: the guest is changing it. */
	if (kernel_identify(finder) < 0)
		return GI_FIND_E_BOOTING;
	r = blob_find(finder, &blob);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return GI_FIND_E_NO_TYPES;
	return found_fill(finder, &blob, ret);
}

int gi_find_linux(struct gi_memory *mem, const struct gi_vcpu_regs *regs,
		  u32 nr_regs, const struct gi_find_options *options,
		  struct gi_found *ret)
{
	static const struct gi_find_options no_options;
	struct finder finder = {
		.mem = mem,
		.regs = regs,
		.nr_regs = nr_regs,
		.options = options ? options : &no_options,
	};
	int r;

	if (nr_regs && !regs)
		return -EINVAL;
	r = finder_init(&finder);
	if (!r)
		r = linux_find(&finder, ret);
	finder_deinit(&finder);
	return r;
}

void gi_found_deinit(struct gi_found *found)
{
	free(found->blob);
	free(found->layout);
	free(found->blob_origin);
	memset(found, 0, sizeof(*found));
}

const char *gi_find_outcome_text(int outcome)
{
	switch (outcome) {
	case GI_FOUND:
		return "a Linux kernel was found";
	case GI_FIND_E_BOOTING:
		return "the guest is still booting: try again in a few seconds";
	case GI_FIND_E_NOT_LINUX:
		return "no Linux kernel runs in the guest";
	case GI_FIND_E_NO_TYPES:
		return "the guest's kernel carries no type information (BTF): "
		       "make a layout with monarch-guestinfo from its vmlinux "
		       "or .debug file and put it into one of the layout "
		       "directories";
	}
	return "the search failed";
}
