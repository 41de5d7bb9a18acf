// SPDX-License-Identifier: GPL-2.0-only
/*
 * BTF: parse it and build a layout of it. Whatever layout_build() makes, the
 * core must accept.
 */
#include <stdlib.h>

#include "../../guestinfo/types/types.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static void layout_try(struct types *types, const u8 *code, size_t code_len)
{
	static struct gi_layout layout;
	const struct layout_source source = {
		.types = types, .banner = "", .sigpending_code = code,
		.symbol_source = MONARCH_SOURCE_KALLSYMS,
		.sigpending_len = code_len,
	};
	size_t len;
	void *blob;

	if (layout_build(&source, &blob, &len) < 0)
		return;
	if (gi_layout_decode(blob, len, &layout) < 0)
		abort();
	free(blob);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	struct types *types;

	if (types_btf_create(data, len, &types) < 0)
		return 0;
	layout_try(types, data, len < 64 ? len : 64);
	types_destroy(types);
	return 0;
}
