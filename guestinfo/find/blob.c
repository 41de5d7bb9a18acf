// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layout blobs in memory: checking that one is of the kernel at hand, and
 * adding what can be read from the guest's code.
 */
#include "finder.h"

#include <stdlib.h>


struct symbol_row {
	u32 id;
	const char *names;
};

static const struct symbol_row symbol_rows[] = {
#define SYMBOL_ROW(nr, name, sym)	{ nr, sym },
	MONARCH_SYMBOLS(SYMBOL_ROW)
};

/* Whether @linked is the address, in kallsyms, of one of the names in "a|b". */
static bool symbol_agrees(const struct finder *finder, const char *names,
			  u64 linked, u64 shift)
{
	bool known = false;
	char name[64];

	while (*names) {
		size_t len = strcspn(names, "|");
		u64 address;

		if (len >= sizeof(name))
			return false;
		memcpy(name, names, len);
		name[len] = '\0';
		names += len + (names[len] == '|');
		address = finder_symbol(finder, name);
		known |= address != 0;
		if (address >= GI_KERNEL_MAP)
			address -= shift;
		if (address == linked)
			return true;
	}
	return !known;
}

/*
 * A blob fits if each of its symbols is where the guest's own table has it.
 * Addresses may differ by a constant: where the kernel is linked is a guess on
 * our side, knowledge on the blob's (types/kallsyms.c).
 */
static bool symbols_agree(const struct finder *finder,
			  const struct gi_layout *layout)
{
	u64 text = finder_symbol(finder, "_text");
	u64 shift = text - gi_symbol(layout, MONARCH_F_SYM_TEXT);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(symbol_rows); i++) {
		const struct symbol_row *row = &symbol_rows[i];

		if (gi_has(layout, row->id) &&
		    !symbol_agrees(finder, row->names,
				   gi_symbol(layout, row->id), shift))
			return false;
	}
	return gi_has(layout, MONARCH_F_SYM_TEXT);
}

static bool identity_agrees(const struct finder *finder,
			    const struct gi_layout *layout)
{
	/* A .debug file has no banner: its blobs go by build id alone. */
	if (layout->banner[0] && strcmp(layout->banner, finder->banner))
		return false;
	if (!layout->build_id_len || !finder->build_id_len)
		return layout->banner[0];
	return layout->build_id_len == finder->build_id_len &&
	       !memcmp(layout->build_id, finder->build_id,
		       finder->build_id_len);
}

void blob_deinit(struct blob *blob)
{
	free(blob->data);
	free(blob->layout);
	free(blob->origin);
	memset(blob, 0, sizeof(*blob));
}

int blob_decode(const struct finder *finder, void *data, size_t len,
		struct blob *ret)
{
	struct blob blob = { .data = data, .len = len };
	int r = -EUCLEAN;

	blob.layout = malloc(sizeof(*blob.layout));
	if (!blob.layout)
		r = -ENOMEM;
	else if (!gi_layout_decode(data, len, blob.layout) &&
		 identity_agrees(finder, blob.layout) &&
		 symbols_agree(finder, blob.layout))
		r = 0;
	if (r < 0)
		blob_deinit(&blob);
	else
		*ret = blob;
	return r;
}

/* Where a fact with @id belongs among those that are there. */
static u32 fact_position(const struct monarch_fact *facts, u32 nr, u32 id)
{
	u32 i;

	for (i = 0; i < nr && facts[i].id < id; i++)
		;
	return i;
}

/* A copy of @blob's data with one more fact. */
static struct monarch_layout *blob_extended(const struct blob *blob,
					    const struct monarch_fact *fact)
{
	const struct monarch_layout *old = blob->data;
	const void *old_at = (const u8 *)blob->data + old->header_size;
	u32 nr = old->nr_facts, at;
	struct monarch_layout *header;
	struct monarch_fact *facts;

	header = calloc(1, sizeof(*header) + (nr + 1) * sizeof(*facts));
	if (!header)
		return NULL;
	*header = *old;
	facts = (struct monarch_fact *)(header + 1);
	memcpy(facts, old_at, nr * sizeof(*facts));
	at = fact_position(facts, nr, fact->id);
	memmove(&facts[at + 1], &facts[at], (nr - at) * sizeof(*facts));
	facts[at] = *fact;
	header->nr_facts = nr + 1;
	header->header_size = sizeof(*header);
	header->total_size = sizeof(*header) + (nr + 1) * sizeof(*facts);
	header->checksum = 0;
	header->checksum = gi_crc32(0, header, header->total_size);
	return header;
}

int blob_complete(const struct finder *finder, struct blob *blob)
{
	int bit = tif_sigpending_decode(finder->code, finder->code_len);
	const struct monarch_layout *old = blob->data;
	struct monarch_fact fact = {
		.id = MONARCH_F_TIF_SIGPENDING_BIT,
		.kind = MONARCH_FACT_CONST,
		.source = MONARCH_SOURCE_CODE,
		.value = bit,
	};
	struct monarch_layout *extended;

	if (bit < 0 || gi_has(blob->layout, fact.id) ||
	    old->nr_facts >= MONARCH_LAYOUT_MAX_FACTS)
		return 0;
	extended = blob_extended(blob, &fact);
	if (!extended)
		return -ENOMEM;
	free(blob->data);
	blob->data = extended;
	blob->len = extended->total_size;
	if (gi_layout_decode(blob->data, blob->len, blob->layout) < 0)
		return -EUCLEAN;
	return 0;
}
