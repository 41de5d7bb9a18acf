// SPDX-License-Identifier: GPL-2.0-only
/*
 * Never loaded: compiled for its debug information only. Every structure of
 * the layout that Debian's headers show is defined in here as the compiler
 * sees it with this kernel's configuration (struct rq is private to
 * kernel/sched and is compared with the whole kernel's DWARF only).
 */
#include <linux/cgroup-defs.h>
#include <linux/cred.h>
#include <linux/mm_types.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>

struct monarch_structs {
	struct task_struct *task;
	struct signal_struct *signal;
	struct sighand_struct *sighand;
	struct mm_struct *mm;
	struct cred *cred;
	struct css_set *css_set;
	struct cgroup *cgroup;
	call_single_data_t csd;
	int type;
};

struct monarch_structs monarch_structs = { .type = CSD_TYPE_TTWU };

MODULE_LICENSE("GPL");
