// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/PID/maps. A file of RAM has no name that we could open: it is a memfd,
 * or unlinked, or in another mount namespace. But it is open in QEMU, so
 * /proc/PID/fd leads to it, recognised by device and inode.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "qemu_maps.h"

#define MAPS_MAX	65536

static bool parse_line(const char *line, struct qemu_map *ret)
{
	unsigned int major, minor;
	char perms[8];
	u64 inode;

	if (sscanf(line, "%llx-%llx %7s %llx %x:%x %llu", &ret->start,
		   &ret->end, perms, &ret->offset, &major, &minor,
		   &inode) != 7)
		return false;
	ret->device = makedev(major, minor);
	ret->inode = inode;
	ret->writable = perms[1] == 'w';
	ret->shared = perms[3] == 's';
	return true;
}

/* mbind() and madvise() of a part split one mapping into several. */
static bool continues(const struct qemu_map *a, const struct qemu_map *b)
{
	return a->end == b->start && a->device == b->device &&
	       a->inode == b->inode && a->shared == b->shared &&
	       a->writable == b->writable && a->inode &&
	       a->offset + (a->end - a->start) == b->offset;
}

static int add(struct qemu_maps *maps, const struct qemu_map *map)
{
	if (maps->nr && continues(&maps->maps[maps->nr - 1], map)) {
		maps->maps[maps->nr - 1].end = map->end;
		return 0;
	}
	if (!(maps->nr & (maps->nr - 1)) || !maps->nr) {
		u32 room = maps->nr ? maps->nr * 2 : 1;
		struct qemu_map *bigger;

		if (room > MAPS_MAX)
			return -E2BIG;
		bigger = realloc(maps->maps, room * sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		maps->maps = bigger;
	}
	maps->maps[maps->nr++] = *map;
	return 0;
}

int qemu_maps_read(pid_t pid, struct qemu_maps *ret)
{
	struct qemu_maps maps = { 0 };
	char path[64], *line = NULL;
	struct qemu_map map;
	size_t size = 0;
	FILE *file;
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH :
		       errno == EACCES ? -EPERM : -errno;
	while (!err && getline(&line, &size, file) > 0)
		if (parse_line(line, &map))
			err = add(&maps, &map);
	free(line);
	fclose(file);
	if (err) {
		qemu_maps_deinit(&maps);
		return err;
	}
	*ret = maps;
	return 0;
}

void qemu_maps_deinit(struct qemu_maps *maps)
{
	free(maps->maps);
	*maps = (struct qemu_maps){ 0 };
}

const struct qemu_map *qemu_maps_find(const struct qemu_maps *maps, u64 hva)
{
	for (u32 i = 0; i < maps->nr; i++)
		if (hva >= maps->maps[i].start && hva < maps->maps[i].end)
			return &maps->maps[i];
	return NULL;
}

static bool is_file(const struct stat *st, const struct qemu_map *map)
{
	return st->st_ino == map->inode && st->st_dev == map->device;
}

/* A descriptor of @pid on the file. Return: fd or -ENOENT. */
static int open_through_fd(pid_t pid, const struct qemu_map *map)
{
	struct dirent *entry;
	char path[64];
	struct stat st;
	int fd = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (fd < 0 && (entry = readdir(dir))) {
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) ||
		    !S_ISREG(st.st_mode) || !is_file(&st, map))
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	closedir(dir);
	return fd;
}

/* QEMU may have closed it; this needs more privilege. */
static int open_through_map(pid_t pid, const struct qemu_map *map)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", pid,
		 map->start, map->end);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int qemu_map_open(pid_t pid, const struct qemu_map *map)
{
	int fd = open_through_fd(pid, map);

	return fd >= 0 ? fd : open_through_map(pid, map);
}
