// SPDX-License-Identifier: GPL-2.0-only
/* Symbols, identity, code and sections of ELF files, sound and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "../../guestinfo/types/types.h"
#include "elf_maker.h"

#define TEXT_ADDRESS	0xffffffff81000000ull
#define BANNER_AT	16
#define BANNER		"Linux version 6.1.0 (test)"

static const char strings[] = "\0_text\0init_task\0gone\0linux_banner";
enum { NAME_TEXT = 1, NAME_INIT = 7, NAME_GONE = 17, NAME_BANNER = 22 };

#define GLOBAL	ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT)
#define LOCAL	ELF64_ST_INFO(STB_LOCAL, STT_OBJECT)

static const Elf64_Sym plain_symbols[] = {
	{ 0 },
	{ NAME_TEXT, GLOBAL, 0, 1, TEXT_ADDRESS, 0 },
	{ NAME_INIT, LOCAL, 0, 1, 0x1111, 0 },
	{ NAME_INIT, GLOBAL, 0, 1, 0x2222, 0 },
	{ NAME_INIT, LOCAL, 0, 1, 0x3333, 0 },
	{ NAME_GONE, GLOBAL, 0, SHN_UNDEF, 0x4444, 0 },
	{ NAME_BANNER, GLOBAL, 0, 1, TEXT_ADDRESS + BANNER_AT, 0 },
};

static const struct {
	Elf64_Nhdr other;
	char other_name[4], other_desc[4];
	Elf64_Nhdr note;
	char name[4];
	u8 id[20];
} notes = {
	{ 4, 4, 17 }, "Xen", "abc",
	{ 4, 20, NT_GNU_BUILD_ID }, "GNU", { 0xeb, 0x4f, [19] = 0x6f },
};

static const u8 text[64] = "\xf0\x80\x0f\x04";

/* The parts of a small vmlinux; tests change them. */
struct image {
	struct elf_part parts[5];
	u8 text[sizeof(text)];
	Elf64_Sym symbols[ARRAY_SIZE(plain_symbols)];
	u8 notes[sizeof(notes)];
};

enum { PART_TEXT, PART_SYMBOLS, PART_STRINGS, PART_NOTES, PART_BTF, NR_PARTS };

static void image_init(struct image *image)
{
	memcpy(image->text, text, sizeof(text));
	strcpy((char *)image->text + BANNER_AT, BANNER "\n");
	memcpy(image->symbols, plain_symbols, sizeof(plain_symbols));
	memcpy(image->notes, &notes, sizeof(notes));
	image->parts[PART_TEXT] = (struct elf_part){
		".text", image->text, sizeof(image->text),
		{ .sh_type = SHT_PROGBITS, .sh_addr = TEXT_ADDRESS,
		  .sh_flags = SHF_ALLOC | SHF_EXECINSTR } };
	image->parts[PART_SYMBOLS] = (struct elf_part){
		".symtab", image->symbols, sizeof(image->symbols),
		{ .sh_type = SHT_SYMTAB, .sh_link = PART_STRINGS + 1,
		  .sh_entsize = sizeof(Elf64_Sym) } };
	image->parts[PART_STRINGS] = (struct elf_part){
		".strtab", strings, sizeof(strings), { .sh_type = SHT_STRTAB } };
	image->parts[PART_NOTES] = (struct elf_part){
		".notes", image->notes, sizeof(image->notes),
		{ .sh_type = SHT_NOTE } };
	image->parts[PART_BTF] = (struct elf_part){
		".BTF", "btf!", 4, { .sh_type = SHT_PROGBITS } };
}

static int image_fd(const struct image *image)
{
	return elf_make(image->parts, NR_PARTS);
}

static void test_symbols(void **state)
{
	struct symbol wanted[] = {
		{ .name = "init_task" }, { .name = "gone" },
		{ .name = "_text" }, { .name = "absent", .found = true },
	};
	struct image image;
	int fd;

	image_init(&image);
	fd = image_fd(&image);
	assert_int_equal(elf_symbols(fd, wanted, ARRAY_SIZE(wanted)), 0);
	assert_true(wanted[0].found);
	assert_int_equal(wanted[0].address, 0x2222);
	assert_false(wanted[1].found);
	assert_true(wanted[2].found);
	assert_int_equal(wanted[2].address, TEXT_ADDRESS);
	assert_false(wanted[3].found);
	close(fd);
}

static void test_identity(void **state)
{
	char banner[MONARCH_BANNER_MAX];
	u8 build_id[MONARCH_BUILD_ID_MAX];
	struct image image;
	u32 len;
	int fd;

	image_init(&image);
	fd = image_fd(&image);
	assert_int_equal(elf_kernel_identity(fd, build_id, &len, banner), 0);
	assert_int_equal(len, 20);
	assert_memory_equal(build_id, notes.id, 20);
	assert_string_equal(banner, BANNER);
	close(fd);
}

/* A .debug file has the headers of .text, but not its bytes. */
static void test_debug_file(void **state)
{
	char banner[MONARCH_BANNER_MAX] = "before";
	u8 build_id[MONARCH_BUILD_ID_MAX], code[8];
	struct image image;
	u32 len;
	int fd;

	image_init(&image);
	image.parts[PART_TEXT].header.sh_type = SHT_NOBITS;
	image.parts[PART_BTF].header.sh_type = SHT_NOBITS;
	fd = image_fd(&image);
	assert_int_equal(elf_kernel_identity(fd, build_id, &len, banner), 0);
	assert_int_equal(len, 20);
	assert_string_equal(banner, "");
	assert_int_equal(elf_code(fd, TEXT_ADDRESS, code, sizeof(code)), 0);
	close(fd);
}

static void test_code(void **state)
{
	u8 code[128];
	struct image image;
	int fd;

	image_init(&image);
	fd = image_fd(&image);
	assert_int_equal(elf_code(fd, TEXT_ADDRESS, code, 8), 8);
	assert_int_equal(tif_sigpending_decode(code, 8), 2);
	assert_int_equal(elf_code(fd, TEXT_ADDRESS + 60, code, 128), 4);
	assert_int_equal(elf_code(fd, TEXT_ADDRESS + 64, code, 128), 0);
	assert_int_equal(elf_code(fd, TEXT_ADDRESS - 1, code, 128), 0);
	assert_int_equal(elf_code(fd, U64_MAX, code, 128), 0);
	close(fd);
}

static void test_sections(void **state)
{
	struct image image;
	void *data;
	size_t len;
	int fd;

	image_init(&image);
	fd = image_fd(&image);
	assert_int_equal(elf_section(fd, ".BTF", &data, &len), 0);
	assert_int_equal(len, 4);
	assert_memory_equal(data, "btf!", 4);
	free(data);
	assert_int_equal(elf_section(fd, ".nothing", &data, &len), -ENOENT);
	close(fd);
}

/* Names outside the strings, a name without end, a link to no section. */
static void test_bad_symbols(void **state)
{
	struct symbol wanted = { .name = "_text" };
	struct image image;
	int fd;

	image_init(&image);
	image.symbols[1].st_name = 0x7fffffff;
	fd = image_fd(&image);
	assert_int_equal(elf_symbols(fd, &wanted, 1), 0);
	assert_false(wanted.found);
	close(fd);

	image_init(&image);
	image.parts[PART_STRINGS].len = NAME_TEXT + 3;
	fd = image_fd(&image);
	assert_int_equal(elf_symbols(fd, &wanted, 1), 0);
	assert_false(wanted.found);
	close(fd);

	image_init(&image);
	image.parts[PART_SYMBOLS].header.sh_link = 4444;
	fd = image_fd(&image);
	assert_int_equal(elf_symbols(fd, &wanted, 1), -EINVAL);
	close(fd);

	image_init(&image);
	image.parts[PART_SYMBOLS].header.sh_type = SHT_PROGBITS;
	fd = image_fd(&image);
	assert_int_equal(elf_symbols(fd, &wanted, 1), -ENOENT);
	close(fd);
}

/* Note sizes that run over the section, and a build id that is too long. */
static void test_bad_notes(void **state)
{
	static const u32 sizes[] = { U32_MAX, 0x7fffffff, 4096, 33, 0 };
	char banner[MONARCH_BANNER_MAX];
	u8 build_id[MONARCH_BUILD_ID_MAX];
	struct image image;
	u32 len, i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		image_init(&image);
		memcpy(image.notes + offsetof(__typeof__(notes), note) +
			       offsetof(Elf64_Nhdr, n_descsz),
		       &sizes[i], sizeof(u32));
		fd = image_fd(&image);
		assert_int_equal(elf_kernel_identity(fd, build_id, &len,
						     banner), 0);
		assert_int_equal(len, 0);
		close(fd);
	}
}

static void test_bad_banner(void **state)
{
	char banner[MONARCH_BANNER_MAX];
	u8 build_id[MONARCH_BUILD_ID_MAX];
	struct image image;
	u32 len;
	int fd;

	image_init(&image);
	image.text[BANNER_AT] = 'l';
	fd = image_fd(&image);
	assert_int_equal(elf_kernel_identity(fd, build_id, &len, banner), 0);
	assert_string_equal(banner, "");
	close(fd);

	image_init(&image);		/* no end: cut at the section's */
	memset(image.text + BANNER_AT + strlen("Linux version "), 'x',
	       sizeof(image.text) - BANNER_AT - strlen("Linux version "));
	fd = image_fd(&image);
	assert_int_equal(elf_kernel_identity(fd, build_id, &len, banner), 0);
	assert_int_equal(strlen(banner), sizeof(image.text) - BANNER_AT);
	close(fd);
}

/* Every cut of the file: an answer or an error, nothing else. */
static void test_every_length(void **state)
{
	char banner[MONARCH_BANNER_MAX];
	u8 build_id[MONARCH_BUILD_ID_MAX];
	struct symbol wanted = { .name = "_text" };
	struct image image;
	off_t size;
	u32 len;
	int fd, r;

	image_init(&image);
	fd = image_fd(&image);
	for (size = lseek(fd, 0, SEEK_END); size >= 0; size--) {
		assert_int_equal(ftruncate(fd, size), 0);
		r = elf_symbols(fd, &wanted, 1);
		assert_true(r == 0 || r == -EINVAL || r == -ENOENT);
		r = elf_kernel_identity(fd, build_id, &len, banner);
		assert_true(r == 0 || r == -EINVAL);
		if (size < (off_t)sizeof(Elf64_Ehdr))
			assert_int_equal(r, -EINVAL);
	}
	close(fd);
}

static void test_other_machines(void **state)
{
	static const struct {
		size_t at;
		u8 value;
	} cases[] = {
		{ EI_CLASS, ELFCLASS32 }, { EI_DATA, ELFDATA2MSB },
		{ offsetof(Elf64_Ehdr, e_machine), EM_AARCH64 }, { 0, 'x' },
	};
	struct symbol wanted = { .name = "_text" };
	struct image image;
	u32 i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		image_init(&image);
		fd = image_fd(&image);
		elf_write(fd, &cases[i].value, 1, cases[i].at);
		assert_int_equal(elf_symbols(fd, &wanted, 1), -EINVAL);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_symbols),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_debug_file),
		cmocka_unit_test(test_code),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_bad_symbols),
		cmocka_unit_test(test_bad_notes),
		cmocka_unit_test(test_bad_banner),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_other_machines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
