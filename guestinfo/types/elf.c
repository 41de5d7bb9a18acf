// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel's ELF file says besides types: symbols, identity, code. The
 * format itself is libelf's work. It maps the file, so that a big one costs
 * only the pages that are looked at. What libelf hands out is still the file's
 * word: every offset into a section is checked against the section here.
 */
#include "types.h"

#include <gelf.h>
#include <stdlib.h>
#include <sys/stat.h>

#define KERNEL_BANNER	"Linux version "

/* Open @fd as a 64-bit x86-64 little-endian file, or NULL. */
static Elf *elf_open(int fd)
{
	GElf_Ehdr ehdr;
	Elf *elf;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return NULL;
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!elf)
		return NULL;
	if (elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &ehdr) &&
	    ehdr.e_ident[EI_CLASS] == ELFCLASS64 &&
	    ehdr.e_ident[EI_DATA] == ELFDATA2LSB &&
	    ehdr.e_machine == EM_X86_64)
		return elf;
	elf_end(elf);
	return NULL;
}

/* The next section of @type after @scn (NULL: from the start), or NULL. */
static Elf_Scn *section_next(Elf *elf, Elf_Scn *scn, GElf_Word type,
			     GElf_Shdr *ret)
{
	while ((scn = elf_nextscn(elf, scn))) {
		if (gelf_getshdr(scn, ret) && ret->sh_type == type)
			return scn;
	}
	return NULL;
}

static int wanted_compare(const void *a, const void *b)
{
	const struct symbol *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

/* Pointers to the wanted symbols, sorted by name. */
static struct symbol **wanted_sort(struct symbol *symbols, u32 nr)
{
	struct symbol **sorted;
	u32 i;

	sorted = calloc(nr ? nr : 1, sizeof(struct symbol *));
	if (!sorted)
		return NULL;
	for (i = 0; i < nr; i++) {
		symbols[i].found = false;
		sorted[i] = &symbols[i];
	}
	qsort(sorted, nr, sizeof(struct symbol *), wanted_compare);
	return sorted;
}

/* Note one symbol if it is wanted. A global wins over a local of that name. */
static void symbol_take(const GElf_Sym *sym, const char *name,
			struct symbol **wanted, u32 nr)
{
	struct symbol key = { .name = name };
	const struct symbol *key_at = &key;
	struct symbol **hit;

	if (sym->st_shndx == SHN_UNDEF || !name || !*name)
		return;
	hit = bsearch(&key_at, wanted, nr, sizeof(*wanted), wanted_compare);
	if (!hit ||
	    ((*hit)->found && GELF_ST_BIND(sym->st_info) == STB_LOCAL))
		return;
	(*hit)->address = sym->st_value;
	(*hit)->found = true;
}

/*
 * The name at @at of a string section, or NULL. Section contents are fetched
 * once: elf_strptr() per symbol costs more than all the rest.
 */
static const char *string_at(const Elf_Data *strings, GElf_Word at)
{
	const char *text = strings->d_buf;

	if (!text || at >= strings->d_size ||
	    !memchr(text + at, '\0', strings->d_size - at))
		return NULL;
	return text + at;
}

static int symbols_read(Elf *elf, struct symbol **wanted, u32 nr)
{
	Elf_Data *table, *strings;
	GElf_Shdr shdr;
	Elf_Scn *scn;
	GElf_Sym sym;
	size_t i, count;

	scn = section_next(elf, NULL, SHT_SYMTAB, &shdr);
	if (!scn)
		return -ENOENT;
	table = elf_getdata(scn, NULL);
	strings = elf_getdata(elf_getscn(elf, shdr.sh_link), NULL);
	if (!table || !strings)
		return -EINVAL;
	count = table->d_size / sizeof(Elf64_Sym);
	for (i = 0; i < count && i <= INT_MAX; i++) {
		if (!gelf_getsym(table, i, &sym))
			return -EINVAL;
		symbol_take(&sym, string_at(strings, sym.st_name), wanted, nr);
	}
	return 0;
}

int elf_symbols(int fd, struct symbol *symbols, u32 nr)
{
	struct symbol **wanted;
	Elf *elf;
	int r;

	wanted = wanted_sort(symbols, nr);
	if (!wanted)
		return -ENOMEM;
	elf = elf_open(fd);
	r = elf ? symbols_read(elf, wanted, nr) : -EINVAL;
	elf_end(elf);
	free(wanted);
	return r;
}

/*
 * Bytes of the section that is loaded at @address, from there to its end.
 * Return: how many, 0 if the file has none there.
 */
static size_t loaded_bytes(Elf *elf, u64 address, const u8 **ret)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;
	Elf_Data *data;

	while ((scn = section_next(elf, scn, SHT_PROGBITS, &shdr))) {
		if (!(shdr.sh_flags & SHF_ALLOC) || address < shdr.sh_addr ||
		    address - shdr.sh_addr >= shdr.sh_size)
			continue;
		data = elf_rawdata(scn, NULL);
		if (!data || !data->d_buf ||
		    address - shdr.sh_addr >= data->d_size)
			continue;
		*ret = (const u8 *)data->d_buf + (address - shdr.sh_addr);
		return data->d_size - (address - shdr.sh_addr);
	}
	return 0;
}

int elf_code(int fd, u64 address, void *buf, size_t len)
{
	Elf *elf = elf_open(fd);
	const u8 *bytes = NULL;
	size_t have;

	if (!elf)
		return 0;
	have = loaded_bytes(elf, address, &bytes);
	have = min(have, min(len, (size_t)INT_MAX));
	if (have)
		memcpy(buf, bytes, have);
	elf_end(elf);
	return have;
}

/* Look for the GNU build id in one note section. */
static bool build_id_in(const Elf_Data *data, u8 *ret, u32 *ret_len)
{
	size_t at = 0, next, name_at, desc_at;
	GElf_Nhdr note;

	if (!data || !data->d_buf)
		return false;
	while ((next = gelf_getnote((Elf_Data *)data, at, &note, &name_at,
				    &desc_at))) {
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    !memcmp((char *)data->d_buf + name_at, "GNU", 4) &&
		    note.n_descsz && note.n_descsz <= MONARCH_BUILD_ID_MAX) {
			memcpy(ret, (u8 *)data->d_buf + desc_at, note.n_descsz);
			*ret_len = note.n_descsz;
			return true;
		}
		at = next;
	}
	return false;
}

static void build_id_read(Elf *elf, u8 *ret, u32 *ret_len)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;

	*ret_len = 0;
	while ((scn = section_next(elf, scn, SHT_NOTE, &shdr))) {
		if (build_id_in(elf_getdata(scn, NULL), ret, ret_len))
			return;
	}
}

/* The first line at linux_banner, if the file holds that memory. */
static void banner_read(Elf *elf, char *ret)
{
	struct symbol symbol = { .name = "linux_banner" };
	struct symbol *wanted = &symbol;
	const u8 *bytes = NULL;
	size_t have, len;

	ret[0] = '\0';
	if (symbols_read(elf, &wanted, 1) < 0 || !symbol.found)
		return;
	have = loaded_bytes(elf, symbol.address, &bytes);
	have = min(have, (size_t)MONARCH_BANNER_MAX - 1);
	if (have < strlen(KERNEL_BANNER) ||
	    memcmp(bytes, KERNEL_BANNER, strlen(KERNEL_BANNER)))
		return;
	for (len = 0; len < have && bytes[len] && bytes[len] != '\n'; len++)
		ret[len] = bytes[len];
	ret[len] = '\0';
}

int elf_kernel_identity(int fd, u8 build_id[MONARCH_BUILD_ID_MAX],
			u32 *ret_len, char banner[MONARCH_BANNER_MAX])
{
	Elf *elf = elf_open(fd);

	if (!elf)
		return -EINVAL;
	build_id_read(elf, build_id, ret_len);
	banner_read(elf, banner);
	elf_end(elf);
	return 0;
}

/* Copy a section's contents out. */
static int section_copy(Elf_Scn *scn, void **ret, size_t *ret_len)
{
	Elf_Data *data = elf_rawdata(scn, NULL);
	void *copy;

	if (!data)
		return -EINVAL;
	if (!data->d_buf || !data->d_size)
		return -ENOENT;
	copy = malloc(data->d_size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data->d_buf, data->d_size);
	*ret = copy;
	*ret_len = data->d_size;
	return 0;
}

static int section_find(Elf *elf, const char *name, void **ret, size_t *ret_len)
{
	Elf_Scn *scn = NULL;
	const char *found;
	GElf_Shdr shdr;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return -EINVAL;
	while ((scn = section_next(elf, scn, SHT_PROGBITS, &shdr))) {
		found = elf_strptr(elf, names, shdr.sh_name);
		if (found && !strcmp(found, name))
			return section_copy(scn, ret, ret_len);
	}
	return -ENOENT;
}

static int sections_fit(Elf *elf, u64 file_size)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;

	while ((scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, &shdr))
			return -EINVAL;
		if (shdr.sh_type != SHT_NOBITS &&
		    (shdr.sh_offset > file_size ||
		     shdr.sh_size > file_size - shdr.sh_offset))
			return -EINVAL;
	}
	return 0;
}

int elf_sections_fit(int fd)
{
	struct stat st;
	Elf *elf;
	int r;

	if (fstat(fd, &st) < 0)
		return -EINVAL;
	elf = elf_open(fd);
	if (!elf)
		return -EINVAL;
	r = sections_fit(elf, st.st_size);
	elf_end(elf);
	return r;
}

int elf_section(int fd, const char *name, void **ret, size_t *ret_len)
{
	Elf *elf = elf_open(fd);
	int r;

	if (!elf)
		return -EINVAL;
	r = section_find(elf, name, ret, ret_len);
	elf_end(elf);
	return r;
}
