/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that the module has to do with KVM: finding its VMs, watching their
 * vCPUs enter and leave the guest, reading and (under a hold) writing guest
 * memory, interrupts. Everything else in kmod/ knows VMs as struct link.
 *
 * A link keeps the VM's file open, and so the VM and kvm.ko. It must go soon
 * after link_is_gone() says so: a VM whose last owner is Monarch holds memory
 * that nobody uses.
 */
#ifndef MONARCH_KVM_H
#define MONARCH_KVM_H

#include <linux/types.h>

#include "../include/uapi/linux/monarch.h"

struct link;
struct pid;
struct file;

/* ---- the host ---- */

int __must_check hooks_init(void);
void hooks_exit(void);

/* Look at what is loaded now. Return: features, a bit each. */
u64 hooks_features(void);

/* Why @feature is off, as of the last hooks_features(); "" if it is on. */
void hooks_why(u32 feature, char ret[MONARCH_WHY_LEN]);

/* ---- VMs ---- */

/**
 * struct link_found - a VM that was found
 * @file: its descriptor's file, with a reference
 * @key: tells it from all other VMs of the moment
 * @pid: its process, with a reference
 * @born: when that process started: pids and keys are used again
 */
struct link_found {
	struct file *file;
	const void *key;
	struct pid *pid;
	u64 born;
	u32 nr_vcpus;
	u32 refusals;
};

/**
 * link_scan() - find all VMs
 * Return: how many, or -ENOMEM; give *ret to link_scan_free().
 */
int __must_check link_scan(struct link_found **ret);
void link_scan_free(struct link_found *found, int nr);

/**
 * link_open() - attach to a VM
 * @records: where accounting goes, by vCPU index, @stride apart; outlives it
 * @gone: called, in any context that may not sleep, when the VM's process ends
 * Return: 0; -EOPNOTSUPP refused or a feature is missing; -ENODEV the VM is
 * gone; -ENOMEM.
 */
int __must_check link_open(const struct link_found *found, void *records,
			   u32 max_vcpus, void (*gone)(void *data), void *data,
			   struct link **ret);

/* Drop traps, stop watching, let the VM go. May sleep for long. */
void link_close(struct link *link);

bool link_is_gone(const struct link *link);
u32 link_nr_vcpus(const struct link *link);
u32 link_refusals(const struct link *link);

/* MONARCH_ACCOUNT_*; takes effect at each vCPU's next entry. */
void link_set_methods(struct link *link, u32 methods);

/* ---- guest memory; from a kernel thread, between begin and end ---- */

/**
 * link_begin() - go to where the VM's memory is
 * @edit: also keep memory slots and the set of vCPUs as they are; holds are
 *	possible then
 * Return: 0; -ENODEV its process is ending.
 */
int __must_check link_begin(struct link *link, bool edit);
void link_end(struct link *link);

/*
 * RAM ranges, ascending, adjoining ones as one, at most @max of them.
 * Return: how many there are.
 */
u32 link_ranges(const struct link *link, struct monarch_ram_range *ret,
		u32 max);

/*
 * Read guest RAM. Never sleeps for the guest's sake: memory that is not there
 * is asked for with @may_fault, and read if it comes at once.
 * Return: 0, or -EFAULT.
 */
int __must_check link_read(struct link *link, u64 gpa, void *buf, u32 len,
			   bool may_fault);

/* Have the host ready to write there. Return: 0, or -EFAULT. */
int __must_check link_fault_in(struct link *link, u64 gpa);

/* ---- holding ---- */

enum hold_refusal {
	HOLD_OK,
	HOLD_PAUSED,		/* no vCPU in KVM_RUN */
	HOLD_DIRTY_RING,
	HOLD_TAKEN,		/* bit 63 is somebody else's */
	HOLD_STATE,		/* SMM, nesting or emulation under way */
};

/**
 * link_hold() - no vCPU is in guest mode from here on to link_release()
 * Between link_begin(edit) and link_end(). Returns with interrupts off: nothing
 * in between may sleep.
 * @write: to write: refused where that could be lost, or go between the steps
 *	of an instruction under way
 * @ret_reach_ns: how long it took
 */
enum hold_refusal link_hold(struct link *link, bool write, u64 *ret_reach_ns);
void link_release(struct link *link);

/*
 * Under the hold: store an aligned integer and tell those who migrate the VM.
 * Return: 0; -EFAULT no RAM, or not ready to be written; -EROFS.
 */
int __must_check link_store(struct link *link, u64 gpa, u32 width, u64 value);

/* Under the hold: registers of all vCPUs, at most @max. Return: how many. */
u32 link_registers(struct link *link, struct monarch_vcpu_regs *ret, u32 max);

/* Not under the hold. Return: 0; -ENOENT no such vCPU; -EOPNOTSUPP no APIC. */
int link_kick(struct link *link, u32 apic_id, u8 vector);

#endif /* MONARCH_KVM_H */
