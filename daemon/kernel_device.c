// SPDX-License-Identifier: GPL-2.0-only
/* See kernel_device.h. */
#include "kernel_device.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"

#define LIST_MAX	512

int kernel_ioctl(int fd, unsigned long request, void *argument, u32 size)
{
	int result;

	*(__u32 *)argument = size;
	do
		result = ioctl(fd, request, argument);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : result;
}

static const char *device_open_text(int error)
{
	switch (error) {
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
		return "expected the device of monarch.ko, found none; load it with 'modprobe monarch'";
	case -EACCES:
	case -EPERM:
		return "expected to be let in, found no permission; run monarchd as root or in the device's group";
	}
	return strerror(-error);
}

static int device_check(struct kernel_device *device, const char *path,
			char why[BACKEND_WHY_LEN])
{
	struct monarch_info info = {};
	int error = kernel_call(device->fd, MONARCH_INFO, &info);

	if (!error && info.abi == MONARCH_ABI) {
		device->features = info.features;
		return 0;
	}
	if (error)
		snprintf(why, BACKEND_WHY_LEN,
			 "%s: expected the device of monarch.ko, found one that does not answer MONARCH_INFO: %s; install module and daemon from one source",
			 path, strerror(-error));
	else
		snprintf(why, BACKEND_WHY_LEN,
			 "%s: expected ABI %u, found %u; install module and daemon from one source",
			 path, MONARCH_ABI, info.abi);
	return error ? error : -EPROTO;
}

int kernel_device_open(struct kernel_device *device, const char *path,
		       char why[BACKEND_WHY_LEN])
{
	int error;

	*device = (struct kernel_device){
		.fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK),
	};
	if (device->fd < 0) {
		error = -errno;
		snprintf(why, BACKEND_WHY_LEN, "%s: %s", path,
			 device_open_text(error));
		return error;
	}
	error = device_check(device, path, why);
	if (error)
		kernel_device_close(device);
	return error;
}

void kernel_device_close(struct kernel_device *device)
{
	if (device->fd >= 0)
		close(device->fd);
	*device = (struct kernel_device){ .fd = -1 };
}

void kernel_device_why(const struct kernel_device *device,
		       enum monarch_feature feature, char why[BACKEND_WHY_LEN])
{
	static const char *const names[MONARCH_FEATURE_NR] = {
		[MONARCH_FEATURE_KVM] = "kvm",
		[MONARCH_FEATURE_ACCOUNT] = "account",
		[MONARCH_FEATURE_REGISTERS] = "registers",
		[MONARCH_FEATURE_CR3_TRAP] = "cr3_trap",
		[MONARCH_FEATURE_HOLD] = "hold",
		[MONARCH_FEATURE_KICK] = "kick",
	};
	struct monarch_info info = { .feature = feature };
	int error = kernel_call(device->fd, MONARCH_INFO, &info);

	snprintf(why, BACKEND_WHY_LEN,
		 "monarch.ko: expected its feature '%s' to be on, found it off: %.*s",
		 names[feature], (int)sizeof(info.why),
		 error ? strerror(-error) : info.why);
}

/* What the module knows of the VM of @pid. Return: it does. */
static bool find_entry(const struct kernel_device *device, pid_t pid,
		       struct monarch_vm_entry *ret)
{
	struct monarch_vm_entry entries[LIST_MAX];
	struct monarch_list list = {
		.nr = LIST_MAX, .entries = (uintptr_t)entries,
	};

	if (kernel_call(device->fd, MONARCH_LIST, &list))
		return false;
	for (u32 i = 0; i < min(list.nr, (u32)LIST_MAX); i++) {
		if (entries[i].pid != pid)
			continue;
		*ret = entries[i];
		return true;
	}
	return false;
}

/* Cheaper to see than by asking the module, which looks at all processes. */
static bool has_kvm_vm(pid_t pid)
{
	char path[64], target[64];
	struct dirent *entry;
	bool found = false;
	ssize_t length;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		length = readlinkat(dirfd(dir), entry->d_name, target,
				    sizeof(target) - 1);
		target[max(length, (ssize_t)0)] = '\0';
		found = !strcmp(target, "anon_inode:kvm-vm");
	}
	closedir(dir);
	return found;
}

bool kernel_device_knows(const struct kernel_device *device, pid_t pid)
{
	struct monarch_vm_entry entry;

	return has_kvm_vm(pid) && find_entry(device, pid, &entry) &&
	       !entry.attached &&
	       !(entry.refusals & (MONARCH_VM_ENCRYPTED | MONARCH_VM_ODD));
}

static const char *refusal_text(const struct kernel_device *device, pid_t pid)
{
	struct monarch_vm_entry entry;

	if (!find_entry(device, pid, &entry))
		return "the module refuses it";
	return entry.refusals & MONARCH_VM_ENCRYPTED ?
		"expected plain guest memory, found it encrypted or private" :
		"expected KVM's structures as the module knows them, found others";
}

static void attach_why(const struct kernel_device *device, pid_t pid, int error,
		       char why[BACKEND_WHY_LEN])
{
	const char *text = strerror(-error);

	if (error == -ENOENT)
		text = "expected a KVM VM, found none; it is emulated (TCG), or not made yet";
	else if (error == -EBUSY)
		text = "expected it to be free, found it attached; another Monarch has it";
	else if (error == -EOPNOTSUPP)
		text = refusal_text(device, pid);
	snprintf(why, BACKEND_WHY_LEN, "monarch.ko: VM of process %d: %s",
		 pid, text);
}

int kernel_device_attach(const struct kernel_device *device, pid_t pid,
			 u64 *ret_bytes, char why[BACKEND_WHY_LEN])
{
	struct monarch_attach attach = { .pid = pid };
	int error = kernel_call(device->fd, MONARCH_ATTACH, &attach);

	if (error) {
		attach_why(device, pid, error, why);
		return error;
	}
	*ret_bytes = attach.table_size;
	return attach.fd;
}

int kernel_device_tick(struct kernel_device *device, u64 quantum_ns)
{
	struct monarch_tick tick = { .quantum_ns = quantum_ns };
	int error = kernel_call(device->fd, MONARCH_TICK, &tick);

	if (error)
		return error;
	device->ticking = quantum_ns;
	device->elapsed = 0;
	return 0;
}

int kernel_device_ticks(struct kernel_device *device,
			struct monarch_tick_event *ret)
{
	struct monarch_tick_event event;
	ssize_t size = read(device->fd, &event, sizeof(event));
	u64 elapsed, passed;

	if (size != sizeof(event))
		return size < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;
	elapsed = event.ticks + event.overruns;
	passed = elapsed > device->elapsed ? elapsed - device->elapsed : 0;
	device->elapsed = elapsed;
	*ret = event;
	return (int)min(passed, (u64)INT_MAX);
}
