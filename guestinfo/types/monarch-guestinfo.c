// SPDX-License-Identifier: GPL-2.0-only
/*
 * monarch-guestinfo: makes a layout blob from a kernel's vmlinux or .debug
 * file, for guests that carry no BTF, and shows what a blob says.
 *
 * The file may be anything, and libdwarf is not hardened. So a child process
 * with limits on time and memory reads it and sends nothing but the blob; the
 * parent decodes that with the core's own checks before it writes it out. A
 * file that makes the reader crash or spin gets one line, as any other.
 */
#include "types.h"

#include <ctype.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM		"monarch-guestinfo"
#define BLOB_MAX	65536
#define CODE_LEN	64	/* of signal_wake_up_state: the bit is set early */
#define LIMIT_CPU_S	120	/* a whole kernel takes 2 to 15 */
#define LIMIT_BYTES	(16ull << 30)	/* address space: the file is mapped */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__	1
#endif
#endif

enum way { WAY_AUTO, WAY_BTF, WAY_DWARF };

struct options {
	const char *file;
	const char *output;
	enum way way;
	bool dump;
};

/* What the child knows of the file. */
struct kernel_file {
	const char *path;
	int fd;
	struct types *types;
	void *btf;		/* borrowed by types */
	struct symbol *symbols;
	int nr_symbols;
	u8 code[CODE_LEN];
	size_t code_len;
	u8 build_id[MONARCH_BUILD_ID_MAX];
	u32 build_id_len;
	char banner[MONARCH_BANNER_MAX];
};

/* One line about @path on stderr. Return: the exit code. */
__attribute__((__format__(__printf__, 2, 3)))
static int complain(const char *path, const char *format, ...)
{
	va_list args;

	fprintf(stderr, PROGRAM ": %s: ", path);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_FAILURE;
}

/* The child: file -> blob. */

static const char *file_looks_like(int fd)
{
	char head[0x210] = "";
	ssize_t len = pread(fd, head, sizeof(head), 0);

	if (len == 0)
		return "an empty file";
	if (len == (ssize_t)sizeof(head) && !memcmp(head + 0x202, "HdrS", 4))
		return "a compressed kernel image (vmlinuz)";
	if (len >= 4 && !memcmp(head, "\x7f" "ELF", 4))
		return "another or a damaged ELF file";
	return "something else";
}

static int identity_read(struct kernel_file *file)
{
	if (elf_kernel_identity(file->fd, file->build_id, &file->build_id_len,
				file->banner) == 0)
		return 0;
	return complain(file->path,
			"expected a 64-bit x86-64 ELF file (vmlinux or .debug), found %s; "
			"the -dbg package of the kernel has it under /usr/lib/debug/boot",
			file_looks_like(file->fd));
}

static int types_from_btf(struct kernel_file *file)
{
	size_t len;
	int r;

	r = elf_section(file->fd, ".BTF", &file->btf, &len);
	return r < 0 ? r : types_btf_create(file->btf, len, &file->types);
}

static int types_open(struct kernel_file *file, enum way way)
{
	int r = -ENOENT;

	if (way != WAY_BTF)
		r = types_dwarf_create(file->fd, &file->types);
	if (way == WAY_BTF || (way == WAY_AUTO && r == -ENOENT))
		r = types_from_btf(file);
	if (!r)
		return 0;
	if (r == -ENOENT)
		return complain(file->path,
				"expected %s, found none; use the vmlinux of the kernel's -dbg package",
				way == WAY_BTF ? "a .BTF section" :
				way == WAY_DWARF ? "DWARF (.debug_info)" :
				"DWARF (.debug_info) or a .BTF section");
	return complain(file->path,
			"expected type information, found it damaged (%s); get the file again",
			strerror(-r));
}

static int symbols_open(struct kernel_file *file)
{
	int i, r;

	file->nr_symbols = layout_symbols(&file->symbols);
	if (file->nr_symbols < 0)
		return complain(file->path, "out of memory");
	r = elf_symbols(file->fd, file->symbols, file->nr_symbols);
	if (r == -ENOENT) {
		complain(file->path,
			 "note: no symbol table, so the layout has no symbols");
		return 0;
	}
	if (r < 0)
		return complain(file->path,
				"expected a symbol table, found it damaged (%s); get the file again",
				strerror(-r));
	for (i = 0; i < file->nr_symbols; i++) {
		if (file->symbols[i].found &&
		    !strcmp(file->symbols[i].name, "signal_wake_up_state"))
			file->code_len = elf_code(file->fd,
						  file->symbols[i].address,
						  file->code, CODE_LEN);
	}
	return 0;
}

static int blob_send(const struct kernel_file *file, int pipe_fd)
{
	const struct layout_source source = {
		.types = file->types,
		.symbols = file->symbols, .nr_symbols = file->nr_symbols,
		.symbol_source = MONARCH_SOURCE_ELF,
		.sigpending_code = file->code,
		.sigpending_len = file->code_len,
		.build_id = file->build_id,
		.build_id_len = file->build_id_len,
		.banner = file->banner,
	};
	size_t len;
	void *blob;
	int r;

	r = layout_build(&source, &blob, &len);
	if (r < 0)
		return complain(file->path,
				"expected the types of a Linux kernel, found them contradicting themselves (%s); get the file again",
				strerror(-r));
	r = write(pipe_fd, blob, len) == (ssize_t)len ? 0 : EXIT_FAILURE;
	free(blob);
	return r;
}

static int file_read(const struct options *options, int fd, int pipe_fd)
{
	struct kernel_file file = { .path = options->file, .fd = fd };
	int r;

	r = identity_read(&file);
	if (!r)
		r = types_open(&file, options->way);
	if (!r)
		r = symbols_open(&file);
	if (!r)
		r = blob_send(&file, pipe_fd);
	types_destroy(file.types);
	free(file.btf);
	free(file.symbols);
	return r;
}

/* Lower a limit; one that the caller has set lower already stays. */
static void limit(int resource, rlim_t value)
{
	struct rlimit limits;

	if (getrlimit(resource, &limits) < 0)
		exit(complain("getrlimit", "%s", strerror(errno)));
	limits.rlim_max = min(limits.rlim_max, value);
	limits.rlim_cur = min(limits.rlim_cur, limits.rlim_max);
	if (setrlimit(resource, &limits) < 0)
		exit(complain("setrlimit", "%s", strerror(errno)));
}

/* For the child: it ends with us, and in bounded time and memory. */
static void limits_set(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_CPU, LIMIT_CPU_S);
#ifndef __SANITIZE_ADDRESS__	/* which maps terabytes of shadow */
	limit(RLIMIT_AS, LIMIT_BYTES);
#endif
}

/* The parent. */

/* Read all that the child sends. Return: bytes, or -errno. */
static ssize_t pipe_drain(int fd, u8 *buf, size_t size)
{
	size_t len = 0;
	ssize_t r;

	while (len < size) {
		r = read(fd, buf + len, size - len);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : (ssize_t)len;
		len += r;
	}
	return -E2BIG;
}

static int child_wait(const char *path, pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return complain(path, "waitpid: %s", strerror(errno));
	}
	if (WIFEXITED(status))	/* it has said what is wrong */
		return WEXITSTATUS(status);
	return complain(path,
			"expected a sound ELF file, found one on which the reader %s (signal %d); get the file again",
			WTERMSIG(status) == SIGXCPU ||
			WTERMSIG(status) == SIGKILL ? "ran out of time" :
						      "crashed",
			WTERMSIG(status));
}

/* Have a child read the file. Return: an exit code, *ret_len bytes in @buf. */
static int blob_make(const struct options *options, int fd, u8 *buf,
		     size_t size, size_t *ret_len)
{
	int pipes[2];
	ssize_t len;
	pid_t pid;
	int r;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return complain(options->file, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return complain(options->file, "fork: %s", strerror(errno));
	if (!pid) {
		close(pipes[0]);
		limits_set();
		exit(file_read(options, fd, pipes[1]));
	}
	close(pipes[1]);
	len = pipe_drain(pipes[0], buf, size);
	close(pipes[0]);
	r = child_wait(options->file, pid);
	if (r)
		return r;
	if (len < 0)
		return complain(options->file, "reading the result: %s",
				strerror(-len));
	*ret_len = len;
	return 0;
}

/* Write a file all at once: beside, then renamed. Return: exit code. */
static int output_write(const char *path, const u8 *blob, size_t len)
{
	char temp[4096];
	int fd, r = 0;

	if (snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >=
	    (int)sizeof(temp))
		return complain(path, "expected a shorter name");
	fd = mkstemp(temp);
	if (fd < 0)
		return complain(path,
				"expected a writable directory, found: %s; choose another with -o",
				strerror(errno));
	if (write(fd, blob, len) != (ssize_t)len || fchmod(fd, 0644) < 0 ||
	    fsync(fd) < 0 || rename(temp, path) < 0) {
		r = complain(path, "cannot write: %s", strerror(errno));
		unlink(temp);
	}
	close(fd);
	return r;
}

static void hex_format(const u8 *bytes, u32 len, char *ret)
{
	u32 i;

	for (i = 0; i < len; i++)
		sprintf(ret + 2 * i, "%02x", bytes[i]);
	ret[2 * len] = '\0';
}

/* The ids that this build knows and the blob does not. */
static void absent_print(const struct gi_layout *layout, FILE *out)
{
	const char *name;
	u32 id;

	fputs("absent:", out);
	for (id = 0; id < MONARCH_F_MAX; id++) {
		name = gi_fact_name(id);
		if (name && !gi_has(layout, id))
			fprintf(out, " %s", name);
	}
	fputc('\n', out);
}

static u32 facts_count(const struct gi_layout *layout)
{
	u32 nr = 0;
	u32 id;

	for (id = 0; id < MONARCH_F_MAX; id++)
		nr += gi_has(layout, id);
	return nr;
}

static int blob_store(const struct options *options, const u8 *blob, size_t len,
		      const struct gi_layout *layout)
{
	char name[2 * MONARCH_BUILD_ID_MAX + sizeof(".layout")];
	const char *path = options->output;
	int r;

	if (!gi_has(layout, MONARCH_F_TASK_TASKS))
		return complain(options->file,
				"expected the types of a Linux kernel (struct task_struct), found none; use the vmlinux of the kernel's -dbg package");
	if (!path && !layout->build_id_len)
		return complain(options->file,
				"expected a build id to name the output by, found none; name it with -o");
	if (!path) {
		hex_format(layout->build_id, layout->build_id_len, name);
		strcat(name, ".layout");
		path = name;
	}
	r = output_write(path, blob, len);
	if (r)
		return r;
	printf("%s: %u facts; ", path, facts_count(layout));
	absent_print(layout, stdout);
	return 0;
}

static int file_convert(const struct options *options)
{
	static struct gi_layout layout;
	static u8 blob[BLOB_MAX];
	size_t len = 0;
	int fd, r;

	fd = open(options->file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return complain(options->file,
				"expected a vmlinux or .debug file, found: %s; check the name",
				strerror(errno));
	r = blob_make(options, fd, blob, sizeof(blob), &len);
	close(fd);
	if (r)
		return r;
	r = gi_layout_decode(blob, len, &layout);
	if (r < 0)
		return complain(options->file,
				"expected a sound layout, found one that the core refuses (%s); get the file again",
				strerror(-r));
	return blob_store(options, blob, len, &layout);
}

/* --dump */

static const char *source_name(u8 source)
{
	static const char *const names[] = {
		[MONARCH_SOURCE_BTF] = "btf",
		[MONARCH_SOURCE_DWARF] = "dwarf",
		[MONARCH_SOURCE_KALLSYMS] = "kallsyms",
		[MONARCH_SOURCE_ELF] = "elf",
		[MONARCH_SOURCE_CODE] = "code",
		[MONARCH_SOURCE_TABLE] = "table",
	};

	return names[source];
}

static void fact_print(u32 id, const struct gi_fact *fact)
{
	char text[80];

	if (fact->kind == MONARCH_FACT_FIELD)
		snprintf(text, sizeof(text), "field  byte %u bit %u width %u",
			 fact->offset, fact->bit, fact->width);
	else if (fact->kind == MONARCH_FACT_SIZE)
		snprintf(text, sizeof(text), "size   %llu bytes", fact->value);
	else if (fact->kind == MONARCH_FACT_SYMBOL)
		snprintf(text, sizeof(text), "symbol 0x%llx", fact->value);
	else
		snprintf(text, sizeof(text), "const  %llu", fact->value);
	printf("%-24s %-40s %s\n", gi_fact_name(id), text,
	       source_name(fact->source));
}

static void layout_print(const struct gi_layout *layout)
{
	char hex[2 * MONARCH_BUILD_ID_MAX + 1];
	const char *at;
	u32 id;

	hex_format(layout->build_id, layout->build_id_len, hex);
	printf("build-id %s\nbanner ", *hex ? hex : "none");
	for (at = layout->banner; *at; at++)	/* the file's bytes: no escapes */
		putchar(isascii((u8)*at) && isprint((u8)*at) ? *at : '?');
	putchar('\n');
	for (id = 0; id < MONARCH_F_MAX; id++) {
		if (gi_has(layout, id))
			fact_print(id, &layout->facts[id]);
	}
	absent_print(layout, stdout);
}

static const char *decode_error(int r)
{
	return r == -EBADMSG ? "a wrong checksum" :
	       r == -EUCLEAN ? "facts that contradict the format" :
			       "another file, another version or a cut one";
}

static int file_dump(const char *path)
{
	static struct gi_layout layout;
	static u8 blob[BLOB_MAX];
	ssize_t len = -1;
	int fd, r;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, blob, sizeof(blob));
		close(fd);
	}
	if (len < 0)
		return complain(path,
				"expected a layout blob, found: %s; check the name",
				strerror(errno));
	r = gi_layout_decode(blob, len, &layout);
	if (r < 0)
		return complain(path,
				"expected a layout blob, found %s; make it again with " PROGRAM,
				decode_error(r));
	layout_print(&layout);
	return 0;
}

static int usage(FILE *out, int code)
{
	fputs("usage: " PROGRAM " FILE [-o OUT] [--types auto|dwarf|btf]\n"
	      "       " PROGRAM " --dump BLOB\n"
	      "Makes a layout blob (default name: BUILDID.layout) from the vmlinux or .debug\n"
	      "FILE of a guest's kernel, or shows one. monarchd finds blobs in\n"
	      "/usr/lib/monarch/guests and /var/lib/monarch/guests.\n", out);
	return code;
}

static int way_parse(const char *text, enum way *ret)
{
	static const char *const names[] = { "auto", "btf", "dwarf" };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i])) {
			*ret = i;
			return 0;
		}
	}
	return complain("--types", "expected auto, dwarf or btf, found \"%s\"",
			text);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "types", required_argument, NULL, 't' },
		{ "dump", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct options options = { };
	int c;

	while ((c = getopt_long(argc, argv, "o:h", longs, NULL)) >= 0) {
		if (c == 'h')
			return usage(stdout, EXIT_SUCCESS);
		if (c == 'o')
			options.output = optarg;
		else if (c == 'd')
			options.dump = true;
		else if (c != 't' || way_parse(optarg, &options.way))
			return c == 't' ? EXIT_FAILURE :
					  usage(stderr, EXIT_FAILURE);
	}
	if (optind + 1 != argc || (options.dump && options.output))
		return usage(stderr, EXIT_FAILURE);
	options.file = argv[optind];
	return options.dump ? file_dump(options.file) : file_convert(&options);
}
