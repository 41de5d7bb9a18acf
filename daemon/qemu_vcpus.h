/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The threads that run a VM's vCPUs, and the host time they got.
 */
#ifndef DAEMON_QEMU_VCPUS_H
#define DAEMON_QEMU_VCPUS_H

#include "backend.h"

#define QEMU_VCPUS	1024

struct qemu_vcpus {
	u32 nr;
	long tids[QEMU_VCPUS];
	int fds[QEMU_VCPUS];	/* schedstat, -1: same thread as another vCPU */
};

/* Return: 0, -errno, -E2BIG. */
int qemu_vcpus_init(struct qemu_vcpus *vcpus, pid_t pid,
		    struct monitor *monitor);
void qemu_vcpus_deinit(struct qemu_vcpus *vcpus);

/* The same threads in the same order? */
bool qemu_vcpus_same(const struct qemu_vcpus *a, const struct qemu_vcpus *b);

/*
 * Times in vCPU order. Where one thread runs several vCPUs (TCG without
 * threads) the first one has it all, so that the sum is right.
 * Return: 0, -E2BIG, -ENOTCONN a thread is gone.
 */
int qemu_vcpus_times(const struct qemu_vcpus *vcpus, struct vcpu_time *ret,
		     u32 max, u32 *ret_nr);

#endif /* DAEMON_QEMU_VCPUS_H */
