// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finding a kernel in RAM made by the test: by every way, in every state, with
 * every source of a layout, and with RAM that lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../guestinfo/find/find.h"
#include "kernel_maker.h"

#define BUILD_ID_FILE	"deadbeef01020304.layout"

struct state {
	struct maker maker;
	struct gi_vcpu_regs regs[2];
	struct gi_find_options options;
	const char *dirs[2];
	char dir[64];
	struct gi_found found;
};

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));
	u8 *ram = calloc(1, MAKER_RAM_SIZE);

	if (!s || !ram)
		return -1;
	maker_init(&s->maker, ram);
	strcpy(s->dir, "/tmp/monarch-test-find-XXXXXX");
	if (!mkdtemp(s->dir))
		return -1;
	*state = s;
	return 0;
}

static void path_make(const struct state *s, const char *name, char ret[256])
{
	snprintf(ret, 256, "%s/%s", s->dir, name);
}

static u32 dir_walk(const struct state *s, bool delete)
{
	struct dirent *entry;
	DIR *dir = opendir(s->dir);
	u32 nr = 0;

	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		nr++;
		if (delete)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	return nr;
}

static int teardown(void **state)
{
	struct state *s = *state;

	dir_walk(s, true);
	rmdir(s->dir);
	gi_found_deinit(&s->found);
	free(s->maker.ram);
	maker_deinit(&s->maker);
	free(s);
	return 0;
}

/* A vCPU in the kernel, or in user mode with the user's page tables. */
static void regs_make(struct state *s, u32 cpu, bool user)
{
	struct gi_vcpu_regs *regs = &s->regs[cpu];

	memset(regs, 0, sizeof(*regs));
	regs->cr0 = 0x80050033;
	regs->cr3 = s->maker.text_gpa + MAKER_PGD + (user ? 0x1000 : 0);
	regs->cr4 = s->maker.levels == 5 ? 0x1000 : 0;
	regs->efer = 0xd01;
	regs->cpl = user ? 3 : 0;
	regs->rip = user ? 0x401000 : maker_text(&s->maker) + MAKER_CODE;
}

static int find(struct state *s, u32 nr_regs)
{
	gi_found_deinit(&s->found);
	return gi_find_linux(&s->maker.mem, s->regs, nr_regs, &s->options,
			     &s->found);
}

static void expect_found(struct state *s, u32 nr_regs, enum gi_find_way way)
{
	const struct maker *maker = &s->maker;
	const struct gi_boot *boot = &s->found.boot;
	u32 cpu;

	assert_int_equal(find(s, nr_regs), 0);
	assert_int_equal(s->found.way, way);
	assert_string_equal(s->found.release, "6.1.0-test");
	assert_int_equal(boot->slide, maker->slide);
	assert_int_equal(boot->phys_base, maker_phys_base(maker));
	assert_int_equal(boot->page_offset, maker->page_offset);
	assert_int_equal(boot->pgd, maker->text_gpa + MAKER_PGD);
	assert_int_equal(boot->levels, maker->levels);
	assert_int_equal(boot->nr_cpus, maker->nr_cpus);
	for (cpu = 0; cpu < maker->nr_cpus; cpu++) {
		assert_int_equal(boot->per_cpu_offset[cpu],
				 maker_per_cpu_offset(maker, cpu));
		assert_int_equal(boot->apic_id[cpu], 2 * cpu);
	}
	assert_int_equal(gi_offset(s->found.layout, MONARCH_F_TASK_COMM),
			 maker->task_comm);
	assert_int_equal(s->found.layout->facts[MONARCH_F_TIF_SIGPENDING_BIT].value,
			 2);
}

static u8 *data_at(const struct state *s, u32 offset)
{
	return s->maker.ram + s->maker.text_gpa + MAKER_DATA + offset;
}

static void test_by_regs(void **state)
{
	struct state *s = *state;

	for (s->maker.layout = 1; s->maker.layout <= 5; s->maker.layout++) {
		memset(s->maker.ram, 0, MAKER_RAM_SIZE);
		maker_make(&s->maker);
		regs_make(s, 0, false);
		expect_found(s, 1, GI_FIND_REGS);
	}
}

/* User mode under PTI: those page tables map nothing of the kernel here. */
static void test_by_user_regs(void **state)
{
	struct state *s = *state;

	for (s->maker.levels = 4; s->maker.levels <= 5; s->maker.levels++) {
		s->maker.page_offset = s->maker.levels == 5 ?
			0xff38ae7480000000ull : 0xffff888000000000ull;
		memset(s->maker.ram, 0, MAKER_RAM_SIZE);
		maker_make(&s->maker);
		regs_make(s, 0, true);
		regs_make(s, 1, true);
		expect_found(s, 2, GI_FIND_REGS);
	}
}

/* Without PTI bit 12 of CR3 is an address bit. */
static void test_by_odd_cr3(void **state)
{
	struct state *s = *state;
	u64 pgd;

	maker_make(&s->maker);
	pgd = s->maker.text_gpa + MAKER_PGD;
	memcpy(s->maker.ram + 0x7000, s->maker.ram + pgd, 4096);
	regs_make(s, 0, true);
	s->regs[0].cr3 = 0x7000;
	expect_found(s, 1, GI_FIND_REGS);
}

/* Tables of its own for the process that a vCPU runs; they end with it. */
#define PROCESS_PGD	0x8000

static struct state *fading;

static int fading_read(struct gi_memory *mem, u64 gpa, void *buf, u32 len)
{
	/* What is longer than an entry of a table is the search for the image. */
	if (len > sizeof(u64))
		memset(fading->maker.ram + PROCESS_PGD, 0, 4096);
	memcpy(buf, fading->maker.ram + gpa, len);
	return 0;
}

/* The process that ran when the registers were read ends during the search. */
static void test_process_ends(void **state)
{
	static const struct gi_memory_ops ops = { .read = fading_read };
	struct state *s = *state;

	maker_make(&s->maker);
	memcpy(s->maker.ram + PROCESS_PGD,
	       s->maker.ram + s->maker.text_gpa + MAKER_PGD, 4096);
	fading = s;
	s->maker.range.hva = NULL;
	s->maker.mem.ops = &ops;
	regs_make(s, 0, false);
	s->regs[0].cr3 = PROCESS_PGD;
	expect_found(s, 1, GI_FIND_REGS);
	assert_int_equal(s->maker.ram[PROCESS_PGD + 511 * sizeof(u64)], 0);
}

static void test_by_ram_alone(void **state)
{
	struct state *s = *state;

	for (s->maker.layout = 1; s->maker.layout <= 5; s->maker.layout++) {
		memset(s->maker.ram, 0, MAKER_RAM_SIZE);
		maker_make(&s->maker);
		expect_found(s, 0, GI_FIND_VMCOREINFO);
		memset(s->maker.ram + s->maker.vmcoreinfo_gpa, 'x', 10);
		expect_found(s, 0, GI_FIND_SCAN);
	}
}

/* Notes that lead nowhere, and a backend that knows of no registers. */
static void test_false_vmcoreinfo(void **state)
{
	static const char *const notes[] = {
		"OSRELEASE=6.1\n",
		"OSRELEASE=6.1\nNUMBER(phys_base)=0\nSYMBOL(_stext)=zzz\n",
		"OSRELEASE=6.1\nNUMBER(phys_base)=-9223372036854775808\n"
		"SYMBOL(_stext)=ffffffff81000000\n",
		"OSRELEASE=6.1\nNUMBER(phys_base)=9223372036854775807\n"
		"SYMBOL(kallsyms_token_table)=ffffffffffffffff\n",
		"OSRELEASE=6.1\nNUMBER(phys_base)=0\nSYMBOL(_stext)=0",
	};
	struct state *s = *state;
	size_t i;

	maker_make(&s->maker);
	memset(s->maker.ram + s->maker.vmcoreinfo_gpa, 0, 4096);
	for (i = 0; i < ARRAY_SIZE(notes); i++)
		maker_put(&s->maker, i * 4096, notes[i], strlen(notes[i]));
	/* A page without an end. */
	memset(s->maker.ram + 0x100000, '1', 8192);
	maker_put(&s->maker, 0x100000, "OSRELEASE=", 10);
	s->regs[0].cr0 = 0;
	expect_found(s, 1, GI_FIND_SCAN);
}

/* A kernel from before a reboot is whole, but no vCPU runs it. */
static void test_dead_kernel(void **state)
{
	struct state *s = *state;

	s->maker.text_gpa = 0;
	s->maker.slide = 0;
	maker_make(&s->maker);
	s->maker.text_gpa = 8 << 20;
	s->maker.slide = 0x5400000;
	maker_make(&s->maker);
	regs_make(s, 0, true);
	expect_found(s, 1, GI_FIND_REGS);
	memset(s->maker.ram + s->maker.text_gpa, 0, MAKER_END);
	assert_int_equal(find(s, 1), GI_FIND_E_NOT_LINUX);
}

static void test_booting_regs(void **state)
{
	struct state *s = *state;

	maker_make(&s->maker);
	regs_make(s, 0, false);
	s->regs[0].cr0 = 0x10;			/* real mode */
	assert_int_equal(find(s, 1), GI_FIND_E_BOOTING);
	regs_make(s, 0, false);
	s->regs[0].cr3 = 0x7000;		/* firmware's page tables */
	s->regs[0].rip = 0x7c00;
	assert_int_equal(find(s, 1), GI_FIND_E_BOOTING);
	s->regs[0].rip = 0xfffff80012345678ull;	/* another system's kernel */
	assert_int_equal(find(s, 1), GI_FIND_E_NOT_LINUX);
	/* One vCPU that waits for its start does not matter. */
	memset(&s->regs[0], 0, sizeof(s->regs[0]));
	s->regs[0].cr0 = 0x60000010;
	regs_make(s, 1, true);
	expect_found(s, 2, GI_FIND_REGS);
}

/* What a kernel has not set up so far, and what damage looks like. */
static void test_booting_kernel(void **state)
{
	static const struct {
		u32 at, len;
		u8 value;
	} cases[] = {
		{ DATA_SYSTEM_STATE, 4, 0 },
		{ DATA_SYSTEM_STATE, 1, 1 },	/* other CPUs are being started */
		{ DATA_PAGE_OFFSET, 8, 0 },
		{ DATA_PAGE_OFFSET + 4, 1, 0x77 },
		{ DATA_ONLINE, 8, 0 },
		{ DATA_PER_CPU, 8, 0 },
		{ DATA_PER_CPU, 8, 0xff },
	};
	struct state *s = *state;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		memset(s->maker.ram, 0, MAKER_RAM_SIZE);
		maker_make(&s->maker);
		regs_make(s, 0, false);
		memset(data_at(s, cases[i].at), cases[i].value, cases[i].len);
		assert_int_equal(find(s, 1), GI_FIND_E_BOOTING);
	}
	memset(s->maker.ram, 0, MAKER_RAM_SIZE);
	maker_make(&s->maker);
	s->maker.ram[s->maker.text_gpa + MAKER_INIT_TASK + MAKER_COMM] = 'S';
	assert_int_equal(find(s, 1), GI_FIND_E_BOOTING);
}

/* The kernel says 4 levels, its page tables have 5: these are right. */
static void test_levels_by_tables(void **state)
{
	struct state *s = *state;

	s->maker.levels = 5;
	s->maker.page_offset = 0xff38ae7480000000ull;
	maker_make(&s->maker);
	*data_at(s, DATA_L5) = 0;
	expect_found(s, 0, GI_FIND_VMCOREINFO);
}

static void test_cpus(void **state)
{
	struct state *s = *state;

	s->maker.nr_cpus = 4;
	maker_make(&s->maker);
	regs_make(s, 0, false);
	expect_found(s, 1, GI_FIND_REGS);
	/* No APIC id known: the number counts. */
	maker_put_u32(&s->maker, maker_per_cpu_gpa(&s->maker, 3) +
				 MAKER_APICID, U32_MAX);
	assert_int_equal(find(s, 1), 0);
	assert_int_equal(s->found.boot.apic_id[3], 3);
	assert_int_equal(s->found.boot.apic_id[2], 4);
	/* CPU 2 offline: what is behind the gap is left out. */
	*data_at(s, DATA_ONLINE) = 0x0b;
	assert_int_equal(find(s, 1), 0);
	assert_int_equal(s->found.boot.nr_cpus, 2);
	/* The mask is 64 bits wide here; the rest belongs to something else. */
	memset(data_at(s, DATA_ONLINE), 0xff, 32);
	assert_int_equal(find(s, 1), 0);
	assert_int_equal(s->found.boot.nr_cpus, 4);
}

static void test_not_linux(void **state)
{
	struct state *s = *state;

	assert_int_equal(find(s, 0), GI_FIND_E_NOT_LINUX);
	memset(s->maker.ram, 0x30, MAKER_RAM_SIZE);
	assert_int_equal(find(s, 0), GI_FIND_E_NOT_LINUX);
	regs_make(s, 0, true);
	assert_int_equal(find(s, 1), GI_FIND_E_NOT_LINUX);
	assert_int_equal(gi_find_linux(&s->maker.mem, NULL, 1, NULL, &s->found),
			 -EINVAL);
}

static void test_no_types(void **state)
{
	struct state *s = *state;

	s->maker.no_btf = true;
	maker_make(&s->maker);
	regs_make(s, 0, false);
	assert_int_equal(find(s, 1), GI_FIND_E_NO_TYPES);
	s->maker.no_btf = false;
	maker_make(&s->maker);
	s->maker.ram[s->maker.text_gpa + MAKER_BTF + 40] ^= 0xff;
	assert_int_equal(find(s, 1), GI_FIND_E_NO_TYPES);
}

/* Files */

static void file_write(const struct state *s, const char *name,
		       const void *data, size_t len)
{
	char path[256];
	int fd;

	path_make(s, name, path);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

/* The blob of this kernel, changed as wanted. */
struct blob_file {
	struct monarch_layout header;
	struct monarch_fact facts[64];
};

static void blob_take(struct state *s, struct blob_file *ret)
{
	memset(ret, 0, sizeof(*ret));
	assert_int_equal(find(s, 1), 0);
	assert_true(s->found.blob_len <= sizeof(*ret));
	memcpy(ret, s->found.blob, s->found.blob_len);
}

static void blob_write(const struct state *s, const char *name,
		       struct blob_file *file)
{
	file->header.total_size = sizeof(file->header) +
		file->header.nr_facts * sizeof(file->facts[0]);
	file->header.checksum = 0;
	file->header.checksum = gi_crc32(0, file, file->header.total_size);
	file_write(s, name, file, file->header.total_size);
}

static struct monarch_fact *blob_fact(struct blob_file *file, u32 id)
{
	u32 i;

	for (i = 0; i < file->header.nr_facts; i++)
		if (file->facts[i].id == id)
			return &file->facts[i];
	abort();
}

static void blob_drop(struct blob_file *file, u32 id)
{
	struct monarch_fact *fact = blob_fact(file, id);
	struct monarch_fact *end = &file->facts[file->header.nr_facts];

	memmove(fact, fact + 1, (u8 *)end - (u8 *)(fact + 1));
	file->header.nr_facts--;
}

static void expect_origin(struct state *s, const char *name)
{
	char path[256];

	path_make(s, name, path);
	assert_non_null(s->found.blob_origin);
	assert_string_equal(s->found.blob_origin, path);
}

static void files_setup(struct state *s, struct blob_file *file)
{
	maker_make(&s->maker);
	regs_make(s, 0, false);
	blob_take(s, file);
	s->dirs[0] = s->dir;
	s->options.blob_dirs = s->dirs;
}

static void test_user_blob(void **state)
{
	struct state *s = *state;
	struct blob_file file;

	files_setup(s, &file);
	/* As from a .debug file: no code, no banner. */
	blob_drop(&file, MONARCH_F_TIF_SIGPENDING_BIT);
	memset(file.header.banner, 0, sizeof(file.header.banner));
	blob_write(s, BUILD_ID_FILE, &file);
	expect_found(s, 1, GI_FIND_REGS);
	expect_origin(s, BUILD_ID_FILE);
	assert_int_equal(s->found.layout->facts[MONARCH_F_TIF_SIGPENDING_BIT].source,
			 MONARCH_SOURCE_CODE);
	/* It serves where there is no BTF. */
	s->maker.no_btf = true;
	maker_make(&s->maker);
	expect_found(s, 1, GI_FIND_REGS);
	expect_origin(s, BUILD_ID_FILE);
}

static void test_user_blob_by_banner(void **state)
{
	struct state *s = *state;
	struct blob_file file;

	files_setup(s, &file);
	file.header.build_id_len = 0;
	blob_write(s, "mine.layout", &file);
	file_write(s, "empty.layout", "", 0);
	file_write(s, "junk.layout", "junk", 4);
	file_write(s, "mine.layout.bak", "junk", 4);
	expect_found(s, 1, GI_FIND_REGS);
	expect_origin(s, "mine.layout");
}

/* Linked elsewhere than we think: the blob knows, and the slide follows. */
static void test_user_blob_link_address(void **state)
{
	struct state *s = *state;
	struct blob_file file;
	u32 i;

	files_setup(s, &file);
	for (i = 0; i < file.header.nr_facts; i++)
		if (file.facts[i].kind == MONARCH_FACT_SYMBOL &&
		    file.facts[i].value >= GI_KERNEL_MAP)
			file.facts[i].value += 0x200000;
	blob_write(s, BUILD_ID_FILE, &file);
	assert_int_equal(find(s, 1), 0);
	expect_origin(s, BUILD_ID_FILE);
	assert_int_equal(s->found.boot.slide, s->maker.slide - 0x200000);
	assert_int_equal(s->found.boot.per_cpu_offset[1],
			 maker_per_cpu_offset(&s->maker, 1));
}

/* Blobs that are not of this kernel: BTF is used instead. */
static void test_wrong_user_blob(void **state)
{
	struct blob_file good, file;
	struct state *s = *state;
	u32 i;

	files_setup(s, &good);
	for (i = 0; i < 5; i++) {
		file = good;
		if (i == 0)
			blob_fact(&file, MONARCH_F_SYM_INIT_TASK)->value += 64;
		else if (i == 1)
			file.header.build_id[0] ^= 1;
		else if (i == 2)
			file.header.banner[20] ^= 1;
		else if (i == 3)
			blob_drop(&file, MONARCH_F_SYM_TEXT);
		else
			file.header.version++;
		blob_write(s, BUILD_ID_FILE, &file);
		expect_found(s, 1, GI_FIND_REGS);
		assert_null(s->found.blob_origin);
	}
}

static void test_cache(void **state)
{
	struct state *s = *state;
	struct stat st;
	char path[256];

	maker_make(&s->maker);
	regs_make(s, 0, false);
	s->options.cache_dir = s->dir;
	expect_found(s, 1, GI_FIND_REGS);
	path_make(s, BUILD_ID_FILE, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(dir_walk(s, false), 1);
	expect_found(s, 1, GI_FIND_CACHED);
	expect_origin(s, BUILD_ID_FILE);
	/* The next boot of the same kernel, elsewhere. */
	s->maker.text_gpa = 8 << 20;
	s->maker.slide = 0x7000000;
	memset(s->maker.ram, 0, MAKER_RAM_SIZE);
	maker_make(&s->maker);
	regs_make(s, 0, false);
	expect_found(s, 1, GI_FIND_CACHED);
}

static void file_flip(const struct state *s, const char *name, off_t at)
{
	char path[256];
	u8 byte;
	int fd;

	path_make(s, name, path);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Any damage to a cached file makes it useless, and it is replaced. */
static void test_cache_damaged(void **state)
{
	struct state *s = *state;
	char path[256];
	struct stat st;
	off_t at;

	maker_make(&s->maker);
	regs_make(s, 0, false);
	s->options.cache_dir = s->dir;
	assert_int_equal(find(s, 1), 0);
	path_make(s, BUILD_ID_FILE, path);
	assert_int_equal(stat(path, &st), 0);
	for (at = 0; at < st.st_size; at += 89) {
		file_flip(s, BUILD_ID_FILE, at);
		expect_found(s, 1, GI_FIND_REGS);
		expect_found(s, 1, GI_FIND_CACHED);
	}
	for (at = 0; at < st.st_size; at += 377) {
		assert_int_equal(truncate(path, at), 0);
		expect_found(s, 1, GI_FIND_REGS);
		expect_found(s, 1, GI_FIND_CACHED);
	}
}

/*
 * One guest says that it has the kernel of another, with BTF of its own: what
 * it leaves in the cache must not be used for the other.
 */
static void test_cache_poisoned(void **state)
{
	struct state *s = *state;

	s->options.cache_dir = s->dir;
	s->maker.task_comm = MAKER_COMM - 0x10;
	maker_make(&s->maker);
	maker_put(&s->maker, s->maker.text_gpa + MAKER_INIT_TASK +
			     s->maker.task_comm, "swapper/0", 10);
	regs_make(s, 0, false);
	expect_found(s, 1, GI_FIND_REGS);
	expect_found(s, 1, GI_FIND_CACHED);

	s->maker.task_comm = MAKER_COMM;
	memset(s->maker.ram, 0, MAKER_RAM_SIZE);
	maker_make(&s->maker);
	expect_found(s, 1, GI_FIND_REGS);
	expect_found(s, 1, GI_FIND_CACHED);
	/* The same for code: bit 1 instead of 2. */
	s->maker.ram[s->maker.text_gpa + MAKER_CODE + 7] = 2;
	assert_int_equal(find(s, 1), 0);
	assert_int_equal(s->found.way, GI_FIND_REGS);
	assert_int_equal(s->found.layout->facts[MONARCH_F_TIF_SIGPENDING_BIT].value,
			 1);
}

/* A guest with a new build id at every boot fills no disk. */
static void test_cache_bounded(void **state)
{
	struct state *s = *state;
	u32 i;

	maker_make(&s->maker);
	regs_make(s, 0, false);
	s->options.cache_dir = s->dir;
	for (i = 0; i < 40; i++) {
		s->maker.ram[s->maker.text_gpa + MAKER_NOTES + 40] = i;
		assert_int_equal(find(s, 1), 0);
		assert_int_equal(s->found.way, GI_FIND_REGS);
	}
	assert_int_equal(dir_walk(s, false), 16);
	assert_int_equal(find(s, 1), 0);
	assert_int_equal(s->found.way, GI_FIND_CACHED);
}

static void test_cache_unwritable(void **state)
{
	struct state *s = *state;

	maker_make(&s->maker);
	regs_make(s, 0, false);
	s->options.cache_dir = "/proc/1/nothing/here";
	expect_found(s, 1, GI_FIND_REGS);
	expect_found(s, 1, GI_FIND_REGS);
}

/* Damage anywhere in image, page tables and variables. */
static void test_damaged(void **state)
{
	struct state *s = *state;
	u32 random = 1, found = 0, i, j;
	u8 *whole = malloc(MAKER_RAM_SIZE);

	s->maker.levels = 5;
	s->maker.page_offset = 0xff38ae7480000000ull;
	maker_make(&s->maker);
	regs_make(s, 0, true);
	memcpy(whole, s->maker.ram, MAKER_RAM_SIZE);
	for (i = 0; i < 300; i++) {
		u64 at = i % 2 ? MAKER_DATA : i % 4 ? 0 : MAKER_BTF;
		u64 span = i % 2 ? 0x8000 : i % 4 ? MAKER_DATA : 0x400;

		memcpy(s->maker.ram + s->maker.text_gpa,
		       whole + s->maker.text_gpa, MAKER_END);
		for (j = 0; j < 24; j++) {
			random = random * 1664525 + 1013904223;
			s->maker.ram[s->maker.text_gpa + at +
				     (random >> 4) % span] ^= 1 << (i + j) % 8;
		}
		found += find(s, i % 3 ? 1 : 0) == 0;
	}
	free(whole);
	assert_true(found > 0 && found < 300);
}

static void test_outcome_texts(void **state)
{
	int outcome;

	for (outcome = GI_FOUND; outcome <= GI_FIND_E_NO_TYPES; outcome++)
		assert_true(strlen(gi_find_outcome_text(outcome)) > 10);
}

int main(void)
{
#define CASE(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_by_regs),
		CASE(test_by_user_regs),
		CASE(test_by_odd_cr3),
		CASE(test_process_ends),
		CASE(test_by_ram_alone),
		CASE(test_false_vmcoreinfo),
		CASE(test_dead_kernel),
		CASE(test_booting_regs),
		CASE(test_booting_kernel),
		CASE(test_levels_by_tables),
		CASE(test_cpus),
		CASE(test_not_linux),
		CASE(test_no_types),
		CASE(test_user_blob),
		CASE(test_user_blob_by_banner),
		CASE(test_user_blob_link_address),
		CASE(test_wrong_user_blob),
		CASE(test_cache),
		CASE(test_cache_damaged),
		CASE(test_cache_poisoned),
		CASE(test_cache_bounded),
		CASE(test_cache_unwritable),
		CASE(test_damaged),
		CASE(test_outcome_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
