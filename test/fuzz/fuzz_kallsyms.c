// SPDX-License-Identifier: GPL-2.0-only
/*
 * kallsyms tables that lie. The first byte of the input chooses: 1 to 5, true
 * tables of that layout, in which the rest of the input changes bytes; else
 * the rest of the input is the RAM. What is found must be the kernel that is
 * there.
 */
#include "../../guestinfo/types/kallsyms.h"
#include "../unit/kernel_maker.h"

#define IMAGE_SIZE	MAKER_END

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static u8 ram[MAKER_RAM_SIZE];
static struct maker maker;
static u8 *images[6];
static const u8 *current;	/* the image that is in RAM */

/* The kernel of each layout, made once. */
static void images_make(void)
{
	u32 layout;

	if (images[1])
		return;
	maker_init(&maker, ram);
	maker.text_gpa = 0;
	for (layout = 1; layout <= 5; layout++) {
		memset(ram, 0, IMAGE_SIZE);
		maker.layout = layout;
		maker_make(&maker);
		images[layout] = malloc(IMAGE_SIZE);
		if (!images[layout])
			abort();
		memcpy(images[layout], ram, IMAGE_SIZE);
	}
}

static void search(u64 ram_size, bool must_be_ours)
{
	struct symbol symbols[] = {
		{ .name = "_text" }, { .name = "init_task" }, { .name = "none" },
	};
	struct gi_ram_range range = { .size = ram_size, .hva = ram };
	struct gi_memory mem = { .ranges = &range, .nr_ranges = 1 };
	struct kallsyms_result result;

	if (kallsyms_find(&mem, 0, U64_MAX, symbols, ARRAY_SIZE(symbols),
			  &result))
		return;
	if (!symbols[0].found || result.text_gpa >= ram_size ||
	    (must_be_ours && result.text_gpa != 0))
		abort();
}

static u32 change_place(const u8 *data)
{
	return MAKER_KALLSYMS +
	       (data[0] | data[1] << 8 | (data[2] & 3) << 16);
}

/* Each four bytes: where in the tables, and what to put there. */
static void tables_search(const u8 *image, const u8 *data, size_t size)
{
	size_t i;

	if (current != image)
		memcpy(ram, image, IMAGE_SIZE);
	current = image;
	for (i = 0; i + 4 <= size; i += 4)
		ram[change_place(data + i)] = data[i + 3];
	search(IMAGE_SIZE, true);
	for (i = 0; i + 4 <= size; i += 4)
		ram[change_place(data + i)] = image[change_place(data + i)];
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	images_make();
	if (!size)
		return 0;
	if (data[0] >= 1 && data[0] <= 5) {
		tables_search(images[data[0]], data + 1, size - 1);
	} else if (size <= IMAGE_SIZE) {
		current = NULL;
		memcpy(ram, data + 1, size - 1);
		search(size - 1, false);
	}
	return 0;
}
