// SPDX-License-Identifier: GPL-2.0-only
/*
 * A note that outlives us: see held_flag.h. The name has the start time of the
 * process, so that a reused pid is not taken for the VM of before.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "held_flag.h"

/* Field 22 of /proc/PID/stat; the name in field 2 may hold anything. */
static int start_time(pid_t pid, u64 *ret)
{
	char path[64], text[1024], *at;
	size_t n;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return -ESRCH;
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -ESRCH;
	*ret = strtoull(at + 1, NULL, 10);
	return 0;
}

static int make_path(struct held_flag *flag, pid_t pid)
{
	const char *dir = getenv("MONARCH_RUNTIME_DIR");
	u64 start;
	int err, n;

	err = start_time(pid, &start);
	if (err)
		return err;
	if (!dir || !dir[0])
		dir = "/run/monarch";
	if (mkdir(dir, 0755) && errno != EEXIST)
		return -errno;
	n = snprintf(flag->path, sizeof(flag->path), "%s/held", dir);
	if (n >= (int)sizeof(flag->path) - 64)
		return -ENAMETOOLONG;
	if (mkdir(flag->path, 0700) && errno != EEXIST)
		return -errno;
	snprintf(flag->path + n, sizeof(flag->path) - n, "/%d-%llu", pid,
		 start);
	return 0;
}

int held_flag_open(struct held_flag *flag, pid_t pid)
{
	void *page;
	int err;

	flag->held = NULL;
	flag->fd = -1;
	err = make_path(flag, pid);
	if (err)
		return err;
	flag->fd = open(flag->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			0600);
	if (flag->fd < 0)
		return -errno;
	if (flock(flag->fd, LOCK_EX | LOCK_NB))
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else if (ftruncate(flag->fd, sizeof(u64)))
		err = -errno;
	if (!err) {
		page = mmap(NULL, sizeof(u64), PROT_READ | PROT_WRITE,
			    MAP_SHARED, flag->fd, 0);
		if (page != MAP_FAILED) {
			flag->held = page;
			return 0;
		}
		err = -errno;
	}
	close(flag->fd);
	flag->fd = -1;
	return err;
}

void held_flag_leave(struct held_flag *flag)
{
	if (flag->held)
		munmap((void *)flag->held, sizeof(u64));
	if (flag->fd >= 0)
		close(flag->fd);
	flag->held = NULL;
	flag->fd = -1;
}

void held_flag_deinit(struct held_flag *flag)
{
	/* before its lock goes: the next owner makes a file of its own */
	if (flag->held)
		unlink(flag->path);
	held_flag_leave(flag);
}
