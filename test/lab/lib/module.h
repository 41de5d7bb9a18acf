/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * monarch.ko as the lab's tests see it: the device, VMs, the table, and a guest
 * found through them. What fails here ends the program with a line that says so.
 */
#ifndef TEST_LAB_LIB_MODULE_H
#define TEST_LAB_LIB_MODULE_H

#include "../../../guestinfo/core/linux_stop.h"
#include "../../../guestinfo/find/find.h"

/**
 * struct vm - an attached VM
 * @table: its table, mapped
 * @memory: reads by MONARCH_READ
 */
struct vm {
	int device;
	int fd;
	const struct monarch_table *table;
	u64 table_size;
	struct gi_memory memory;
	struct gi_ram_range ranges[MONARCH_VM_RANGES_MAX];
	struct gi_found found;
};

void die(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* As expect of the shell library: dies unless they are equal. */
void expect(const char *what, u64 expected, u64 found);

u64 now_ns(void);
void sleep_ms(u32 ms);

int device_open(void);

/* ioctl(); dies on an error, naming @what. */
void must(const char *what, int fd, unsigned long cmd, void *arg);

/*
 * Attach to the VM of process @pid. Waits while it is busy: what another
 * descriptor owed is worked off after its end.
 */
void vm_attach(struct vm *vm, int device, int pid);
void vm_detach(struct vm *vm);

/* Find the kernel and tell the module of it; waits while it boots. */
void vm_find(struct vm *vm);

/* A consistent copy of a vCPU's record. */
void vm_vcpu(const struct vm *vm, u32 index, struct monarch_vcpu *ret);

/**
 * struct snapshot - a consistent copy of the table's
 */
struct snapshot {
	struct monarch_table head;
	struct monarch_process *processes;
	struct monarch_thread *threads;
};

/* Sample, and copy. */
void vm_sample(struct vm *vm, bool full);
void vm_snapshot(const struct vm *vm, struct snapshot *ret);
void snapshot_free(struct snapshot *snap);

/* By name, or NULL. */
const struct monarch_process *snapshot_find(const struct snapshot *snap,
					    const char *comm);
const struct monarch_process *snapshot_again(const struct snapshot *snap,
					     const struct monarch_target *target);

/* How many carry our mark. */
u32 snapshot_stopped(const struct snapshot *snap);

/*
 * STOP or RESUME again and again, until nothing is left to do or @timeout_ms
 * have passed. Return: 0; -ESRCH it is gone; -EPERM refused for good;
 * -ETIMEDOUT.
 */
int vm_edit_wait(struct vm *vm, unsigned long cmd, struct monarch_target *target,
		 u32 timeout_ms);

void vm_stats(const struct vm *vm, struct monarch_stats *ret);

#endif /* TEST_LAB_LIB_MODULE_H */
