/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Type information -> layout blob. User space only.
 *
 * A struct types is any source that can answer "where is this member": BTF
 * (types/btf.c) or DWARF (types/dwarf.c). A struct symbols answers "where is
 * this symbol": kallsyms in guest RAM (types/kallsyms.c) or an ELF symbol table
 * (types/elf.c). layout_build() asks both for every fact in
 * include/uapi/linux/monarch.h and makes the blob.
 *
 * All input is hostile: files come from anywhere, BTF and kallsyms from guests.
 */
#ifndef GUESTINFO_TYPES_TYPES_H
#define GUESTINFO_TYPES_TYPES_H

#include "../core/layout.h"

/* A member's place: bits from the start of the structure, and width in bits. */
struct type_member {
	u64 bit_offset;
	u32 width;
};

struct types;
struct types_ops {
	/*
	 * Find @path ("se.sum_exec_runtime"; members of anonymous structs and
	 * unions count as the outer's) in struct @name. Modifiers and typedefs
	 * are looked through. Return: 0, -ENOENT, -EUCLEAN.
	 */
	int (*member)(struct types *types, const char *name, const char *path,
		      struct type_member *ret);
	/* Size of struct @name in bytes. Return: 0, -ENOENT, -EUCLEAN. */
	int (*size)(struct types *types, const char *name, u64 *ret);
	/* Value of enumerator @name. Return: 0, -ENOENT, -EUCLEAN. */
	int (*constant)(struct types *types, const char *name, u64 *ret);
	void (*destroy)(struct types *types);
};

struct types {
	const struct types_ops *ops;
	enum monarch_fact_source source;
};

/* One wanted symbol; ->found set by the look-up. Address as linked. */
struct symbol {
	const char *name;
	u64 address;
	bool found;
};

/**
 * types_btf_create() - parse raw BTF
 * @data: copied or borrowed until destroy; the caller keeps it unchanged
 * Return: 0; -EINVAL no BTF; -EUCLEAN malformed; -ENOMEM.
 */
int types_btf_create(const void *data, size_t len, struct types **ret);

/**
 * types_dwarf_create() - open DWARF of an ELF file with libdwarf
 * @fd: of the file; borrowed until destroy
 * libdwarf is not hardened against hostile files: a program that may meet one
 * does this in a child process (monarch-guestinfo does).
 * Return: 0; -ENOENT the file has no DWARF; -EINVAL not ELF, or libdwarf
 * cannot read it; -ENOMEM.
 */
int types_dwarf_create(int fd, struct types **ret);

struct types *types_destroy(struct types *types);

/**
 * elf_symbols() - look up symbols in an ELF file's .symtab
 * Return: 0 (see ->found of each), -EINVAL not a 64-bit x86-64 ELF file or
 * damaged, -ENOENT no symbol table.
 */
int elf_symbols(int fd, struct symbol *symbols, u32 nr);

/**
 * elf_kernel_identity() - build id and banner of a vmlinux or .debug file
 * Build id from the GNU note; banner from linux_banner's bytes where the file
 * holds them (a .debug file does not: then @banner is "").
 */
int elf_kernel_identity(int fd, u8 build_id[MONARCH_BUILD_ID_MAX],
			u32 *ret_len, char banner[MONARCH_BANNER_MAX]);

/**
 * elf_section() - a section's contents
 * @ret: malloc'ed, *ret_len bytes
 * Return: 0; -ENOENT the file has no such section, or it holds no bytes here
 * (.debug files); -EINVAL as elf_symbols(); -ENOMEM.
 */
int elf_section(int fd, const char *name, void **ret, size_t *ret_len);

/*
 * elf_sections_fit() - whether every section lies inside the file
 * libdwarf allocates what a header says before it reads. Return: 0 or -EINVAL.
 */
int elf_sections_fit(int fd);

/*
 * elf_code() - the bytes of the function at linked address @address.
 * Return: bytes copied (0 where the file has no such section contents).
 */
int elf_code(int fd, u64 address, void *buf, size_t len);

/**
 * tif_sigpending_decode() - the bit that signal_wake_up_state() sets
 * @code: its first bytes. Looks for "lock orb $imm8, disp(reg)" (f0 80 /1),
 * with LOCK patched to 3e or 90 on one-CPU guests (alternatives).
 * Return: bit number, or -ENOENT.
 */
int tif_sigpending_decode(const u8 *code, size_t len);

/**
 * struct layout_source - what a blob is made of
 * @types: BTF or DWARF
 * @symbols: array of all MONARCH_SYMBOLS in list order (layout_symbols())
 * @symbol_source: MONARCH_SOURCE_KALLSYMS or _ELF
 * @sigpending_code: first bytes of signal_wake_up_state, may be empty
 */
struct layout_source {
	struct types *types;
	const struct symbol *symbols;
	u32 nr_symbols;
	enum monarch_fact_source symbol_source;
	const u8 *sigpending_code;
	size_t sigpending_len;
	const u8 *build_id;
	u32 build_id_len;
	const char *banner;
};

/*
 * The wanted symbols of MONARCH_SYMBOLS; alternatives ("a|b") are separate
 * entries, in order. *ret is malloc'ed. Return: how many, or -ENOMEM.
 */
int layout_symbols(struct symbol **ret);

/**
 * layout_build() - make a blob
 * @ret: malloc'ed, *ret_len bytes
 * Return: 0, -ENOMEM, or -EUCLEAN if the source contradicts itself.
 */
int layout_build(const struct layout_source *source, void **ret,
		 size_t *ret_len);

#endif /* GUESTINFO_TYPES_TYPES_H */
