// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own symbol table, out of its RAM (scripts/kallsyms.c writes it).
 *
 * Names are strings of token numbers. The tokens of the ten digits are the
 * digits themselves, so "0\0" "1\0" ... "9\0" marks a token table, which
 * token_index, behind it, proves. Before it lie the markers (where every 256th
 * name starts), before these the names and their number. Where the addresses
 * are has changed over time; each layout is tried, and the one counts under
 * which phys_base and linux_banner hold what they must:
 *
 *   1  4.6 .. 6.3	offsets, relative_base, num_syms, names: an offset >= 0 is
 *			absolute (per-CPU), else the address is base - 1 - offset
 *   2  6.4 .. 6.x	the same behind token_index
 *   3  7.x		behind token_index, relative to the table's own entries
 *   4  before 4.6	64-bit addresses, num_syms, names
 *   5  4.6 .. 6.3	as 1 without CONFIG_KALLSYMS_ABSOLUTE_PERCPU: base + offset
 *
 * Other tables may stand in between (seqs_of_names), so nothing relies on
 * adjacency that a backport can change. Everything is parsed in a private copy
 * of the RAM around the token table, since the guest runs on meanwhile; each
 * search has a budget. Names are compared by a hash that is put together from
 * the hashes of their tokens, so only names that are wanted are ever expanded.
 */
#include "kallsyms.h"
#include "ram_scan.h"

#include <stdlib.h>

#define KERNEL_MAP	0xffffffff80000000ull
#define KERNEL_MAP_SIZE	(1ull << 30)
#define KERNEL_ALIGN	(2ull << 20)
#define KERNEL_SIZE_MAX	(256ull << 20)

/*
 * Where the kernel is linked: __START_KERNEL_map + CONFIG_PHYSICAL_START. The
 * latter is 16 MiB by default, and so in every distribution. The tables do not
 * tell; with another value the slide comes out wrong by a constant, which
 * the linked addresses make up for.
 */
#define KERNEL_LINKED	0xffffffff81000000ull

#define NR_TOKENS	256
#define TOKEN_MAX	128	/* bytes of a token, with its NUL */
#define NAME_MAX_TOKENS	1024
#define NAME_MAX_LEN	512	/* KSYM_NAME_LEN since 6.1 */
#define MARKER_EVERY	256
#define MARKER_STEP_MIN	512	/* 256 names of a length byte and a token */
#define MARKER_STEP_MAX	30000
#define MARKERS_MIN	16	/* no kernel has less than 4000 symbols */
#define MARKERS_MAX	8192
#define MARKERS_REACH	(4u << 20)	/* from the token table back */

#define WINDOW_BEFORE	(12u << 20)
#define WINDOW_AFTER	(4u << 20)

/* Budgets of one kallsyms_find(); BUDGET_MARKERS is that of one token table. */
#define BUDGET_RAM	(16ull << 30)
#define BUDGET_DIGITS	4096
#define BUDGET_TABLES	16
#define BUDGET_MARKERS	32
#define BUDGET_PARSES	64

static const char digits[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";

/* A token, with what it adds to the hash of a name. */
struct token {
	const char *text;
	u32 len;
	u64 hash, power;		/* of the text */
	u64 tail_hash, tail_power;	/* of the text without its first letter */
};

/* A name wanted. A global symbol of that name beats a local one. */
struct wanted {
	const char *name;
	u64 hash;
	u32 index;
	bool found, global;
};

enum { WANTED_TEXT, WANTED_PHYS_BASE, WANTED_BANNER, WANTED_OWN };

/* The tables in the window: offsets from its start. */
struct tables {
	u32 tokens, index, index_end;
	u32 markers, nr_markers, marker_size;
	u32 num_syms, names;
	u32 nr_syms;
};

struct kallsyms {
	struct gi_memory *mem;
	u8 *window;		/* private copy of RAM */
	u32 capacity;		/* of the window */
	u64 gpa;		/* of its start */
	u32 len;
	struct tables tables;
	struct token token[NR_TOKENS];
	struct wanted *wanted;
	u32 nr_wanted;
	u16 *buckets;		/* of wanted, by hash; 0 empty, else index + 1 */
	u32 bucket_mask;
	u32 tables_left, digits_left, parses_left;
};

/* An address as a table has it: virtual, or physical (layout 3). */
struct place {
	u32 layout;
	u32 offsets;
	u64 base;
};

static u64 hash_letter(u64 hash, char letter)
{
	return hash * 0x9e3779b97f4a7c15ull + (u8)letter + 1;
}

static u64 hash_text(const char *text, u32 len)
{
	u64 hash = 0;
	u32 i;

	for (i = 0; i < len; i++)
		hash = hash_letter(hash, text[i]);
	return hash;
}

/* What a hash is multiplied by when @len letters follow. */
static u64 hash_power(u32 len)
{
	u64 power = 1;

	while (len--)
		power *= 0x9e3779b97f4a7c15ull;
	return power;
}

static u16 window_u16(const struct kallsyms *k, u32 at)
{
	u16 value;

	memcpy(&value, k->window + at, sizeof(value));
	return value;
}

static u32 window_u32(const struct kallsyms *k, u32 at)
{
	u32 value;

	memcpy(&value, k->window + at, sizeof(value));
	return value;
}

static u64 window_u64(const struct kallsyms *k, u32 at)
{
	u64 value;

	memcpy(&value, k->window + at, sizeof(value));
	return value;
}

static u32 align_up(u32 value, u32 align)
{
	return (value + align - 1) & ~(align - 1);
}

static int window_reserve(struct kallsyms *k, u32 len)
{
	if (len <= k->capacity)
		return 0;
	free(k->window);
	k->capacity = 0;
	k->window = malloc(len);
	if (!k->window)
		return -ENOMEM;
	k->capacity = len;
	return 0;
}

/* Copy [gpa - before, gpa + after) as far as it is one run of RAM. */
static int window_load(struct kallsyms *k, u64 gpa, u32 before, u32 after)
{
	const struct gi_ram_range *range = gi_memory_range(k->mem, gpa);
	u64 start, end;

	if (!range)
		return -EFAULT;
	start = gpa - min(gpa - range->gpa, (u64)before);
	start = max(start & ~7ull, range->gpa);
	end = gpa + min(range->size - (gpa - range->gpa), (u64)after);
	if (window_reserve(k, end - start) < 0)
		return -ENOMEM;
	k->gpa = start;
	k->len = end - start;
	return gi_read(k->mem, start, k->window, k->len);
}

/*
 * The token table around the digits at @zero: walk to its end, then find
 * token_index behind it. Nothing else has 256 strings that 256 numbers fit.
 */
static int tokens_walk(const struct kallsyms *k, u32 zero, u32 *ret_end)
{
	u32 at = zero;
	u32 i;

	for (i = '0'; i < NR_TOKENS; i++) {
		u32 left = min(k->len - at, (u32)TOKEN_MAX);
		const u8 *nul = left ? memchr(k->window + at, 0, left) : NULL;

		if (!nul)
			return -ENOENT;
		at = nul - k->window + 1;
	}
	*ret_end = at;
	return 0;
}

/* Whether the 256 u16 at @index are the places of the strings at @tokens. */
static bool index_fits(const struct kallsyms *k, u32 tokens, u32 end, u32 index)
{
	u32 at = 0;
	u32 i;

	for (i = 0; i < NR_TOKENS; i++) {
		const u8 *nul;

		if (window_u16(k, index + 2 * i) != at || tokens + at >= end)
			return false;
		nul = memchr(k->window + tokens + at, 0, end - tokens - at);
		if (!nul || nul - (k->window + tokens + at) >= TOKEN_MAX)
			return false;
		at = nul - (k->window + tokens) + 1;
	}
	return tokens + at == end;
}

static int tokens_find(struct kallsyms *k, u32 zero)
{
	struct tables *t = &k->tables;
	u32 end, align;

	if (tokens_walk(k, zero, &end) < 0)
		return -ENOENT;
	for (align = 8; align >= 4; align >>= 1) {
		u32 index = align_up(end, align);
		u32 before;

		if (index > k->len || k->len - index < 2 * NR_TOKENS)
			continue;
		before = window_u16(k, index + 2 * '0');
		if (before > zero || !index_fits(k, zero - before, end, index))
			continue;
		t->tokens = zero - before;
		t->index = index;
		t->index_end = index + 2 * NR_TOKENS;
		return 0;
	}
	return -ENOENT;
}

static void tokens_prepare(struct kallsyms *k)
{
	u32 i;

	for (i = 0; i < NR_TOKENS; i++) {
		struct token *token = &k->token[i];
		u32 at = k->tables.tokens + window_u16(k, k->tables.index + 2 * i);

		token->text = (const char *)k->window + at;
		token->len = strlen(token->text);
		token->hash = hash_text(token->text, token->len);
		token->power = hash_power(token->len);
		if (!token->len)
			continue;
		token->tail_hash = hash_text(token->text + 1, token->len - 1);
		token->tail_power = hash_power(token->len - 1);
	}
}

static u64 marker(const struct kallsyms *k, u32 at, u32 size, u32 i)
{
	return size == 8 ? window_u64(k, at + 8 * i) : window_u32(k, at + 4 * i);
}

/* How many markers stand at @at: 0, then growing by what 256 names can take. */
static u32 markers_count(const struct kallsyms *k, u32 at, u32 size)
{
	u32 most = min((k->tables.tokens - at) / size, (u32)MARKERS_MAX);
	u64 previous = 0;
	u32 i;

	if (!most || marker(k, at, size, 0))
		return 0;
	for (i = 1; i < most; i++) {
		u64 next = marker(k, at, size, i);

		if (next < previous + MARKER_STEP_MIN ||
		    next > previous + MARKER_STEP_MAX)
			break;
		previous = next;
	}
	return i;
}

/* The size of a name's length and its place, or -EUCLEAN. */
static int name_at(const struct kallsyms *k, u32 at, u32 end, u32 *ret_len)
{
	u32 len, head = 1;

	if (at >= end)
		return -EUCLEAN;
	len = k->window[at];
	if (len & 0x80) {	/* two bytes since 6.1; never so long before */
		if (end - at < 2)
			return -EUCLEAN;
		len = (len & 0x7f) | (u32)k->window[at + 1] << 7;
		head = 2;
	}
	if (!len || len > NAME_MAX_TOKENS || len > end - at - head)
		return -EUCLEAN;
	*ret_len = len;
	return head;
}

/* Whether @nr names from @names on end at the markers and agree with them. */
static bool names_fit(const struct kallsyms *k, u32 names, u32 nr)
{
	const struct tables *t = &k->tables;
	u32 at = names;
	u32 i, len;

	for (i = 0; i < nr; i++) {
		int head;

		if (i % MARKER_EVERY == 0 &&
		    marker(k, t->markers, t->marker_size, i / MARKER_EVERY) !=
			    at - names)
			return false;
		head = name_at(k, at, t->markers, &len);
		if (head < 0)
			return false;
		at += head + len;
	}
	return t->markers - at < 8;
}

/* The names in front of the markers, if these are @nr_markers. */
static int names_find(struct kallsyms *k, u32 nr_markers)
{
	struct tables *t = &k->tables;
	u64 last = marker(k, t->markers, t->marker_size, nr_markers - 1);
	u32 at, stop, align;

	if (last + 32 > t->markers)
		return -ENOENT;
	at = (t->markers - last - 8) & ~3u;
	stop = at - min(at, (u32)MARKER_STEP_MAX + 32);
	for (; at > stop; at -= 4) {
		u32 nr = window_u32(k, at);

		if (!nr || (nr - 1) / MARKER_EVERY + 1 != nr_markers)
			continue;
		for (align = 8; align >= 4; align >>= 1) {
			t->names = align_up(at + 4, align);
			if (!k->parses_left)
				return -ELOOP;
			k->parses_left--;
			if (!names_fit(k, t->names, nr))
				continue;
			t->num_syms = at;
			t->nr_syms = nr;
			t->nr_markers = nr_markers;
			return 0;
		}
	}
	return -ENOENT;
}

/* What follows the markers may look like one or two more. */
static int markers_try(struct kallsyms *k, u32 at, u32 size)
{
	u32 found = markers_count(k, at, size);
	u32 nr;

	if (found < MARKERS_MIN)
		return -ENOENT;
	k->tables.markers = at;
	k->tables.marker_size = size;
	for (nr = found; nr + 2 >= found; nr--) {
		if (!names_find(k, nr))
			return 0;
	}
	return -ENOENT;
}

static bool marker_step(u64 step)
{
	return step >= MARKER_STEP_MIN && step <= MARKER_STEP_MAX;
}

/* Search backwards from the token table. Markers are u64 before 4.20. */
static int names_and_markers_find(struct kallsyms *k)
{
	u32 tries = BUDGET_MARKERS;
	u32 at = (k->tables.tokens - min(k->tables.tokens, 16u)) & ~3u;
	u32 stop = at - min(at, (u32)MARKERS_REACH);

	for (; at > stop && tries && k->parses_left; at -= 4) {
		u32 size;

		if (window_u32(k, at))
			continue;
		if (marker_step(window_u32(k, at + 4)))
			size = 4;
		else if (!window_u32(k, at + 4) &&
			 marker_step(window_u64(k, at + 8)))
			size = 8;
		else
			continue;
		if (markers_count(k, at, size) < MARKERS_MIN)
			continue;
		tries--;
		if (!markers_try(k, at, size))
			return 0;
	}
	return -ENOENT;
}

/* Expand a name, without the type letter in front. Return: whether it is @name. */
static bool name_is(const struct kallsyms *k, const u8 *codes, u32 nr,
		    const char *name)
{
	u32 i, skip = 1;

	for (i = 0; i < nr; i++) {
		const struct token *token = &k->token[codes[i]];
		u32 len = token->len - skip;

		if (strncmp(name, token->text + skip, len))
			return false;
		name += len;
		skip = 0;
	}
	return !*name;
}

static void name_match(struct kallsyms *k, u32 index, const u8 *codes, u32 nr,
		       u64 hash)
{
	char type = k->token[codes[0]].text[0];
	bool global = type >= 'A' && type <= 'Z';
	u32 bucket = hash & k->bucket_mask;

	for (; k->buckets[bucket]; bucket = (bucket + 1) & k->bucket_mask) {
		struct wanted *wanted = &k->wanted[k->buckets[bucket] - 1];

		if (wanted->hash != hash ||
		    (wanted->found && (wanted->global || !global)) ||
		    !name_is(k, codes, nr, wanted->name))
			continue;
		wanted->found = true;
		wanted->global = global;
		wanted->index = index;
	}
}

/* The one pass over all names. They were checked by names_fit(). */
static void names_match(struct kallsyms *k)
{
	const struct tables *t = &k->tables;
	u32 at = t->names;
	u32 i, j, len;

	for (i = 0; i < t->nr_syms; i++) {
		int head = name_at(k, at, t->markers, &len);
		const u8 *codes = k->window + at + head;
		u64 hash = k->token[codes[0]].tail_hash;

		for (j = 1; j < len; j++) {
			const struct token *token = &k->token[codes[j]];

			hash = hash * token->power + token->hash;
		}
		if (k->token[codes[0]].len &&
		    k->buckets[hash & k->bucket_mask])
			name_match(k, i, codes, len, hash);
		at += head + len;
	}
}

/* Where the addresses would be under @layout. */
static int place_init(const struct kallsyms *k, u32 layout, struct place *ret)
{
	const struct tables *t = &k->tables;
	u32 each = layout == 4 ? 8 : 4;
	u64 size = (u64)each * t->nr_syms;
	u64 start, base = 0;

	if (layout == 2 || layout == 3) {
		start = align_up(t->index_end, layout == 2 ? 8 : 4);
		base = (start + size + 7) & ~7ull;
		if ((layout == 2 ? base + 8 : start + size) > k->len)
			return -ENOENT;
	} else {
		/* num_syms has eight bytes for itself, as relative_base has. */
		start = t->num_syms - (layout == 4 ? 0 : 8);
		base = start;
		if (t->num_syms < 8 || start < size)
			return -ENOENT;
		start = (start - size) & ~7ull;
	}
	ret->layout = layout;
	ret->offsets = start;
	ret->base = layout == 3 || layout == 4 ? 0 : window_u64(k, base);
	return 0;
}

static u64 place_address(const struct kallsyms *k, const struct place *place,
			 u32 index)
{
	u32 at = place->offsets + (place->layout == 4 ? 8 : 4) * index;
	s64 offset;

	if (place->layout == 4)
		return window_u64(k, at);
	offset = (s32)window_u32(k, at);
	if (place->layout == 3)
		return k->gpa + at + offset;
	if (place->layout == 5)
		return place->base + (u32)offset;
	return offset >= 0 ? (u64)offset : place->base - 1 - offset;
}

/*
 * The proof: at these two places of RAM must be the kernel's own idea of where
 * it is, and its banner. One alone is not enough: a page of zeros has a
 * phys_base of 0, which fits a kernel that KASLR did not move.
 */
static bool place_proven(const struct kallsyms *k, u64 phys_base_gpa,
			 u64 banner_gpa, u64 phys_base)
{
	static const char banner[] = "Linux version ";
	char text[sizeof(banner) - 1];
	u64 value;

	return gi_read_u64(k->mem, phys_base_gpa, &value) == 0 &&
	       value == phys_base &&
	       gi_read(k->mem, banner_gpa, text, sizeof(text)) == 0 &&
	       !memcmp(text, banner, sizeof(text));
}

static bool in_kernel_map(u64 address)
{
	return address >= KERNEL_MAP && address - KERNEL_MAP < KERNEL_MAP_SIZE;
}

/* Layouts with virtual addresses: find the image that the tables are part of. */
static int place_virtual(const struct kallsyms *k, const u64 *address,
			 struct kallsyms_result *ret)
{
	u64 text = address[WANTED_TEXT];
	u64 phys_base_at = address[WANTED_PHYS_BASE] - text;
	u64 banner_at = address[WANTED_BANNER] - text;
	u64 tables_gpa = k->gpa + k->tables.tokens;
	u64 gpa = tables_gpa & ~(KERNEL_ALIGN - 1);

	if (!in_kernel_map(text) || text & (KERNEL_ALIGN - 1) ||
	    phys_base_at > KERNEL_SIZE_MAX || banner_at > KERNEL_SIZE_MAX)
		return -ENOENT;
	for (; tables_gpa - gpa < KERNEL_SIZE_MAX; gpa -= KERNEL_ALIGN) {
		u64 phys_base = gpa - (text - KERNEL_MAP);

		if (place_proven(k, gpa + phys_base_at, gpa + banner_at,
				 phys_base)) {
			ret->text_gpa = gpa;
			ret->phys_base = phys_base;
			return 0;
		}
		if (!gpa)
			break;
	}
	return -ENOENT;
}

/* Layout 3: the addresses are physical, for that is where we read the table. */
static int place_physical(const struct kallsyms *k, const u64 *address,
			  struct kallsyms_result *ret)
{
	u64 text = address[WANTED_TEXT];
	u64 phys_base, text_gva;

	if (text & (KERNEL_ALIGN - 1) ||
	    gi_read_u64(k->mem, address[WANTED_PHYS_BASE], &phys_base) < 0)
		return -ENOENT;
	text_gva = text - phys_base + KERNEL_MAP;
	if (!in_kernel_map(text_gva) || text_gva & (KERNEL_ALIGN - 1) ||
	    !place_proven(k, address[WANTED_PHYS_BASE], address[WANTED_BANNER],
			  phys_base))
		return -ENOENT;
	ret->text_gpa = text;
	ret->phys_base = phys_base;
	return 0;
}

static int place_find(const struct kallsyms *k, struct place *place,
		      struct kallsyms_result *ret)
{
	u64 address[WANTED_OWN];
	u32 layout, i;
	int r;

	for (layout = 1; layout <= 5; layout++) {
		if (place_init(k, layout, place) < 0)
			continue;
		for (i = 0; i < WANTED_OWN; i++)
			address[i] = place_address(k, place,
						   k->wanted[i].index);
		r = layout == 3 ? place_physical(k, address, ret) :
				  place_virtual(k, address, ret);
		if (!r)
			return 0;
	}
	return -ENOENT;
}

static bool own_found(const struct kallsyms *k)
{
	u32 i;

	for (i = 0; i < WANTED_OWN; i++)
		if (!k->wanted[i].found)
			return false;
	return true;
}

/* The tables around the digits at @gpa, all the way to a proven place. */
static int candidate_try(struct kallsyms *k, u64 gpa, struct place *place,
			 struct kallsyms_result *ret)
{
	u32 i;
	int r;

	r = window_load(k, gpa, 8192, 65536);
	if (r < 0 || tokens_find(k, gpa - k->gpa) < 0)
		return r == -ENOMEM ? r : -ENOENT;
	if (!k->tables_left)
		return -ELOOP;
	k->tables_left--;
	r = window_load(k, gpa, WINDOW_BEFORE, WINDOW_AFTER);
	if (r < 0 || tokens_find(k, gpa - k->gpa) < 0 ||
	    names_and_markers_find(k) < 0)
		return r == -ENOMEM ? r : -ENOENT;
	for (i = 0; i < k->nr_wanted; i++)
		k->wanted[i].found = false;
	tokens_prepare(k);
	names_match(k);
	return own_found(k) ? place_find(k, place, ret) : -ENOENT;
}

/* Try each place in @piece where the digits are. */
static int piece_try(struct kallsyms *k, const struct ram_piece *piece,
		     struct place *place, struct kallsyms_result *ret)
{
	const u8 *at = piece->data, *end = at + piece->len;
	int r;

	while ((at = memmem(at, end - at, digits, sizeof(digits)))) {
		if (!k->digits_left)
			return -ELOOP;
		k->digits_left--;
		r = candidate_try(k, piece->gpa + (at - piece->data), place,
				  ret);
		if (r != -ENOENT)
			return r;
		at++;
	}
	return -ENOENT;
}

static int tables_search(struct kallsyms *k, u64 start, u64 end,
			 struct place *place, struct kallsyms_result *ret)
{
	struct ram_piece piece;
	struct ram_scan scan;
	int r;

	r = ram_scan_init(&scan, k->mem, start, end, sizeof(digits) - 1,
			  BUDGET_RAM);
	if (r < 0)
		return r;
	r = -ENOENT;
	while (r == -ENOENT && ram_scan_next(&scan, &piece))
		r = piece_try(k, &piece, place, ret);
	ram_scan_deinit(&scan);
	return r == -ELOOP ? -ENOENT : r;
}

static void wanted_add(struct kallsyms *k, const char *name)
{
	struct wanted *wanted = &k->wanted[k->nr_wanted++];
	u32 bucket;

	wanted->name = name;
	wanted->hash = hash_text(name, strlen(name));
	bucket = wanted->hash & k->bucket_mask;
	while (k->buckets[bucket])
		bucket = (bucket + 1) & k->bucket_mask;
	k->buckets[bucket] = k->nr_wanted;
}

static int kallsyms_init(struct kallsyms *k, struct gi_memory *mem,
			 const struct symbol *symbols, u32 nr)
{
	u32 nr_buckets = 64;
	u32 i;

	memset(k, 0, sizeof(*k));
	if (nr > 4096)
		return -EINVAL;
	while (nr_buckets < 4 * (nr + WANTED_OWN))
		nr_buckets *= 2;
	k->mem = mem;
	k->parses_left = BUDGET_PARSES;
	k->tables_left = BUDGET_TABLES;
	k->digits_left = BUDGET_DIGITS;
	k->bucket_mask = nr_buckets - 1;
	k->wanted = calloc(nr + WANTED_OWN, sizeof(*k->wanted));
	k->buckets = calloc(nr_buckets, sizeof(*k->buckets));
	if (!k->wanted || !k->buckets)
		return -ENOMEM;
	wanted_add(k, "_text");
	wanted_add(k, "phys_base");
	wanted_add(k, "linux_banner");
	for (i = 0; i < nr; i++)
		wanted_add(k, symbols[i].name);
	return 0;
}

static void kallsyms_deinit(struct kallsyms *k)
{
	free(k->buckets);
	free(k->wanted);
	free(k->window);
}

/* The address as linked; what is not in the image is not moved by KASLR. */
static u64 linked_address(u64 address, u32 layout,
			  const struct kallsyms_result *result)
{
	if (layout == 3)
		address = address - result->phys_base + KERNEL_MAP;
	return address >= KERNEL_MAP ? address - result->slide : address;
}

static void result_fill(const struct kallsyms *k, const struct place *place,
			struct kallsyms_result *result, struct symbol *symbols,
			u32 nr)
{
	u64 text = result->text_gpa - result->phys_base + KERNEL_MAP;
	u32 i;

	result->slide = text > KERNEL_LINKED ? text - KERNEL_LINKED : 0;
	result->layout = place->layout;
	result->nr_syms = k->tables.nr_syms;
	for (i = 0; i < nr; i++) {
		const struct wanted *wanted = &k->wanted[WANTED_OWN + i];

		symbols[i].found = wanted->found;
		symbols[i].address = 0;
		if (wanted->found)
			symbols[i].address = linked_address(
				place_address(k, place, wanted->index),
				place->layout, result);
	}
}

int kallsyms_find(struct gi_memory *mem, u64 start, u64 end,
		  struct symbol *symbols, u32 nr, struct kallsyms_result *ret)
{
	struct kallsyms_result result;
	struct place place;
	struct kallsyms k;
	int r;

	r = kallsyms_init(&k, mem, symbols, nr);
	if (!r)
		r = tables_search(&k, start, end, &place, &result);
	if (!r) {
		result_fill(&k, &place, &result, symbols, nr);
		*ret = result;
	}
	kallsyms_deinit(&k);
	return r;
}
