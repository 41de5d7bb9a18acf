// SPDX-License-Identifier: GPL-2.0-only
/* What the seeds btf/, elf/ and layout/ are made of: see README. */
struct list { struct list *next, *prev; };
typedef unsigned u32_alias;
enum { CSD_FLAG_LOCK = 1, CSD_TYPE_TTWU = 0x30 };
struct raw_spinlock { int v; };
struct cred { int usage; struct { unsigned val; } uid, gid; };
struct task_struct {
	const volatile u32_alias __state; char comm[16]; struct list tasks;
	unsigned frozen : 1, sched_remote_wakeup : 1; unsigned long long e : 40;
	union { struct { int pid, tgid; }; long both; };
	struct { struct list llist; unsigned u_flags; } wake_entry;
	struct { unsigned long sum_exec_runtime; } se; struct cred *cred; int x[3][5];
	struct raw_spinlock pi_lock;
};
struct task_struct init_task; struct cred _text; int z = CSD_TYPE_TTWU;
