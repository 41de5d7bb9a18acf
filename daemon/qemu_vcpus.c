// SPDX-License-Identifier: GPL-2.0-only
/*
 * The threads that run a VM's vCPUs: named once by the monitor, then read
 * through files that stay open. Without a monitor, threads are told by the
 * names that QEMU gives them with debug-threads=on ("CPU 0/KVM", "CPU 0/TCG").
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "monitor.h"
#include "qemu_vcpus.h"

static int open_schedstat(pid_t pid, long tid)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%ld/schedstat", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A member's number, or -1. */
static long member_number(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_int))
		return -1;
	return json_object_get_int64(value);
}

static int add_vcpu(struct qemu_vcpus *vcpus, pid_t pid, long tid)
{
	int fd = -1;
	u32 i;

	for (i = 0; i < vcpus->nr && vcpus->tids[i] != tid; i++)
		;
	if (i == vcpus->nr)
		fd = open_schedstat(pid, tid);
	if (i == vcpus->nr && fd < 0)
		return fd == -ENOENT ? -ENOTCONN : fd;
	vcpus->tids[vcpus->nr] = tid;
	vcpus->fds[vcpus->nr++] = fd;
	return 0;
}

static int by_monitor(struct qemu_vcpus *vcpus, pid_t pid,
		      struct monitor *monitor)
{
	struct json_object *list;
	size_t n;
	int err;

	err = monitor_query(monitor, "query-cpus-fast", &list);
	if (err)
		return err;
	n = json_object_is_type(list, json_type_array) ?
		json_object_array_length(list) : 0;
	if (!n || n > QEMU_VCPUS)
		err = n ? -E2BIG : -EBADMSG;
	for (size_t i = 0; i < n && !err; i++)
		err = add_vcpu(vcpus, pid,
			       member_number(json_object_array_get_idx(list, i),
					     "thread-id"));
	json_object_put(list);
	return err;
}

/* The vCPU number in a thread's name, or -1. */
static int thread_vcpu(pid_t pid, const char *tid)
{
	char path[300], name[32] = "";
	FILE *file;
	int cpu;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	return sscanf(name, "CPU %d/", &cpu) == 1 && cpu >= 0 &&
	       cpu < QEMU_VCPUS ? cpu : -1;
}

static int by_names(struct qemu_vcpus *vcpus, pid_t pid)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;
	int cpu;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return -ESRCH;
	for (u32 i = 0; i < QEMU_VCPUS; i++) {
		vcpus->tids[i] = -1;
		vcpus->fds[i] = -1;
	}
	while ((entry = readdir(dir))) {
		cpu = thread_vcpu(pid, entry->d_name);
		if (cpu < 0 || vcpus->fds[cpu] >= 0)
			continue;
		vcpus->tids[cpu] = atol(entry->d_name);
		vcpus->fds[cpu] = open_schedstat(pid, vcpus->tids[cpu]);
		vcpus->nr = max(vcpus->nr, (u32)cpu + 1);
	}
	closedir(dir);
	return 0;
}

int qemu_vcpus_init(struct qemu_vcpus *vcpus, pid_t pid,
		    struct monitor *monitor)
{
	int err;

	vcpus->nr = 0;
	err = monitor ? by_monitor(vcpus, pid, monitor) : by_names(vcpus, pid);
	if (err)
		qemu_vcpus_deinit(vcpus);
	return err;
}

void qemu_vcpus_deinit(struct qemu_vcpus *vcpus)
{
	for (u32 i = 0; i < vcpus->nr; i++)
		if (vcpus->fds[i] >= 0)
			close(vcpus->fds[i]);
	vcpus->nr = 0;
}

bool qemu_vcpus_same(const struct qemu_vcpus *a, const struct qemu_vcpus *b)
{
	return a->nr == b->nr &&
	       !memcmp(a->tids, b->tids, a->nr * sizeof(a->tids[0]));
}

static int read_times(int fd, struct vcpu_time *ret)
{
	char text[128];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return -ENOTCONN;
	text[n] = '\0';
	return sscanf(text, "%llu %llu", &ret->cpu_ns, &ret->wait_ns) == 2 ?
		0 : -ENOTCONN;
}

int qemu_vcpus_times(const struct qemu_vcpus *vcpus, struct vcpu_time *ret,
		     u32 max, u32 *ret_nr)
{
	int err;

	if (vcpus->nr > max)
		return -E2BIG;
	for (u32 i = 0; i < vcpus->nr; i++) {
		ret[i] = (struct vcpu_time){ 0 };
		err = vcpus->fds[i] < 0 ? 0 : read_times(vcpus->fds[i], &ret[i]);
		if (err)
			return err;
	}
	*ret_nr = vcpus->nr;
	return 0;
}
