/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the host kernels that the module is built for (6.1,
 * 6.12, 7.x), under one name each. The only place that tests versions; stable
 * kernels take changes back, so what can be seen by the preprocessor is tested
 * by that instead.
 */
#ifndef MONARCH_COMPAT_H
#define MONARCH_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/version.h>

/* Linux kernel commit 908d5e0c1e1a ("hrtimers: Introduce hrtimer_setup()", in v6.13) */
static inline void compat_hrtimer_setup(struct hrtimer *timer,
					enum hrtimer_restart (*function)(struct hrtimer *),
					enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, mode);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, mode);
	timer->function = function;
#endif
}

/* Linux kernel commit bc292ab00f6c ("mm: introduce vma->vm_flags wrapper functions", in v6.3) */
static inline void compat_vm_flags_clear(struct vm_area_struct *vma,
					 unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_clear(vma, flags);
#else
	vma->vm_flags &= ~flags;
#endif
}

/* Linux kernel commit ca5e863233e8 ("mm/gup: remove vmas parameter from get_user_pages_remote()", in v6.5) */
static inline long compat_get_user_page(struct mm_struct *mm,
					unsigned long addr, unsigned int flags,
					struct page **ret)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return get_user_pages_remote(mm, addr, 1, flags, ret, NULL);
#else
	return get_user_pages_remote(mm, addr, 1, flags, ret, NULL, NULL);
#endif
}

/* Linux kernel commit b04e317b5226 ("treewide: Introduce kthread_run_worker[_on_cpu]()", in v6.14) */
#ifdef kthread_run_worker
#define compat_run_worker(name, id)	kthread_run_worker(0, name, id)
#else
#define compat_run_worker(name, id)	kthread_create_worker(0, name, id)
#endif

/* Types of VM other than the plain one: 6.8; what they imply: 6.10. */
static inline bool compat_vm_protected(struct kvm *kvm)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	return kvm->arch.vm_type != KVM_X86_DEFAULT_VM ||
	       kvm->arch.has_private_mem || kvm->arch.has_protected_state;
#else
	return false;
#endif
}

/* guest_memfd: the hva need not map what the guest sees. */
static inline bool compat_slot_private(const struct kvm_memory_slot *slot)
{
#ifdef KVM_MEM_GUEST_MEMFD
	return slot->flags & KVM_MEM_GUEST_MEMFD;
#else
	return false;
#endif
}

#endif /* MONARCH_COMPAT_H */
