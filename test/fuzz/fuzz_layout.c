// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layout blobs. Each input is decoded as it is, and once more with a sound
 * frame around it, without which the checksum would hide the facts. What is
 * accepted must keep the bounds that the core relies on.
 */
#include <stdlib.h>

#include "../../guestinfo/core/layout.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void fact_judge(u32 id, const struct gi_fact *fact)
{
	must(gi_fact_name(id));
	must(fact->source);
	if (fact->kind != MONARCH_FACT_FIELD)
		return;
	must(fact->bit < 8 && fact->width);
	must(fact->offset * 8ull + fact->bit + fact->width <=
	     GI_LAYOUT_MAX_OFFSET * 8ull);
}

static void layout_judge(const struct gi_layout *layout)
{
	u32 id;

	must(memchr(layout->banner, '\0', sizeof(layout->banner)));
	must(layout->build_id_len <= sizeof(layout->build_id));
	for (id = 0; id < MONARCH_F_MAX; id++) {
		if (gi_has(layout, id))
			fact_judge(id, &layout->facts[id]);
	}
}

/* Make the frame right around whatever the input holds. */
static void frame_mend(u8 *blob, size_t len)
{
	struct monarch_layout header;

	memcpy(&header, blob, sizeof(header));
	header.magic = MONARCH_LAYOUT_MAGIC;
	header.version = MONARCH_LAYOUT_VERSION;
	header.header_size = sizeof(header);
	header.total_size = len;
	header.nr_facts = (len - sizeof(header)) / sizeof(struct monarch_fact);
	header.checksum = 0;
	memcpy(blob, &header, sizeof(header));
	header.checksum = gi_crc32(0, blob, len);
	memcpy(blob, &header, sizeof(header));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	static struct gi_layout layout;
	u8 *copy;

	if (gi_layout_decode(data, len, &layout) == 0)
		layout_judge(&layout);
	if (len < sizeof(struct monarch_layout) || len > 65535)
		return 0;
	len -= (len - sizeof(struct monarch_layout)) %
	       sizeof(struct monarch_fact);
	copy = malloc(len);
	memcpy(copy, data, len);
	frame_mend(copy, len);
	if (gi_layout_decode(copy, len, &layout) == 0)
		layout_judge(&layout);
	free(copy);
	return 0;
}
