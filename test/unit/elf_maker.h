/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes ELF files for tests: sections as given, nothing checked, so that they
 * can be as wrong as wanted.
 */
#ifndef TEST_UNIT_ELF_MAKER_H
#define TEST_UNIT_ELF_MAKER_H

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ELF_PARTS_MAX	16

struct elf_part {
	const char *name;
	const void *data;
	size_t len;
	Elf64_Shdr header;	/* type, flags, addr, link, entsize; the rest is made */
};

static inline void elf_write(int fd, const void *data, size_t len, off_t at)
{
	if (pwrite(fd, data, len, at) != (ssize_t)len)
		_exit(99);
}

static inline Elf64_Ehdr elf_header(unsigned int nr_sections)
{
	Elf64_Ehdr header = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
			     ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC, .e_machine = EM_X86_64,
		.e_version = EV_CURRENT, .e_ehsize = sizeof(Elf64_Ehdr),
		.e_shentsize = sizeof(Elf64_Shdr), .e_shnum = nr_sections,
		.e_shstrndx = nr_sections - 1, .e_shoff = sizeof(Elf64_Ehdr),
	};

	return header;
}

/* A memfd with section 0, @nr parts as sections 1.., and .shstrtab last. */
static inline int elf_make(const struct elf_part *parts, unsigned int nr)
{
	Elf64_Ehdr header = elf_header(nr + 2);
	Elf64_Shdr headers[ELF_PARTS_MAX + 2] = { 0 };
	char names[1024] = "\0.shstrtab";
	size_t names_len = sizeof("\0.shstrtab");
	off_t at = sizeof(header) + (nr + 2) * sizeof(headers[0]);
	int fd = memfd_create("elf", MFD_CLOEXEC);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		headers[i + 1] = parts[i].header;
		headers[i + 1].sh_name = names_len;
		headers[i + 1].sh_offset = at;
		headers[i + 1].sh_size = parts[i].len;
		headers[i + 1].sh_addralign = 1;
		strcpy(names + names_len, parts[i].name);
		names_len += strlen(parts[i].name) + 1;
		elf_write(fd, parts[i].data, parts[i].len, at);
		at += parts[i].len;
	}
	headers[nr + 1].sh_name = 1;
	headers[nr + 1].sh_type = SHT_STRTAB;
	headers[nr + 1].sh_offset = at;
	headers[nr + 1].sh_size = names_len;
	headers[nr + 1].sh_addralign = 1;
	elf_write(fd, names, names_len, at);
	elf_write(fd, &header, sizeof(header), 0);
	elf_write(fd, headers, (nr + 2) * sizeof(headers[0]), sizeof(header));
	return fd;
}

#endif /* TEST_UNIT_ELF_MAKER_H */
