/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/monarch, the module's device: opened once for all VMs, since those that
 * are attached through it share its tick. What the module can and cannot do, and
 * the words for it, are in include/uapi/linux/monarch.h.
 */
#ifndef DAEMON_KERNEL_DEVICE_H
#define DAEMON_KERNEL_DEVICE_H

#include "backend.h"

#define KERNEL_DEVICE	"/dev/monarch"

/**
 * struct kernel_device - the device, open
 * @fd: -1: not open. Non-blocking, readable after a tick
 * @features: bits of enum monarch_feature that are on
 * @ticking: the module samples all VMs at each tick
 * @elapsed: ticks and overruns as of the last kernel_device_ticks()
 */
struct kernel_device {
	int fd;
	u64 features;
	bool ticking;
	u64 elapsed;
};

/* ioctl() on @fd with a structure that starts with its size. 0 or -errno. */
int kernel_ioctl(int fd, unsigned long request, void *argument, u32 size);
#define kernel_call(fd, request, argument) \
	kernel_ioctl(fd, request, argument, sizeof(*(argument)))

/**
 * kernel_device_open() - open @path and see that we understand each other
 * @why: one line for a person on failure
 * Return: 0; -ENOENT there is no module; -EACCES; -EPROTO another ABI; ...
 */
int kernel_device_open(struct kernel_device *device, const char *path,
		       char why[BACKEND_WHY_LEN]);
void kernel_device_close(struct kernel_device *device);

static inline bool kernel_device_has(const struct kernel_device *device,
				     enum monarch_feature feature)
{
	return device->features & BIT_ULL(feature);
}

/* Why @feature is off, in the module's words. */
void kernel_device_why(const struct kernel_device *device,
		       enum monarch_feature feature,
		       char why[BACKEND_WHY_LEN]);

/**
 * kernel_device_attach() - a descriptor of the VM of process @pid
 * @ret_bytes: of its table
 * Return: the descriptor; -errno, @why says.
 */
int kernel_device_attach(const struct kernel_device *device, pid_t pid,
			 u64 *ret_bytes, char why[BACKEND_WHY_LEN]);

/* Does the module know a VM of process @pid, free to attach to? */
bool kernel_device_knows(const struct kernel_device *device, pid_t pid);

/* Have the module beat time, 0: no more. Return: 0 or -errno. */
int kernel_device_tick(struct kernel_device *device, u64 quantum_ns);

/*
 * How many quanta have passed since the last call, 0: none.
 * @ret: the module's figures, if any have passed
 * Return: number or -errno.
 */
int kernel_device_ticks(struct kernel_device *device,
			struct monarch_tick_event *ret);

#endif /* DAEMON_KERNEL_DEVICE_H */
