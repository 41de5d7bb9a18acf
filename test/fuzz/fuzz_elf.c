// SPDX-License-Identifier: GPL-2.0-only
/*
 * ELF files: symbols, identity, code and sections, in libelf as it is. DWARF
 * is another fuzzer's: see fuzz_dwarf.c.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../guestinfo/types/types.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static int input_fd(const u8 *data, size_t len)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	return fd;
}

static void identity_try(int fd)
{
	char banner[MONARCH_BANNER_MAX];
	u8 build_id[MONARCH_BUILD_ID_MAX];
	u32 len;

	if (elf_kernel_identity(fd, build_id, &len, banner) < 0)
		return;
	must(len <= MONARCH_BUILD_ID_MAX);
	must(memchr(banner, '\0', sizeof(banner)));
}

static void symbols_try(int fd)
{
	struct symbol *symbols;
	int nr, i, bytes;
	u8 code[64];

	nr = layout_symbols(&symbols);
	must(nr > 0);
	elf_symbols(fd, symbols, nr);
	for (i = 0; i < nr; i++) {
		if (!symbols[i].found)
			continue;
		bytes = elf_code(fd, symbols[i].address, code, sizeof(code));
		must(bytes >= 0 && bytes <= (int)sizeof(code));
		tif_sigpending_decode(code, bytes);
	}
	free(symbols);
}

static void section_try(int fd, const char *name)
{
	void *data;
	size_t len;

	if (elf_section(fd, name, &data, &len) < 0)
		return;
	must(len);
	free(data);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	int fd = input_fd(data, len);

	identity_try(fd);
	symbols_try(fd);
	section_try(fd, ".BTF");
	section_try(fd, ".text");
	elf_sections_fit(fd);
	close(fd);
	return 0;
}
