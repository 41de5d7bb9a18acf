/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Monarch's ABI, in two parts: the layout blob, and below it the ioctls and
 * the shared table of the module's device, /dev/monarch.
 *
 * The layout blob is the file and memory format in which "what a guest kernel
 * is" travels from whoever found it out (BTF in the guest's RAM, a DWARF file)
 * to whoever uses it (the daemon, the module).
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

#include <linux/ioctl.h>
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

/*
 * ---------------------------------------------------------------------------
 * /dev/monarch
 *
 * The device. Who may open its node (root, and the group that the node is
 * given) may do everything: see into and stop processes of every VM of the
 * host. An open device names VMs (INFO, LIST), attaches to them (ATTACH) and
 * beats time for all that are attached through it (TICK, read, poll).
 *
 * A VM. ATTACH makes a file descriptor of one VM; one VM has at most one. All
 * that Monarch does to the VM hangs on that descriptor. When its last copy and
 * its last mapping are gone, however that came about, the module resumes what
 * was stopped through it, drops the CR3 trap and lets go of the VM. Where edits
 * are impossible at that moment (the VM is paused, or migrates) it keeps
 * trying, and cannot be unloaded meanwhile; it gives up when the VM is gone.
 *
 * Safety. An edit is made with all vCPUs held outside guest mode: planned
 * there by the module itself, all expected values compared, then written. The
 * lease (LEASE) makes stops expire that nobody renews.
 *
 * Commands. Each takes a structure that starts with its own @size, set by the
 * caller to what it was compiled with. Structures grow at the end only: a
 * shorter one than the module's is taken as if the rest were zero; a longer one
 * is good as long as what the module does not know is zero. @flags and
 * @reserved must be zero; bits get their meaning by name below. Outputs are
 * written only on success, unless a field says otherwise. A field is "in",
 * "out" or both; "in" is said of all that is not marked.
 *
 * Errors, each with one meaning for all commands:
 *
 *   ENOTTY      there is no such command, or not on this kind of descriptor
 *   EINVAL      the caller is wrong: @size below the first version's, something
 *               reserved is not zero, a value is outside its documented range
 *   E2BIG       bytes behind what this module knows are not zero: the caller
 *               is newer and asks for something that is not here
 *   EOPNOTSUPP  a flag or method is unknown, or a feature is off on this host
 *               or refused for this VM: INFO and VM_INFO say why
 *   EFAULT      an address is no memory: the caller's pointer, or the guest's
 *               physical address is no RAM or the host cannot supply it now
 *   ENOENT      ATTACH: there is no such VM. Others: SET_GUEST has not been
 *               given, or the layout lacks what the command needs
 *   EBUSY       ATTACH: this VM is attached already
 *   ENODEV      the VM is gone; all that is left is to close the descriptor
 *   EAGAIN      not now: the VM is paused or its vCPUs are in a state that
 *               forbids edits; read: no tick yet and the device is O_NONBLOCK
 *   ESTALE      APPLY: a comparison failed, nothing was written
 *   EUCLEAN     SET_GUEST: the layout or the boot facts contradict themselves
 *               or this VM. SAMPLE: the guest's lists do so at every try
 *   ETIME       STOP: the lease has expired; renew it first
 *   ENOMEM, EINTR  as everywhere
 *
 * Times are nanoseconds of CLOCK_MONOTONIC unless they are called cycles:
 * those are of the host's TSC (monarch_table.tsc_khz).
 */
#define MONARCH_ABI		1
#define MONARCH_IOCTL_TYPE	0xe9

/**
 * enum monarch_feature - what a host may or may not be able to do
 * @MONARCH_FEATURE_KVM: kvm is loaded and has the tracepoints that we need;
 *	without it there are no VMs
 * @MONARCH_FEATURE_ACCOUNT: time in guest mode per vCPU
 * @MONARCH_FEATURE_REGISTERS: REGS, and CR3 at each entry to the guest, that
 *	is: time per address space
 * @MONARCH_FEATURE_CR3_TRAP: exact switch instants
 * @MONARCH_FEATURE_HOLD: STOP, RESUME, SETTLE, APPLY
 * @MONARCH_FEATURE_KICK: running threads stop at once, parked ones are woken;
 *	without it STOP and RESUME are refused
 */
enum monarch_feature {
	MONARCH_FEATURE_KVM,
	MONARCH_FEATURE_ACCOUNT,
	MONARCH_FEATURE_REGISTERS,
	MONARCH_FEATURE_CR3_TRAP,
	MONARCH_FEATURE_HOLD,
	MONARCH_FEATURE_KICK,
	MONARCH_FEATURE_NR,
};

#define MONARCH_WHY_LEN		128
#define MONARCH_VM_RANGES_MAX	64
#define MONARCH_VCPUS_MAX	256
#define MONARCH_TARGETS_MAX	256
#define MONARCH_STEPS_MAX	256
#define MONARCH_KICKS_MAX	64
#define MONARCH_READ_MAX	(1u << 20)
#define MONARCH_PROCESSES_MAX	65536
#define MONARCH_THREADS_MAX	262144
#define MONARCH_BLOB_MAX	65536
#define MONARCH_HIST_BUCKETS	24

/**
 * struct monarch_info - MONARCH_INFO, of the device
 * @abi: out: MONARCH_ABI of the module
 * @nr_features: out: MONARCH_FEATURE_NR of the module
 * @features: out: bit by enum monarch_feature: on
 * @feature: the feature that @why is about, below MONARCH_FEATURE_NR
 * @why: out: why @feature is off, one line for a person; "" if it is on
 */
struct monarch_info {
	__u32 size;
	__u32 flags;
	__u32 abi;
	__u32 nr_features;
	__aligned_u64 features;
	__u32 feature;
	__u32 reserved;
	char why[MONARCH_WHY_LEN];
};

/**
 * enum monarch_vm_refusal - why a VM is left alone, wholly or in part
 * A bit each. Those up to @MONARCH_VM_ODD forbid ATTACH; the others come and
 * go, and forbid what they say.
 * @MONARCH_VM_ENCRYPTED: SEV, SEV-ES, SNP, TDX or private memory
 * @MONARCH_VM_ODD: not as this module knows VMs (offsets failed their test)
 * @MONARCH_VM_NO_APIC: the interrupt controller is in user space: no kicks,
 *	so no STOP and RESUME
 * @MONARCH_VM_DIRTY_RING: writes could not be seen by a migration: no edits
 * @MONARCH_VM_PAUSED: no vCPU is in KVM_RUN: no edits
 * @MONARCH_VM_NESTED: the guest is a hypervisor at work: no trap, no edits
 * @MONARCH_VM_TAKEN: request bit 63 is used by somebody else: no edits
 * @MONARCH_VM_RANGES: more RAM ranges than MONARCH_VM_RANGES_MAX: what lies
 *	in the rest is not RAM to us
 */
enum monarch_vm_refusal {
	MONARCH_VM_ENCRYPTED = 1u << 0,
	MONARCH_VM_ODD = 1u << 1,
	MONARCH_VM_NO_APIC = 1u << 8,
	MONARCH_VM_DIRTY_RING = 1u << 9,
	MONARCH_VM_PAUSED = 1u << 10,
	MONARCH_VM_NESTED = 1u << 11,
	MONARCH_VM_TAKEN = 1u << 12,
	MONARCH_VM_RANGES = 1u << 13,
};

/**
 * struct monarch_vm_entry - a VM of this host
 * @id: for ATTACH; never used twice while the module is loaded
 * @pid: thread group of the process that made the VM, in the caller's view
 * @refusals: enum monarch_vm_refusal
 * @attached: 1: somebody has it
 */
struct monarch_vm_entry {
	__u32 id;
	__s32 pid;
	__u32 nr_vcpus;
	__u32 refusals;
	__u32 attached;
	__u32 reserved;
};

/**
 * struct monarch_list - MONARCH_LIST, of the device
 * @nr: in: room at @entries; out: VMs that there are, which may be more
 * @entries: struct monarch_vm_entry[]
 */
struct monarch_list {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 reserved;
	__aligned_u64 entries;
};

/**
 * struct monarch_attach - MONARCH_ATTACH, of the device
 * @id: in: of LIST, or 0: by @pid; out: the id
 * @pid: in: used where @id is 0 (of several VMs of a process, the first)
 * @max_processes, @max_threads: in: room in each snapshot of the table; 0: the
 *	module's default (4096 and 16384); out: what it is
 * @fd: out: the VM's descriptor, close-on-exec
 * @table_size: out: bytes to mmap at offset 0 of @fd, read only, shared
 */
struct monarch_attach {
	__u32 size;
	__u32 flags;
	__u32 id;
	__s32 pid;
	__u32 max_processes;
	__u32 max_threads;
	__s32 fd;
	__u32 reserved;
	__aligned_u64 table_size;
};

#define MONARCH_TICK_MIN_NS	100000ull
#define MONARCH_TICK_MAX_NS	1000000000ull

/**
 * struct monarch_tick - MONARCH_TICK, of the device
 * At each tick all VMs attached through this device descriptor that have a
 * guest (SET_GUEST) are sampled into their tables; then the device becomes
 * readable. A tick that finds the one before still at work is an overrun: it
 * samples nothing.
 * @quantum_ns: MONARCH_TICK_MIN_NS to MONARCH_TICK_MAX_NS; 0: off
 */
struct monarch_tick {
	__u32 size;
	__u32 flags;
	__aligned_u64 quantum_ns;
};

/**
 * struct monarch_tick_event - what read() of the device returns
 * Waits until there was a tick since the last read. The buffer must have room
 * for it all, else EINVAL.
 * @ticks: whose sampling is done, since TICK
 * @overruns: since TICK
 * @lateness_ns: of the last tick's timer
 * @lateness_max_ns: since TICK
 * @lateness_sum_ns: since TICK, over ticks and overruns
 * @sample_ns: from the last tick's timer to the end of its sampling
 */
struct monarch_tick_event {
	__aligned_u64 ticks;
	__aligned_u64 overruns;
	__aligned_u64 lateness_ns;
	__aligned_u64 lateness_max_ns;
	__aligned_u64 lateness_sum_ns;
	__aligned_u64 sample_ns;
};

#define MONARCH_RANGE_READONLY	(1u << 0)

/**
 * struct monarch_ram_range - a run of guest RAM
 * @gpa: guest-physical
 * @bytes: its size
 * @hva: where it is in the VM's process
 * @flags: MONARCH_RANGE_*
 */
struct monarch_ram_range {
	__aligned_u64 gpa;
	__aligned_u64 bytes;
	__aligned_u64 hva;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct monarch_vm_info - MONARCH_VM_INFO
 * @id, @pid: out: as in struct monarch_vm_entry
 * @nr_vcpus: out: there are now
 * @refusals: out: enum monarch_vm_refusal, now
 * @stopped: out: processes in the list of those stopped through this fd
 * @nr_ranges: in: room at @ranges; out: ranges that there are
 * @ranges: struct monarch_ram_range[], ascending
 */
struct monarch_vm_info {
	__u32 size;
	__u32 flags;
	__u32 id;
	__s32 pid;
	__u32 nr_vcpus;
	__u32 refusals;
	__u32 stopped;
	__u32 nr_ranges;
	__aligned_u64 ranges;
};

#define MONARCH_REGS_VALID	(1u << 0)	/* the vCPU has run */
#define MONARCH_REGS_NESTED	(1u << 1)	/* of the guest's own guest */
#define MONARCH_REGS_SMM	(1u << 2)

/**
 * struct monarch_vcpu_regs - registers of a vCPU
 * @vcpu_id: KVM's, which is the APIC id
 * @state: MONARCH_REGS_*
 */
struct monarch_vcpu_regs {
	__aligned_u64 cr0, cr3, cr4, efer;
	__aligned_u64 rip, rsp;
	__aligned_u64 gs_base, kernel_gs_base;
	__aligned_u64 idt_base;
	__aligned_u64 lstar;
	__u32 cpl;
	__u32 vcpu_id;
	__u32 state;
	__u32 reserved;
};

/**
 * struct monarch_regs - MONARCH_REGS
 * All vCPUs are taken out of guest mode for the moment of reading.
 * @nr: in: room at @regs; out: vCPUs that there are
 * @regs: struct monarch_vcpu_regs[], by vCPU index
 */
struct monarch_regs {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 reserved;
	__aligned_u64 regs;
};

/**
 * struct monarch_read - MONARCH_READ: guest RAM
 * @gpa, @len: what; up to MONARCH_READ_MAX bytes, of ranges that adjoin
 * @buf: where to. On EFAULT its contents are unspecified.
 */
struct monarch_read {
	__u32 size;
	__u32 flags;
	__aligned_u64 gpa;
	__aligned_u64 buf;
	__u32 len;
	__u32 reserved;
};

/* What SET_GUEST must know of a guest CPU. */
struct monarch_boot_cpu {
	__aligned_u64 per_cpu_offset;
	__u32 apic_id;
	__u32 reserved;
};

/**
 * struct monarch_set_guest - MONARCH_SET_GUEST: what runs in this VM
 * May be given again (the guest has rebooted). The stops of the guest before
 * are forgotten if it is another boot (@slide, @phys_base, @pgd differ).
 * @blob, @blob_len: a layout blob
 * @slide, @phys_base, @page_offset, @pgd, @levels: where this boot put the
 *	kernel, as in guestinfo/core/kernel.h. All zero, with @blob_len and
 *	@nr_cpus: there is no guest that we know
 * @nr_cpus, @cpus: struct monarch_boot_cpu[], 1 to MONARCH_VCPUS_MAX
 */
struct monarch_set_guest {
	__u32 size;
	__u32 flags;
	__aligned_u64 blob;
	__u32 blob_len;
	__u32 levels;
	__aligned_u64 slide;
	__aligned_u64 phys_base;
	__aligned_u64 page_offset;
	__aligned_u64 pgd;
	__aligned_u64 cpus;
	__u32 nr_cpus;
	__u32 reserved;
};

/**
 * struct monarch_target - a process, and what came of it
 * @task, @start_time: its identity, from the table
 * @refusal: out: why nothing was done, 0 if it was: enum gi_refusal of
 *	guestinfo/core/linux_stop.h, whose numbers are part of this ABI
 * @error: out: 0; or the errno (positive) with which applying the plan failed,
 *	ESTALE or EFAULT: nothing was written, try again
 * @threads, @marked, @woken, @pending: out: struct gi_stop_result: live threads
 *	seen; newly marked or unmarked; wake-ups queued; left for another call.
 *	All of these zero but @threads: the process is as wanted
 */
struct monarch_target {
	__aligned_u64 task;
	__aligned_u64 start_time;
	__u32 refusal;
	__u32 error;
	__u32 threads;
	__u32 marked;
	__u32 woken;
	__u32 pending;
};

/**
 * struct monarch_edit - MONARCH_STOP, MONARCH_RESUME, MONARCH_SETTLE
 * STOP and RESUME are level triggered: call again until the result says that
 * nothing is left. What STOP has marked is in the list of the stopped until
 * RESUME has found nothing more to do, or it is gone. SETTLE ends wake-ups that
 * the guest has taken, takes no targets, and is needed for a few seconds after
 * a RESUME that has woken; the module also does it by itself, once a second.
 * @nr: up to MONARCH_TARGETS_MAX
 * @done: out: targets that have a result; fewer than @nr only with EAGAIN or
 *	ENODEV, where it is written all the same
 * @targets: struct monarch_target[], in and out
 * @hold_ns: out: the longest of the holds that it took
 * @holds: out: how many
 */
struct monarch_edit {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 done;
	__aligned_u64 targets;
	__aligned_u64 hold_ns;
	__u32 holds;
	__u32 reserved;
};

/* One step of an explicit plan; struct gi_step of guestinfo/core/edit.h. */
struct monarch_step {
	__aligned_u64 gpa;
	__aligned_u64 mask;
	__aligned_u64 expected;
	__aligned_u64 value;
	__u8 width;		/* 1, 2, 4 or 8; gpa is aligned to it */
	__u8 purpose;
	__u8 write;		/* 0 or 1 */
	__u8 reserved[5];
};

struct monarch_kick {
	__u32 apic_id;
	__u8 vector;		/* 0xfb or 0xfd */
	__u8 reserved[3];
};

/**
 * struct monarch_apply - MONARCH_APPLY: an explicit plan, under one hold
 * For tests and repair. Nothing enters the list of the stopped.
 * @nr_steps, @steps: struct monarch_step[], up to MONARCH_STEPS_MAX
 * @nr_kicks, @kicks: struct monarch_kick[], up to MONARCH_KICKS_MAX
 * @step: out, also with ESTALE and EFAULT: the step that failed
 * @hold_ns: out
 */
struct monarch_apply {
	__u32 size;
	__u32 flags;
	__aligned_u64 steps;
	__aligned_u64 kicks;
	__u32 nr_steps;
	__u32 nr_kicks;
	__u32 step;
	__u32 reserved;
	__aligned_u64 hold_ns;
};

/* Methods of accounting; time per vCPU is always there. */
#define MONARCH_ACCOUNT_SAMPLE	(1u << 0)	/* per CR3 seen at entries */
#define MONARCH_ACCOUNT_CR3	(1u << 1)	/* ... and trap each CR3 write */

/**
 * struct monarch_account - MONARCH_ACCOUNT
 * @methods: in: MONARCH_ACCOUNT_*; CR3 includes SAMPLE; out: what is on
 */
struct monarch_account {
	__u32 size;
	__u32 flags;
	__u32 methods;
	__u32 reserved;
};

/**
 * struct monarch_lease - MONARCH_LEASE
 * The lease runs out @ns from now unless LEASE is called again. Then all that
 * is stopped through this descriptor is resumed, and STOP refused (ETIME) until
 * the next LEASE.
 * @ns: 1 ms to 1 h; 0: no lease
 */
struct monarch_lease {
	__u32 size;
	__u32 flags;
	__aligned_u64 ns;
};

/**
 * struct monarch_hybrid - MONARCH_HYBRID
 * Of each cycle, the last @autonomous_ns belong to the guest: all that is
 * stopped runs, and is stopped again when the next cycle begins.
 * @cycle_ns: 2 ms to 60 s; 0: off
 * @autonomous_ns: 1 ms to @cycle_ns - 1 ms; 0 if @cycle_ns is
 */
struct monarch_hybrid {
	__u32 size;
	__u32 flags;
	__aligned_u64 cycle_ns;
	__aligned_u64 autonomous_ns;
};

/**
 * struct monarch_sample - MONARCH_SAMPLE: sample now, outside of the tick
 * @full: 1: walk even if nothing seems to have changed
 * @sequence: out: monarch_table.sequence that has it
 * @ns: out: how long it took
 */
struct monarch_sample {
	__u32 size;
	__u32 flags;
	__u32 full;
	__u32 reserved;
	__aligned_u64 sequence;
	__aligned_u64 ns;
};

#define MONARCH_REFUSALS_MAX	32

/**
 * struct monarch_stats - MONARCH_STATS: counters since ATTACH
 * @holds, @hold_ns_sum, @hold_ns_max: from "vCPUs are out" to "may go on"
 * @reach_ns_sum, @reach_ns_max: before that: until all vCPUs were out
 * @hold_hist: holds of [2^i, 2^(i+1)) ns; the last has all longer ones
 * @refused_paused ... @refused_state: holds that could not be: VM paused, dirty
 *	ring, vCPU set changed or bit 63 taken, MMIO, SMM or nesting under way
 * @refusals: plans refused, by enum gi_refusal
 * @edits: plans applied that wrote
 * @stale, @faults: plans not applied
 * @kicks: interrupts sent
 * @stops, @resumes: threads marked and unmarked
 * @wakes: wake-ups queued
 * @walks, @refreshes, @quiet: samplings, by how much had to be read
 * @walk_errors: samplings without a result
 * @walk_ns_max: longest sampling
 * @leases_expired, @hybrid_phases: phases begun, two in a cycle
 * @stopped: now in the list
 * @storms: CR3 trap switched off because of too many writes
 */
struct monarch_stats {
	__u32 size;
	__u32 flags;
	__aligned_u64 holds, hold_ns_sum, hold_ns_max;
	__aligned_u64 reach_ns_sum, reach_ns_max;
	__aligned_u64 hold_hist[MONARCH_HIST_BUCKETS];
	__aligned_u64 refused_paused, refused_ring, refused_taken;
	__aligned_u64 refused_state;
	__aligned_u64 refusals[MONARCH_REFUSALS_MAX];
	__aligned_u64 edits, stale, faults, kicks;
	__aligned_u64 stops, resumes, wakes;
	__aligned_u64 walks, refreshes, quiet, walk_errors, walk_ns_max;
	__aligned_u64 leases_expired, hybrid_phases;
	__aligned_u64 stopped, storms;
};

#define MONARCH_IO(nr)		_IO(MONARCH_IOCTL_TYPE, nr)

/* Of the device */
#define MONARCH_INFO		MONARCH_IO(0x00)
#define MONARCH_LIST		MONARCH_IO(0x01)
#define MONARCH_ATTACH		MONARCH_IO(0x02)
#define MONARCH_TICK		MONARCH_IO(0x03)

/* Of a VM's descriptor */
#define MONARCH_VM_INFO		MONARCH_IO(0x20)
#define MONARCH_REGS		MONARCH_IO(0x21)
#define MONARCH_READ		MONARCH_IO(0x22)
#define MONARCH_SET_GUEST	MONARCH_IO(0x23)
#define MONARCH_STOP		MONARCH_IO(0x24)
#define MONARCH_RESUME		MONARCH_IO(0x25)
#define MONARCH_SETTLE		MONARCH_IO(0x26)
#define MONARCH_APPLY		MONARCH_IO(0x27)
#define MONARCH_ACCOUNT		MONARCH_IO(0x28)
#define MONARCH_LEASE		MONARCH_IO(0x29)
#define MONARCH_HYBRID		MONARCH_IO(0x2a)
#define MONARCH_STATS		MONARCH_IO(0x2b)
#define MONARCH_SAMPLE		MONARCH_IO(0x2c)

/*
 * ---------------------------------------------------------------------------
 * The table: what mmap of a VM's descriptor shows, read only.
 *
 *   struct monarch_table          at 0
 *   per vCPU, @vcpu_stride apart  at @vcpus_offset, by vCPU index:
 *       struct monarch_vcpu, then its address spaces
 *   two snapshots                 at @snapshots[0] and [1]:
 *       struct monarch_process[@max_processes]
 *       struct monarch_thread[@max_threads], at @threads_offset from there
 *
 * Reading without locks. Each part has a @seq that is odd while it is being
 * written and different afterwards. Read seq (acquire) until it is even, read
 * the part, then read seq again: if it differs, start over. For a snapshot that
 * is the table's: read @seq, @active and the figures, then the snapshot that
 * @active names. The module writes the other one, except that a "refresh"
 * updates a few records in place, under an odd @seq. Copy first, check seq, and
 * only then believe the copy.
 */

/**
 * struct monarch_process - one process; struct gi_process of the core
 * See guestinfo/core/linux_task.h for what each means.
 */
struct monarch_process {
	__aligned_u64 task, start_time;
	__aligned_u64 runtime_ns, utime_ns, stime_ns;
	__aligned_u64 pgd, mm, signal, cred, parent_task;
	__u32 pid, parent;
	__u32 uid, gid;
	__u32 state, task_flags;
	__u32 first_thread, nr_threads;
	__u8 exit_state;
	__u8 stopped;
	char comm[16];
	__u8 reserved[6];
};

/* struct gi_thread of the core */
struct monarch_thread {
	__aligned_u64 task, start_time;
	__aligned_u64 runtime_ns, utime_ns, stime_ns;
	__u32 pid, state, task_flags, cpu, process;
	__u8 on_cpu, on_rq, exit_state, stopped;
};

/**
 * struct monarch_space - an address space of a vCPU
 * @key: its CR3 without the low 13 bits (PCID, and KPTI's user half); 0: free
 * @cycles: in guest mode with it
 * @switches: times that it was switched to
 * @last_cycles: TSC when it was last seen
 */
struct monarch_space {
	__aligned_u64 key;
	__aligned_u64 cycles;
	__aligned_u64 switches;
	__aligned_u64 last_cycles;
};

#define MONARCH_SPACE_SETS	32
#define MONARCH_SPACE_WAYS	4
#define MONARCH_SPACE_MASK	(~0x1fffull)

#define MONARCH_VCPU_SEEN	(1u << 0)	/* has entered the guest */
#define MONARCH_VCPU_TRAPPED	(1u << 1)	/* CR3 writes are trapped */
#define MONARCH_VCPU_STORM	(1u << 2)	/* ... are not: too many */
#define MONARCH_VCPU_NESTED	(1u << 3)	/* ... are not: nesting */

/**
 * struct monarch_vcpu - accounting of one vCPU; written by its thread only
 * @flags: MONARCH_VCPU_*
 * @entries, @exits: of guest mode
 * @guest_cycles: in guest mode, its own guest's (@nested_cycles) included
 * @cr3_exits: exits because of a CR3 write
 * @switches: entries that found another key than the one before
 * @evicted_cycles, @evicted_switches: of address spaces that had to give way to
 *	others: with them, and with @nested_cycles, the spaces sum up to
 *	@guest_cycles
 * @unknown_cycles: in guest mode while CR3 was not known
 * @cr3: at the last entry
 * @entry_cycles: TSC of the entry, while in guest mode; else 0. Add what has
 *	passed since to @guest_cycles and to the space of @cr3 to be up to date
 * @steal_ns: that its thread has waited for a CPU of the host, since ATTACH
 * @storms: how often MONARCH_VCPU_STORM was raised
 * @spaces: MONARCH_SPACE_SETS sets of MONARCH_SPACE_WAYS, in any order
 */
struct monarch_vcpu {
	__u32 seq;
	__u32 flags;
	__aligned_u64 entries, exits;
	__aligned_u64 guest_cycles, nested_cycles, unknown_cycles;
	__aligned_u64 cr3_exits, switches;
	__aligned_u64 evicted_cycles, evicted_switches;
	__aligned_u64 cr3;
	__aligned_u64 entry_cycles;
	__aligned_u64 steal_ns;
	__aligned_u64 storms;
	__aligned_u64 reserved[18];
	struct monarch_space spaces[MONARCH_SPACE_SETS * MONARCH_SPACE_WAYS];
};

/**
 * struct monarch_table - head of the table
 * @abi: MONARCH_ABI
 * @seq: see above; for all from @active on
 * @table_size: bytes in all
 * @vcpus_offset, @vcpu_stride, @max_vcpus: where vCPUs are. vCPUs beyond
 *	@max_vcpus (plugged in later) are not accounted
 * @snapshots, @threads_offset, @max_processes, @max_threads: where those are
 * @tsc_khz: of the host
 * @nr_vcpus: there are now
 * @active: 0 or 1: the snapshot to read
 * @complete: 0: there were more processes than room or budget
 * @nr_processes, @nr_threads: in it
 * @sequence: samplings published; 0: none yet
 * @sampled_ns: when the last sampling ended
 * @sampled_cycles: the same by TSC
 * @error: 0; or the errno (positive) with which the last sampling failed: what
 *	is there is the one before
 * @restarts: how often the guest's lists changed under the last walk
 */
struct monarch_table {
	__u32 abi;
	__u32 seq;
	__aligned_u64 table_size;
	__aligned_u64 vcpus_offset, vcpu_stride;
	__aligned_u64 snapshots[2], threads_offset;
	__u32 max_vcpus, max_processes, max_threads;
	__u32 tsc_khz;
	__u32 nr_vcpus;
	__u32 active;
	__u32 complete;
	__u32 nr_processes, nr_threads;
	__u32 error;
	__u32 restarts;
	__u32 reserved;
	__aligned_u64 sequence;
	__aligned_u64 sampled_ns;
	__aligned_u64 sampled_cycles;
};

#endif /* _UAPI_LINUX_MONARCH_H */
