// SPDX-License-Identifier: GPL-2.0-only
/*
 * Searches RAM files for a Linux kernel and prints what was found as JSON.
 *
 *   find_guest [--cache DIR] [--blobs DIR] [--twice] [--cpu REGS]...
 *              RAM-FILE [GPA:SIZE:OFFSET]...
 *
 * REGS is "cr0,cr3,cr4,efer,rip,cpl" in hex, as QEMU's "info registers" has
 * them; none: the search goes by RAM alone. The ranges say how guest-physical
 * memory lies in the file, in hex; none: all of it starts at 0. --twice
 * searches again and prints the second result (times warm and cached).
 */
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../guestinfo/find/find.h"

#define MAX_RANGES	16
#define MAX_VCPUS	64

struct search {
	struct gi_memory mem;
	struct gi_ram_range ranges[MAX_RANGES];
	struct gi_vcpu_regs regs[MAX_VCPUS];
	u32 nr_regs;
	struct gi_find_options options;
	const char *dirs[2];
	bool twice;
};

static const char *const ways[] = {
	[GI_FIND_CACHED] = "cached", [GI_FIND_REGS] = "registers",
	[GI_FIND_VMCOREINFO] = "vmcoreinfo", [GI_FIND_SCAN] = "scan",
};

static void die(const char *what, const char *name)
{
	fprintf(stderr, "find_guest: %s: %s\n", name, what);
	exit(2);
}

static void cpu_add(struct search *search, const char *text)
{
	struct gi_vcpu_regs *regs = &search->regs[search->nr_regs];

	if (search->nr_regs == MAX_VCPUS ||
	    sscanf(text, "%llx,%llx,%llx,%llx,%llx,%x", &regs->cr0, &regs->cr3,
		   &regs->cr4, &regs->efer, &regs->rip, &regs->cpl) != 6)
		die("expected cr0,cr3,cr4,efer,rip,cpl in hex", text);
	search->nr_regs++;
}

static void range_add(struct search *search, const char *text, const u8 *ram,
		      u64 ram_size)
{
	struct gi_ram_range *range = &search->ranges[search->mem.nr_ranges];
	u64 offset = 0;

	if (search->mem.nr_ranges == MAX_RANGES ||
	    sscanf(text, "%llx:%llx:%llx", &range->gpa, &range->size,
		   &offset) != 3 ||
	    offset > ram_size || range->size > ram_size - offset)
		die("expected GPA:SIZE:OFFSET inside the file, in hex", text);
	range->hva = ram + offset;
	search->mem.nr_ranges++;
}

static void ram_map(struct search *search, char **args)
{
	struct stat st;
	u8 *ram;
	int fd;

	fd = open(args[0], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		die("can not be opened", args[0]);
	ram = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (ram == MAP_FAILED)
		die("can not be mapped", args[0]);
	close(fd);
	search->mem.ranges = search->ranges;
	for (args++; *args; args++)
		range_add(search, *args, ram, st.st_size);
	if (search->mem.nr_ranges)
		return;
	search->ranges[0].size = st.st_size;
	search->ranges[0].hva = ram;
	search->mem.nr_ranges = 1;
}

static void parse(struct search *search, char **args)
{
	for (args++; *args && !strncmp(*args, "--", 2); args++) {
		if (!strcmp(*args, "--twice")) {
			search->twice = true;
			continue;
		}
		if (!args[1])
			die("needs a value", *args);
		if (!strcmp(*args, "--cpu"))
			cpu_add(search, args[1]);
		else if (!strcmp(*args, "--cache"))
			search->options.cache_dir = args[1];
		else if (!strcmp(*args, "--blobs"))
			search->dirs[0] = args[1];
		else
			die("not an option", *args);
		args++;
	}
	if (!*args)
		die("expected", "RAM-FILE");
	search->options.blob_dirs = search->dirs;
	ram_map(search, args);
}

static void add_hex(struct json_object *to, const char *name, u64 value)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%llx", value);
	json_object_object_add(to, name, json_object_new_string(text));
}

static void add_int(struct json_object *to, const char *name, s64 value)
{
	json_object_object_add(to, name, json_object_new_int64(value));
}

static void add_text(struct json_object *to, const char *name, const char *text)
{
	json_object_object_add(to, name,
			       text ? json_object_new_string(text) : NULL);
}

static void add_cpus(struct json_object *to, const struct gi_boot *boot)
{
	struct json_object *list = json_object_new_array();
	u32 i;

	for (i = 0; i < boot->nr_cpus; i++) {
		struct json_object *cpu = json_object_new_object();

		add_int(cpu, "apic_id", boot->apic_id[i]);
		add_hex(cpu, "per_cpu_offset", boot->per_cpu_offset[i]);
		json_object_array_add(list, cpu);
	}
	json_object_object_add(to, "cpus", list);
}

static void add_found(struct json_object *to, const struct gi_found *found)
{
	char id[2 * MONARCH_BUILD_ID_MAX + 1] = "";
	u32 i, facts = 0;

	for (i = 0; i < found->layout->build_id_len; i++)
		sprintf(id + 2 * i, "%02x", found->layout->build_id[i]);
	for (i = 0; i < MONARCH_F_MAX; i++)
		facts += gi_has(found->layout, i);
	add_text(to, "way", ways[found->way]);
	add_text(to, "release", found->release);
	add_text(to, "build_id", id);
	add_text(to, "origin", found->blob_origin);
	add_int(to, "facts", facts);
	add_int(to, "tif_sigpending",
		gi_has(found->layout, MONARCH_F_TIF_SIGPENDING_BIT) ?
			(s64)found->layout->facts[MONARCH_F_TIF_SIGPENDING_BIT].value : -1);
	add_hex(to, "text_linked", gi_symbol(found->layout, MONARCH_F_SYM_TEXT));
	add_hex(to, "slide", found->boot.slide);
	add_hex(to, "phys_base", found->boot.phys_base);
	add_hex(to, "page_offset", found->boot.page_offset);
	add_hex(to, "pgd", found->boot.pgd);
	add_int(to, "levels", found->boot.levels);
	add_cpus(to, &found->boot);
}

static double now_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* Search once; @ms: elapsed time, and time on a CPU. */
static int find(struct search *search, struct gi_found *found, double ms[2])
{
	static const clockid_t clocks[2] = {
		CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID,
	};
	double start[2];
	u32 i;
	int r;

	for (i = 0; i < 2; i++)
		start[i] = now_ms(clocks[i]);
	r = gi_find_linux(&search->mem, search->regs, search->nr_regs,
			  &search->options, found);
	for (i = 0; i < 2; i++)
		ms[i] = now_ms(clocks[i]) - start[i];
	return r;
}

int main(int argc, char **argv)
{
	struct json_object *report = json_object_new_object();
	struct search search = { .dirs = { NULL } };
	struct gi_found found = { 0 };
	double ms[2];
	int r;

	parse(&search, argv);
	r = find(&search, &found, ms);
	if (!r && search.twice) {
		gi_found_deinit(&found);
		r = find(&search, &found, ms);
	}
	add_int(report, "result", r);
	add_text(report, "outcome",
		 r < 0 ? strerror(-r) : gi_find_outcome_text(r));
	json_object_object_add(report, "ms", json_object_new_double(ms[0]));
	json_object_object_add(report, "cpu_ms", json_object_new_double(ms[1]));
	if (!r) {
		add_found(report, &found);
		gi_found_deinit(&found);
	}
	puts(json_object_to_json_string_ext(report, JSON_C_TO_STRING_PRETTY));
	json_object_put(report);
	return r ? 1 : 0;
}
