// SPDX-License-Identifier: GPL-2.0-only
/*
 * The RAM of a QEMU VM: see qemu_ram.h. QEMU's word is checked: ranges must
 * not overlap, each must be one piece in QEMU's memory, and a file must be as
 * long as what is mapped of it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor.h"
#include "qemu_maps.h"
#include "qemu_ram.h"

#define PAGE	4096ull
#define GIB	(1ull << 30)

/* ---- The layout, by the monitor ---- */

static bool is_backend(const char *name, const char ids[][64], u32 nr_ids)
{
	for (u32 i = 0; i < nr_ids; i++)
		if (!strcmp(name, ids[i]))
			return true;
	return false;
}

/*
 * "  0000000100000000-00000001bfffffff (prio 0, ram): m @0000000080000000"
 * Return: it is RAM of a backend.
 */
static bool parse_range(const char *line, size_t len, const char ids[][64],
			u32 nr_ids, struct qemu_ram_range *ret)
{
	char copy[256], *name, *at;
	u64 first, last;
	int prio, used = 0;

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, line, len);
	copy[len] = '\0';
	if (sscanf(copy, " %llx-%llx (prio %d, ram): %n", &first, &last, &prio,
		   &used) != 3 || !used || last < first)
		return false;
	name = copy + used;
	at = strstr(name, " @");
	ret->gpa = first;
	ret->size = last - first + 1;
	ret->hva = at ? strtoull(at + 2, NULL, 16) : 0;
	name[strcspn(name, " \r")] = '\0';
	if (!is_backend(name, ids, nr_ids) || strlen(name) >= sizeof(ret->block))
		return false;
	strcpy(ret->block, name);
	return ret->size && !((ret->gpa | ret->size) & (PAGE - 1));
}

static bool line_is(const char *line, size_t len, const char *start)
{
	while (len && *line == ' ')
		line++, len--;
	return len >= strlen(start) && !strncmp(line, start, strlen(start));
}

/* Sorted as QEMU prints them; anything else is refused. */
static int range_add(struct qemu_ram_range *ranges, u32 *nr,
		     const struct qemu_ram_range *range)
{
	u64 end;

	if (check_add_overflow(range->gpa, range->size, &end))
		return -EBADMSG;
	if (*nr && range->gpa < ranges[*nr - 1].gpa + ranges[*nr - 1].size)
		return -EBADMSG;
	if (*nr == QEMU_RAM_RANGES)
		return -E2BIG;
	ranges[(*nr)++] = *range;
	return 0;
}

int qemu_ram_parse_mtree(const char *text, const char ids[][64], u32 nr_ids,
			 struct qemu_ram_range *ret, u32 *ret_nr)
{
	struct qemu_ram_range range;
	bool ours = false;
	u32 nr = 0;
	int err;

	while (*text) {
		size_t len = strcspn(text, "\n");

		if (line_is(text, len, "FlatView #")) {
			if (ours)
				break;
		} else if (line_is(text, len, "AS \"memory\"")) {
			ours = true;
		} else if (ours &&
			   parse_range(text, len, ids, nr_ids, &range)) {
			err = range_add(ret, &nr, &range);
			if (err)
				return err;
		}
		text += len + (text[len] == '\n');
	}
	if (!nr)
		return -ENOENT;
	*ret_nr = nr;
	return 0;
}

int qemu_ram_parse_backends(struct json_object *list,
			    char ids[QEMU_RAM_IDS][64], u32 *ret_nr,
			    char why[BACKEND_WHY_LEN])
{
	size_t n = json_object_is_type(list, json_type_array) ?
		json_object_array_length(list) : 0;
	u32 nr = 0;

	/* Made by hand by old machine types. */
	strcpy(ids[nr++], "pc.ram");
	if (n > QEMU_RAM_IDS - nr) {
		snprintf(why, BACKEND_WHY_LEN,
			 "the VM has %zu memory backends (query-memdev): %u can be read at most; give it fewer, larger ones",
			 n, QEMU_RAM_IDS - nr);
		return -E2BIG;
	}
	for (size_t i = 0; i < n; i++) {
		const char *id = json_member_string(
			json_object_array_get_idx(list, i), "id");

		if (strlen(id) >= sizeof(ids[0])) {
			snprintf(why, BACKEND_WHY_LEN,
				 "the memory backend '%.80s...' has a name of %zu characters: %zu can be read at most; give it a shorter id",
				 id, strlen(id), sizeof(ids[0]) - 1);
			return -ENAMETOOLONG;
		}
		if (id[0])
			strcpy(ids[nr++], id);
	}
	*ret_nr = nr;
	return 0;
}

static int backend_ids(struct monitor *monitor, char ids[QEMU_RAM_IDS][64],
		       u32 *ret_nr, char why[BACKEND_WHY_LEN])
{
	struct json_object *list;
	int err;

	err = monitor_query(monitor, "query-memdev", &list);
	if (err)
		return err;
	err = qemu_ram_parse_backends(list, ids, ret_nr, why);
	json_object_put(list);
	return err;
}

/* Where QEMU has the byte at @gpa. */
static int gpa_to_hva(struct monitor *monitor, u64 gpa, u64 *ret)
{
	char line[64], *text, *is;
	int err;

	snprintf(line, sizeof(line), "gpa2hva 0x%llx", gpa);
	err = monitor_hmp(monitor, line, &text);
	if (err)
		return err;
	is = strstr(text, ") is 0x");
	if (is)
		*ret = strtoull(is + 5, NULL, 16);
	free(text);
	return is ? 0 : -EBADMSG;
}

static int find_hva(struct monitor *monitor, struct qemu_ram_range *range)
{
	u64 last_hva = 0;
	int err;

	err = gpa_to_hva(monitor, range->gpa, &range->hva);
	if (!err)
		err = gpa_to_hva(monitor, range->gpa + range->size - PAGE,
				 &last_hva);
	if (!err && last_hva - range->hva != range->size - PAGE)
		err = -EBADMSG;
	return err;
}

static int layout_by_monitor(struct qemu_ram *ram, struct monitor *monitor,
			     char why[BACKEND_WHY_LEN])
{
	char ids[QEMU_RAM_IDS][64], *text;
	u32 nr_ids;
	int err;

	err = backend_ids(monitor, ids, &nr_ids, why);
	if (err)
		return err;
	err = monitor_hmp(monitor, "info mtree -f", &text);
	if (err)
		return err;
	err = qemu_ram_parse_mtree(text, (const char (*)[64])ids, nr_ids,
				   ram->ranges, &ram->nr_ranges);
	free(text);
	for (u32 i = 0; i < ram->nr_ranges && !err; i++)
		err = find_hva(monitor, &ram->ranges[i]);
	return err;
}

/* ---- The layout, without a monitor ---- */

/* RAM below 4 GiB of machine types since QEMU 2.0; 0: type unknown. */
static u64 low_memory(const struct qemu_cmdline *cmdline)
{
	const char *type = cmdline->machine;
	u64 size = cmdline->memory_bytes;

	if (!strncmp(type, "pc-q35", 6) || !strcmp(type, "q35"))
		return size >= 0xb0000000 ? 0x80000000 : 0xb0000000;
	if (!type[0] || !strcmp(type, "pc") || !strncmp(type, "pc-i440fx", 9))
		return size >= 0xe0000000 ? 0xc0000000 : 0xe0000000;
	return 0;
}

/* The one mapping that is exactly as large as the RAM. */
static const struct qemu_map *only_map(const struct qemu_maps *maps, u64 size)
{
	const struct qemu_map *found = NULL;

	for (u32 i = 0; i < maps->nr; i++) {
		if (maps->maps[i].end - maps->maps[i].start != size ||
		    !maps->maps[i].writable)
			continue;
		if (found)
			return NULL;
		found = &maps->maps[i];
	}
	return found;
}

static int layout_by_machine(struct qemu_ram *ram,
			     const struct qemu_cmdline *cmdline,
			     const struct qemu_maps *maps)
{
	u64 size = cmdline->memory_bytes, low = low_memory(cmdline);
	const struct qemu_map *map = size ? only_map(maps, size) : NULL;

	if (!map || !low)
		return -EOPNOTSUPP;
	low = min(low, size);
	/* 640 KiB .. 1 MiB is video memory and firmware: nothing to find. */
	ram->ranges[0] = (struct qemu_ram_range){ .size = 0xa0000,
						  .hva = map->start };
	ram->ranges[1] = (struct qemu_ram_range){
		.gpa = 0x100000, .size = low - 0x100000,
		.hva = map->start + 0x100000,
	};
	ram->nr_ranges = 2;
	if (size > low)
		ram->ranges[ram->nr_ranges++] = (struct qemu_ram_range){
			.gpa = 4 * GIB, .size = size - low,
			.hva = map->start + low,
		};
	return 0;
}

/* ---- Access ---- */

static const struct qemu_ram_map *find_map(const struct qemu_ram *ram, u64 hva,
					   u64 size)
{
	for (u32 i = 0; i < ram->nr_maps; i++) {
		const struct qemu_ram_map *map = &ram->maps[i];

		if (hva >= map->hva && size <= map->size &&
		    hva - map->hva <= map->size - size)
			return map;
	}
	return NULL;
}

/* All of the mapping at once: hugetlbfs wants its own alignment. */
static void map_file(struct qemu_ram *ram, pid_t pid,
		     const struct qemu_map *map)
{
	u64 size = map->end - map->start;
	struct stat st;
	void *base;
	int fd;

	fd = qemu_map_open(pid, map);
	if (fd < 0)
		return;
	if (!fstat(fd, &st) && (u64)st.st_size >= map->offset &&
	    (u64)st.st_size - map->offset >= size) {
		base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			    map->offset);
		if (base != MAP_FAILED) {
			madvise(base, size, MADV_DONTDUMP);
			madvise(base, size, MADV_DONTFORK);
			ram->maps[ram->nr_maps++] = (struct qemu_ram_map){
				.base = base, .size = size, .hva = map->start,
				.device = map->device, .inode = map->inode,
			};
		}
	}
	close(fd);
}

/* What cannot be mapped stays reachable through /proc/PID/mem. */
static void map_ranges(struct qemu_ram *ram, pid_t pid,
		       const struct qemu_maps *maps)
{
	for (u32 i = 0; i < ram->nr_ranges; i++) {
		struct qemu_ram_range *range = &ram->ranges[i];
		const struct qemu_map *map = qemu_maps_find(maps, range->hva);
		const struct qemu_ram_map *mapped;

		if (map && map->shared && map->inode &&
		    !find_map(ram, range->hva, range->size))
			map_file(ram, pid, map);
		mapped = find_map(ram, range->hva, range->size);
		ram->gi_ranges[i] = (struct gi_ram_range){
			.gpa = range->gpa,
			.size = range->size,
			.hva = mapped ? mapped->base + (range->hva - mapped->hva) :
					NULL,
		};
	}
}

static int open_mem(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	return errno == ENOENT ? -ESRCH : errno == EACCES ? -EPERM : -errno;
}

static int find_layout(struct qemu_ram *ram, struct monitor *monitor,
		       const struct qemu_cmdline *cmdline,
		       const struct qemu_maps *maps, char why[BACKEND_WHY_LEN])
{
	int err;

	if (!monitor) {
		err = layout_by_machine(ram, cmdline, maps);
		if (err)
			snprintf(why, BACKEND_WHY_LEN,
				 "no monitor, and the layout of RAM cannot be told from the command line (machine '%s', -m %llu MiB): start QEMU with -qmp unix:PATH,server=on,wait=off",
				 cmdline->machine, cmdline->memory_bytes >> 20);
		return err;
	}
	why[0] = '\0';
	err = layout_by_monitor(ram, monitor, why);
	if (err && !why[0])
		snprintf(why, BACKEND_WHY_LEN,
			 "the monitor does not tell the layout of RAM (info mtree -f, gpa2hva): %s",
			 strerror(-err));
	return err;
}

int qemu_ram_open(pid_t pid, struct monitor *monitor,
		  const struct qemu_cmdline *cmdline, struct qemu_ram **ret,
		  char why[BACKEND_WHY_LEN])
{
	struct qemu_ram *ram = calloc(1, sizeof(*ram));
	struct qemu_maps maps = { 0 };
	int err;

	if (!ram)
		return -ENOMEM;
	ram->mem_fd = open_mem(pid);
	err = ram->mem_fd < 0 ? ram->mem_fd : qemu_maps_read(pid, &maps);
	if (err)
		snprintf(why, BACKEND_WHY_LEN,
			 "cannot open the memory of process %d: %s%s", pid,
			 strerror(-err),
			 err == -EPERM ? ": CAP_SYS_PTRACE is needed" : "");
	else
		err = find_layout(ram, monitor, cmdline, &maps, why);
	if (!err)
		map_ranges(ram, pid, &maps);
	qemu_maps_deinit(&maps);
	if (err)
		return qemu_ram_destroy(ram), err;
	*ret = ram;
	return 0;
}

int qemu_ram_map(pid_t pid, const struct qemu_ram_range *ranges, u32 nr,
		 struct qemu_ram **ret)
{
	struct qemu_maps maps = { 0 };
	struct qemu_ram *ram;
	int err;

	if (nr > QEMU_RAM_RANGES)
		return -E2BIG;
	err = qemu_maps_read(pid, &maps);
	if (err)
		return err;
	ram = calloc(1, sizeof(*ram));
	if (ram) {
		ram->mem_fd = -1;
		ram->nr_ranges = nr;
		memcpy(ram->ranges, ranges, nr * sizeof(*ranges));
		map_ranges(ram, pid, &maps);
		*ret = ram;
	}
	qemu_maps_deinit(&maps);
	return ram ? 0 : -ENOMEM;
}

struct qemu_ram *qemu_ram_destroy(struct qemu_ram *ram)
{
	if (!ram)
		return NULL;
	for (u32 i = 0; i < ram->nr_maps; i++)
		munmap(ram->maps[i].base, ram->maps[i].size);
	if (ram->mem_fd >= 0)
		close(ram->mem_fd);
	free(ram);
	return NULL;
}

/* A DIMM that was exchanged may be where the old one was: the file tells. */
bool qemu_ram_same(const struct qemu_ram *a, const struct qemu_ram *b)
{
	if (a->nr_ranges != b->nr_ranges || a->nr_maps != b->nr_maps)
		return false;
	for (u32 i = 0; i < a->nr_ranges; i++)
		if (a->ranges[i].gpa != b->ranges[i].gpa ||
		    a->ranges[i].size != b->ranges[i].size ||
		    a->ranges[i].hva != b->ranges[i].hva)
			return false;
	for (u32 i = 0; i < a->nr_maps; i++)
		if (a->maps[i].hva != b->maps[i].hva ||
		    a->maps[i].device != b->maps[i].device ||
		    a->maps[i].inode != b->maps[i].inode)
			return false;
	return true;
}

bool qemu_ram_is_mapped(const struct qemu_ram *ram)
{
	for (u32 i = 0; i < ram->nr_ranges; i++)
		if (!ram->gi_ranges[i].hva)
			return false;
	return true;
}

/* Index of the range with [gpa, gpa + len), or -1. */
static int find_range(const struct qemu_ram *ram, u64 gpa, u64 len)
{
	for (u32 i = 0; i < ram->nr_ranges; i++) {
		const struct qemu_ram_range *range = &ram->ranges[i];

		if (gpa >= range->gpa && len <= range->size &&
		    gpa - range->gpa <= range->size - len)
			return i;
	}
	return -1;
}

int qemu_ram_read(struct qemu_ram *ram, u64 gpa, void *buf, u32 len)
{
	int i = find_range(ram, gpa, len);
	const struct qemu_ram_range *range;
	ssize_t n;

	if (i < 0)
		return -EFAULT;
	range = &ram->ranges[i];
	if (ram->gi_ranges[i].hva) {
		memcpy(buf, ram->gi_ranges[i].hva + (gpa - range->gpa), len);
		return 0;
	}
	n = pread(ram->mem_fd, buf, len, range->hva + (gpa - range->gpa));
	return n == (ssize_t)len ? 0 : -EFAULT;
}

static u64 load_mapped(const void *at, u32 width)
{
	switch (width) {
	case 1:
		return __atomic_load_n((const u8 *)at, __ATOMIC_SEQ_CST);
	case 2:
		return __atomic_load_n((const u16 *)at, __ATOMIC_SEQ_CST);
	case 4:
		return __atomic_load_n((const u32 *)at, __ATOMIC_SEQ_CST);
	default:
		return __atomic_load_n((const u64 *)at, __ATOMIC_SEQ_CST);
	}
}

static void store_mapped(void *at, u32 width, u64 value)
{
	switch (width) {
	case 1:
		__atomic_store_n((u8 *)at, value, __ATOMIC_SEQ_CST);
		break;
	case 2:
		__atomic_store_n((u16 *)at, value, __ATOMIC_SEQ_CST);
		break;
	case 4:
		__atomic_store_n((u32 *)at, value, __ATOMIC_SEQ_CST);
		break;
	default:
		__atomic_store_n((u64 *)at, value, __ATOMIC_SEQ_CST);
	}
}

static bool width_ok(u64 gpa, u32 width)
{
	return (width == 1 || width == 2 || width == 4 || width == 8) &&
	       !(gpa & (width - 1));
}

int qemu_ram_load(struct qemu_ram *ram, u64 gpa, u32 width, u64 *ret)
{
	u64 value = 0;
	int i;

	if (!width_ok(gpa, width))
		return -EINVAL;
	i = find_range(ram, gpa, width);
	if (i < 0)
		return -EFAULT;
	if (ram->gi_ranges[i].hva) {
		*ret = load_mapped(ram->gi_ranges[i].hva +
				   (gpa - ram->ranges[i].gpa), width);
		return 0;
	}
	if (qemu_ram_read(ram, gpa, &value, width))
		return -EFAULT;
	*ret = value;
	return 0;
}

int qemu_ram_store(struct qemu_ram *ram, u64 gpa, u32 width, u64 value)
{
	const struct qemu_ram_range *range;
	int i;

	if (!width_ok(gpa, width))
		return -EINVAL;
	i = find_range(ram, gpa, width);
	if (i < 0)
		return -EFAULT;
	range = &ram->ranges[i];
	if (ram->gi_ranges[i].hva) {
		store_mapped((u8 *)ram->gi_ranges[i].hva + (gpa - range->gpa),
			     width, value);
		return 0;
	}
	return pwrite(ram->mem_fd, &value, width,
		      range->hva + (gpa - range->gpa)) == (ssize_t)width ?
		0 : -EFAULT;
}
