/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Monarch's ABI. So far it is the layout blob: the file and memory format in
 * which "what a guest kernel is" travels from whoever found it out (BTF in the
 * guest's RAM, a DWARF file) to whoever uses it (the daemon, later the module).
 *
 * A blob is a header followed by nr_facts facts. All integers are little
 * endian. The format grows by appending: new fact ids get new numbers, a
 * reader skips ids that it does not know, and a changed meaning gets a new
 * version. The blob describes a kernel *build*: it holds nothing of one boot,
 * so symbol addresses are as linked, before KASLR.
 *
 * A fact is one of
 *   MONARCH_FACT_FIELD   a structure member: @value is its offset in bits from
 *                        the start of the structure, @width its size in bits
 *                        (less than 8 for a bitfield).
 *   MONARCH_FACT_SIZE    the size of a structure: @value bytes, @width 0.
 *   MONARCH_FACT_SYMBOL  @value is the address as linked; per-CPU symbols are
 *                        whatever the kernel's symbol table holds (an offset
 *                        up to 6.12, an address later). @width 0.
 *   MONARCH_FACT_CONST   a number that no type information holds (@value),
 *                        such as a bit position decoded from an instruction.
 *
 * Each fact says in @source where it came from. A fact that is absent is
 * unknown: the features that need it are off.
 */
#ifndef _UAPI_LINUX_MONARCH_H
#define _UAPI_LINUX_MONARCH_H

#include <linux/types.h>

#define MONARCH_LAYOUT_MAGIC	0x4c524e4du	/* "MNRL" */
#define MONARCH_LAYOUT_VERSION	1
#define MONARCH_LAYOUT_MAX_FACTS	512
#define MONARCH_BUILD_ID_MAX	32
#define MONARCH_BANNER_MAX	256

enum monarch_fact_kind {
	MONARCH_FACT_FIELD = 1,
	MONARCH_FACT_SIZE = 2,
	MONARCH_FACT_SYMBOL = 3,
	MONARCH_FACT_CONST = 4,
};

enum monarch_fact_source {
	MONARCH_SOURCE_BTF = 1,		/* BTF found in guest RAM */
	MONARCH_SOURCE_DWARF = 2,	/* DWARF of a vmlinux or .debug file */
	MONARCH_SOURCE_KALLSYMS = 3,	/* kallsyms tables in guest RAM */
	MONARCH_SOURCE_ELF = 4,		/* ELF symbol table of that file */
	MONARCH_SOURCE_CODE = 5,	/* decoded from an instruction */
	MONARCH_SOURCE_TABLE = 6,	/* known constant, see types/table.c */
};

/**
 * struct monarch_fact - one thing known of a kernel build
 * @id: MONARCH_F_* (see below); each id has exactly one kind
 * @kind: enum monarch_fact_kind
 * @source: enum monarch_fact_source
 * @width: bits for a field, else 0
 * @value: see the head of this file
 */
struct monarch_fact {
	__u16 id;
	__u8 kind;
	__u8 source;
	__u32 width;
	__u64 value;
};

/**
 * struct monarch_layout - header of a layout blob
 * @magic: MONARCH_LAYOUT_MAGIC
 * @version: MONARCH_LAYOUT_VERSION
 * @header_size: offset of the first fact; at least sizeof(struct monarch_layout)
 * @total_size: of header and facts together
 * @checksum: CRC-32 (zlib's) over total_size bytes with this field as 0
 * @nr_facts: at most MONARCH_LAYOUT_MAX_FACTS, ids strictly ascending
 * @build_id_len: bytes used of @build_id, 0 where the kernel has none
 * @build_id: of the kernel's own ELF note
 * @banner: linux_banner without the newline, NUL-padded and terminated
 */
struct monarch_layout {
	__u32 magic;
	__u16 version;
	__u16 header_size;
	__u32 total_size;
	__u32 checksum;
	__u32 nr_facts;
	__u32 build_id_len;
	__u8 build_id[MONARCH_BUILD_ID_MAX];
	char banner[MONARCH_BANNER_MAX];
};

/*
 * The facts: X(id number, NAME, structure, member path). One list, from which
 * the ids, the builders' look-ups and the readers' names are made. Only append.
 * A second spelling for older kernels stands behind a '|'.
 */
#define MONARCH_FIELDS(X) \
	X(1, TASK_STATE, "task_struct", "__state|state") \
	X(2, TASK_FLAGS, "task_struct", "flags") \
	X(3, TASK_EXIT_STATE, "task_struct", "exit_state") \
	X(4, TASK_PID, "task_struct", "pid") \
	X(5, TASK_TGID, "task_struct", "tgid") \
	X(6, TASK_COMM, "task_struct", "comm") \
	X(7, TASK_TASKS, "task_struct", "tasks") \
	X(8, TASK_THREAD_NODE, "task_struct", "thread_node") \
	X(9, TASK_SIGNAL, "task_struct", "signal") \
	X(10, TASK_SIGHAND, "task_struct", "sighand") \
	X(11, TASK_MM, "task_struct", "mm") \
	X(12, TASK_REAL_PARENT, "task_struct", "real_parent") \
	X(13, TASK_CRED, "task_struct", "cred") \
	X(14, TASK_START_TIME, "task_struct", "start_time") \
	X(15, TASK_SUM_EXEC, "task_struct", "se.sum_exec_runtime") \
	X(16, TASK_UTIME, "task_struct", "utime") \
	X(17, TASK_STIME, "task_struct", "stime") \
	X(18, TASK_ON_CPU, "task_struct", "on_cpu") \
	X(19, TASK_ON_RQ, "task_struct", "on_rq") \
	X(20, TASK_SCHED_DELAYED, "task_struct", "se.sched_delayed") \
	X(21, TASK_CPU, "task_struct", "thread_info.cpu|cpu") \
	X(22, TASK_TI_FLAGS, "task_struct", "thread_info.flags") \
	X(23, TASK_JOBCTL, "task_struct", "jobctl") \
	X(24, TASK_FROZEN, "task_struct", "frozen") \
	X(25, TASK_PTRACE, "task_struct", "ptrace") \
	X(26, TASK_PI_LOCK, "task_struct", "pi_lock") \
	X(27, TASK_WAKE_NODE, "task_struct", "wake_entry.llist|wake_entry") \
	X(28, TASK_WAKE_FLAGS, "task_struct", "wake_entry.u_flags") \
	X(29, TASK_REMOTE_WAKEUP, "task_struct", "sched_remote_wakeup") \
	X(30, TASK_CPUS_MASK, "task_struct", "cpus_mask|cpus_allowed") \
	X(31, TASK_PENDING_SIG, "task_struct", "pending.signal") \
	X(32, TASK_BLOCKED, "task_struct", "blocked") \
	X(33, TASK_CGROUPS, "task_struct", "cgroups") \
	X(34, TASK_USAGE, "task_struct", "usage") \
	X(35, TASK_VFORK_DONE, "task_struct", "vfork_done") \
	X(36, TASK_IN_EXECVE, "task_struct", "in_execve") \
	X(37, TASK_GROUP_LEADER, "task_struct", "group_leader") \
	X(38, TASK_SAVED_STATE, "task_struct", "saved_state") \
	X(39, TASK_SELF_EXEC_ID, "task_struct", "self_exec_id") \
	X(40, TASK_STACK, "task_struct", "stack") \
	X(60, SIGNAL_THREAD_HEAD, "signal_struct", "thread_head") \
	X(61, SIGNAL_NR_THREADS, "signal_struct", "nr_threads") \
	X(62, SIGNAL_SHARED_PENDING, "signal_struct", "shared_pending.signal") \
	X(63, SIGNAL_FLAGS, "signal_struct", "flags") \
	X(64, SIGNAL_SUM_SCHED, "signal_struct", "sum_sched_runtime") \
	X(65, SIGNAL_GROUP_EXIT_TASK, "signal_struct", "group_exec_task|group_exit_task") \
	X(66, SIGNAL_GROUP_STOP_COUNT, "signal_struct", "group_stop_count") \
	X(67, SIGHAND_SIGLOCK, "sighand_struct", "siglock") \
	X(68, SIGNAL_UTIME, "signal_struct", "utime") \
	X(69, SIGNAL_STIME, "signal_struct", "stime") \
	X(70, MM_PGD, "mm_struct", "pgd") \
	X(75, CRED_UID, "cred", "uid.val|uid") \
	X(76, CRED_GID, "cred", "gid.val|gid") \
	X(80, RQ_CURR, "rq", "curr") \
	X(81, RQ_NR_SWITCHES, "rq", "nr_switches") \
	X(82, RQ_NR_RUNNING, "rq", "nr_running") \
	X(83, RQ_TTWU_PENDING, "rq", "ttwu_pending") \
	X(84, RQ_LOCK, "rq", "__lock|lock") \
	X(85, RQ_IDLE, "rq", "idle") \
	X(90, CSD_NODE, "__call_single_data", "node.llist|llist") \
	X(91, CSD_FLAGS, "__call_single_data", "node.u_flags|u_flags|flags") \
	X(92, CSD_FUNC, "__call_single_data", "func") \
	X(93, CSD_INFO, "__call_single_data", "info") \
	X(95, CSS_SET_DFL_CGRP, "css_set", "dfl_cgrp") \
	X(96, CGROUP_E_FREEZE, "cgroup", "freezer.e_freeze")

#define MONARCH_SIZES(X) \
	X(150, SIZEOF_TASK, "task_struct") \
	X(151, SIZEOF_CSD, "__call_single_data") \
	X(152, SIZEOF_PI_LOCK, "raw_spinlock") \
	X(153, SIZEOF_SPINLOCK, "spinlock")

/* Symbols; a second spelling behind '|' as above. */
#define MONARCH_SYMBOLS(X) \
	X(200, SYM_TEXT, "_text") \
	X(201, SYM_LINUX_BANNER, "linux_banner") \
	X(202, SYM_PHYS_BASE, "phys_base") \
	X(203, SYM_INIT_TASK, "init_task") \
	X(204, SYM_INIT_TOP_PGT, "init_top_pgt|init_level4_pgt|swapper_pg_dir") \
	X(205, SYM_PAGE_OFFSET_BASE, "page_offset_base") \
	X(206, SYM_PER_CPU_OFFSET, "__per_cpu_offset") \
	X(207, SYM_CPU_ONLINE_MASK, "__cpu_online_mask") \
	X(208, SYM_PGTABLE_L5, "__pgtable_l5_enabled") \
	X(209, SYM_RUNQUEUES, "runqueues") \
	X(210, SYM_CALL_SINGLE_QUEUE, "call_single_queue") \
	X(211, SYM_WAKE_UP_PROCESS, "wake_up_process") \
	X(212, SYM_VMCOREINFO_DATA, "vmcoreinfo_data") \
	X(213, SYM_VMCOREINFO_SIZE, "vmcoreinfo_size") \
	X(214, SYM_SIGNAL_WAKE_UP_STATE, "signal_wake_up_state") \
	X(215, SYM_START_BTF, "__start_BTF") \
	X(216, SYM_STOP_BTF, "__stop_BTF") \
	X(217, SYM_CPU_TO_APICID, "x86_cpu_to_apicid") \
	X(218, SYM_NR_THREADS, "nr_threads") \
	X(219, SYM_TOTAL_FORKS, "total_forks") \
	X(220, SYM_START_NOTES, "__start_notes") \
	X(221, SYM_STOP_NOTES, "__stop_notes") \
	X(222, SYM_PUT_TASK_STRUCT, "__put_task_struct") \
	X(223, SYM_END, "_end") \
	X(224, SYM_CFI_WAKE_UP_PROCESS, "__cfi_wake_up_process") \
	X(225, SYM_CPU_ACTIVE_MASK, "__cpu_active_mask")

/* Numbers that are neither types nor symbols. */
#define MONARCH_CONSTS(X) \
	X(300, TIF_SIGPENDING_BIT) \
	X(301, TASK_WAKING_VALUE) \
	X(302, CSD_TYPE_TTWU_VALUE)

enum monarch_fact_id {
#define MONARCH_FIELD_ID(nr, name, strct, member) MONARCH_F_##name = nr,
	MONARCH_FIELDS(MONARCH_FIELD_ID)
#undef MONARCH_FIELD_ID
#define MONARCH_SIZE_ID(nr, name, strct) MONARCH_F_##name = nr,
	MONARCH_SIZES(MONARCH_SIZE_ID)
#undef MONARCH_SIZE_ID
#define MONARCH_SYMBOL_ID(nr, name, sym) MONARCH_F_##name = nr,
	MONARCH_SYMBOLS(MONARCH_SYMBOL_ID)
#undef MONARCH_SYMBOL_ID
#define MONARCH_CONST_ID(nr, name) MONARCH_F_##name = nr,
	MONARCH_CONSTS(MONARCH_CONST_ID)
#undef MONARCH_CONST_ID
	MONARCH_F_MAX = MONARCH_LAYOUT_MAX_FACTS
};

#endif /* _UAPI_LINUX_MONARCH_H */
