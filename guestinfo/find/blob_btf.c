// SPDX-License-Identifier: GPL-2.0-only
/*
 * A layout blob from the BTF that the kernel carries in its image. It is
 * copied out first: the guest runs on while it is parsed.
 */
#include "finder.h"

#include <stdlib.h>

#define BTF_MAX		(16u << 20)	/* Debian's kernels: 3.6 to 5.5 MB */

int blob_btf_load(struct finder *finder)
{
	u64 start = finder_symbol(finder, "__start_BTF");
	u64 stop = finder_symbol(finder, "__stop_BTF");

	if (!start || stop <= start || stop - start > BTF_MAX)
		return -ENOENT;
	finder->btf_len = stop - start;
	finder->btf = malloc(finder->btf_len);
	if (!finder->btf)
		return -ENOMEM;
	if (finder_read(finder, start, finder->btf, finder->btf_len) < 0) {
		free(finder->btf);
		finder->btf = NULL;
		return -ENOENT;
	}
	return 0;
}

int blob_btf_make(const struct finder *finder, struct blob *ret)
{
	struct layout_source source = {
		.symbols = finder->symbols,
		.nr_symbols = finder->nr_layout,
		.symbol_source = MONARCH_SOURCE_KALLSYMS,
		.sigpending_code = finder->code,
		.sigpending_len = finder->code_len,
		.build_id = finder->build_id,
		.build_id_len = finder->build_id_len,
		.banner = finder->banner,
	};
	void *data;
	size_t len;
	int r;

	if (!finder->btf)
		return -ENOENT;
	r = types_btf_create(finder->btf, finder->btf_len, &source.types);
	if (!r) {
		r = layout_build(&source, &data, &len);
		types_destroy(source.types);
	}
	if (!r)
		r = blob_decode(finder, data, len, ret);
	return r == 0 || r == -ENOMEM ? r : -ENOENT;
}
