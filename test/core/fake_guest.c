// SPDX-License-Identifier: GPL-2.0-only
/* A fake guest for fault injection; the idea is in fake_guest.h. */
#include "fake_guest.h"

#define TEXT_LINKED	0xffffffff81000000ull
#define SLIDE		0x2000000ull
#define IMAGE_GPA	0x1000ull
#define IMAGE_SIZE	0x8000ull
#define CPU_AREA	0xa000ull	/* + cpu * 0x1000 */
#define VMCOREINFO	0xe000ull
#define TASKS		0x10000ull	/* + n * 0x1000: task, signal, sighand */
#define SIGNAL_AT	0x800
#define SIGHAND_AT	0xa00
#define MM_AT		0xb00
#define CRED_AT		0xb80
#define CGROUP_AT	0xc00

/* Offsets are odd on purpose: nothing may depend on a real kernel's. */
static const struct {
	u16 id;
	u16 offset;
	u16 width;
	u8 bit;
} fields[] = {
	{ MONARCH_F_TASK_STATE, 24, 32, 0 },
	{ MONARCH_F_TASK_FLAGS, 44, 32, 0 },
	{ MONARCH_F_TASK_ON_CPU, 52, 32, 0 },
	{ MONARCH_F_TASK_ON_RQ, 104, 8, 0 },
	{ MONARCH_F_TASK_SUM_EXEC, 192, 64, 0 },
	{ MONARCH_F_TASK_SCHED_DELAYED, 186, 8, 0 },
	{ MONARCH_F_TASK_CPUS_MASK, 256, 1024, 0 },
	{ MONARCH_F_TASK_TASKS, 512, 128, 0 },
	{ MONARCH_F_TASK_MM, 552, 64, 0 },
	{ MONARCH_F_TASK_EXIT_STATE, 600, 32, 0 },
	{ MONARCH_F_TASK_JOBCTL, 616, 64, 0 },
	{ MONARCH_F_TASK_FROZEN, 642, 1, 3 },
	{ MONARCH_F_TASK_REMOTE_WAKEUP, 640, 1, 2 },
	{ MONARCH_F_TASK_IN_EXECVE, 641, 1, 0 },
	{ MONARCH_F_TASK_PID, 656, 32, 0 },
	{ MONARCH_F_TASK_TGID, 660, 32, 0 },
	{ MONARCH_F_TASK_REAL_PARENT, 672, 64, 0 },
	{ MONARCH_F_TASK_PTRACE, 680, 32, 0 },
	{ MONARCH_F_TASK_THREAD_NODE, 704, 128, 0 },
	{ MONARCH_F_TASK_VFORK_DONE, 720, 64, 0 },
	{ MONARCH_F_TASK_UTIME, 760, 64, 0 },
	{ MONARCH_F_TASK_STIME, 768, 64, 0 },
	{ MONARCH_F_TASK_START_TIME, 792, 64, 0 },
	{ MONARCH_F_TASK_CRED, 832, 64, 0 },
	{ MONARCH_F_TASK_COMM, 848, 128, 0 },
	{ MONARCH_F_TASK_SIGNAL, 880, 64, 0 },
	{ MONARCH_F_TASK_SIGHAND, 888, 64, 0 },
	{ MONARCH_F_TASK_BLOCKED, 896, 64, 0 },
	{ MONARCH_F_TASK_PENDING_SIG, 936, 64, 0 },
	{ MONARCH_F_TASK_PI_LOCK, 980, 32, 0 },
	{ MONARCH_F_TASK_WAKE_NODE, 1000, 64, 0 },
	{ MONARCH_F_TASK_WAKE_FLAGS, 1008, 32, 0 },
	{ MONARCH_F_TASK_CGROUPS, 1100, 64, 0 },
	{ MONARCH_F_TASK_USAGE, 1120, 32, 0 },
	{ MONARCH_F_TASK_CPU, 20, 32, 0 },
	{ MONARCH_F_TASK_TI_FLAGS, 0, 64, 0 },
	{ MONARCH_F_SIGNAL_THREAD_HEAD, 16, 128, 0 },
	{ MONARCH_F_SIGNAL_SHARED_PENDING, 72, 64, 0 },
	{ MONARCH_F_SIGNAL_FLAGS, 100, 32, 0 },
	{ MONARCH_F_SIGNAL_GROUP_STOP_COUNT, 96, 32, 0 },
	{ MONARCH_F_SIGNAL_GROUP_EXIT_TASK, 88, 64, 0 },
	{ MONARCH_F_SIGNAL_SUM_SCHED, 200, 64, 0 },
	{ MONARCH_F_SIGNAL_UTIME, 208, 64, 0 },
	{ MONARCH_F_SIGNAL_STIME, 216, 64, 0 },
	{ MONARCH_F_SIGHAND_SIGLOCK, 4, 32, 0 },
	{ MONARCH_F_MM_PGD, 80, 64, 0 },
	{ MONARCH_F_CRED_UID, 4, 32, 0 },
	{ MONARCH_F_CRED_GID, 8, 32, 0 },
	{ MONARCH_F_CSS_SET_DFL_CGRP, 16, 64, 0 },
	{ MONARCH_F_CGROUP_E_FREEZE, 24, 32, 0 },
	{ MONARCH_F_RQ_CURR, 16, 64, 0 },
	{ MONARCH_F_RQ_IDLE, 24, 64, 0 },
	{ MONARCH_F_RQ_NR_SWITCHES, 32, 64, 0 },
	{ MONARCH_F_RQ_TTWU_PENDING, 4, 32, 0 },
	{ MONARCH_F_CSD_NODE, 0, 64, 0 },
	{ MONARCH_F_CSD_FLAGS, 8, 32, 0 },
	{ MONARCH_F_CSD_FUNC, 16, 64, 0 },
	{ MONARCH_F_CSD_INFO, 24, 64, 0 },
};

static const struct {
	u16 id;
	u64 value;
} symbols[] = {
	{ MONARCH_F_SYM_TEXT, TEXT_LINKED },
	{ MONARCH_F_SYM_END, TEXT_LINKED + IMAGE_SIZE },
	{ MONARCH_F_SYM_INIT_TASK, TEXT_LINKED + 0x1000 },
	{ MONARCH_F_SYM_TOTAL_FORKS, TEXT_LINKED + 0x100 },
	{ MONARCH_F_SYM_NR_THREADS, TEXT_LINKED + 0x108 },
	{ MONARCH_F_SYM_VMCOREINFO_DATA, TEXT_LINKED + 0x110 },
	{ MONARCH_F_SYM_VMCOREINFO_SIZE, TEXT_LINKED + 0x118 },
	{ MONARCH_F_SYM_WAKE_UP_PROCESS, TEXT_LINKED + 0x200 },
	{ MONARCH_F_SYM_PUT_TASK_STRUCT, TEXT_LINKED + 0x210 },
	{ MONARCH_F_SYM_CPU_ONLINE_MASK, TEXT_LINKED + 0x120 },
	{ MONARCH_F_SYM_CPU_ACTIVE_MASK, TEXT_LINKED + 0x140 },
	{ MONARCH_F_SYM_RUNQUEUES, 0x100 },
	{ MONARCH_F_SYM_CALL_SINGLE_QUEUE, 0x40 },
};

static void make_layout(struct gi_layout *layout)
{
	u32 i;

	memset(layout, 0, sizeof(*layout));
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		struct gi_fact *fact = &layout->facts[fields[i].id];

		fact->kind = MONARCH_FACT_FIELD;
		fact->offset = fields[i].offset;
		fact->width = fields[i].width;
		fact->bit = fields[i].bit;
	}
	for (i = 0; i < ARRAY_SIZE(symbols); i++) {
		layout->facts[symbols[i].id].kind = MONARCH_FACT_SYMBOL;
		layout->facts[symbols[i].id].value = symbols[i].value;
	}
	layout->facts[MONARCH_F_SIZEOF_CSD].kind = MONARCH_FACT_SIZE;
	layout->facts[MONARCH_F_SIZEOF_CSD].value = 32;
	layout->facts[MONARCH_F_TIF_SIGPENDING_BIT].kind = MONARCH_FACT_CONST;
	layout->facts[MONARCH_F_TIF_SIGPENDING_BIT].value = 2;
	layout->facts[MONARCH_F_TASK_WAKING_VALUE].kind = MONARCH_FACT_CONST;
	layout->facts[MONARCH_F_TASK_WAKING_VALUE].value = 0x200;
	layout->facts[MONARCH_F_CSD_TYPE_TTWU_VALUE].kind = MONARCH_FACT_CONST;
	layout->facts[MONARCH_F_CSD_TYPE_TTWU_VALUE].value = 0x30;
}

static u8 *at(struct fake_guest *guest, u64 gva)
{
	u64 gpa = 0;

	if (gi_kernel_gpa(&guest->kernel, gva, &gpa))
		return guest->ram;
	return guest->ram + gpa;
}

void fake_poke(struct fake_guest *guest, u64 gva, u64 value)
{
	memcpy(at(guest, gva), &value, 8);
}

u64 fake_peek(struct fake_guest *guest, u64 gva)
{
	u64 value;

	memcpy(&value, at(guest, gva), 8);
	return value;
}

void fake_set(struct fake_guest *guest, u64 gva, u32 id, u64 value)
{
	const struct gi_fact *fact = &guest->layout.facts[id];
	u8 *byte = at(guest, gva + fact->offset);

	if (fact->width < 8)
		*byte = (u8)((*byte & ~(1u << fact->bit)) |
			     ((value & 1) << fact->bit));
	else
		memcpy(byte, &value, min(fact->width / 8, 8u));
}

u64 fake_get(struct fake_guest *guest, u64 gva, u32 id)
{
	u64 value = 0;

	if (gi_kernel_field(&guest->kernel, gva, id, &value))
		return ~0ull;
	return value;
}

static u64 direct(u64 gpa)
{
	return FAKE_PAGE_OFFSET + gpa;
}

static void guest_list_add_tail(struct fake_guest *guest, u64 head, u64 node)
{
	u64 tail = fake_peek(guest, head + 8);

	fake_poke(guest, node, head);
	fake_poke(guest, node + 8, tail);
	fake_poke(guest, tail, node);
	fake_poke(guest, head + 8, node);
}

static void list_init(struct fake_guest *guest, u64 head)
{
	fake_poke(guest, head, head);
	fake_poke(guest, head + 8, head);
}

static void fill_task(struct fake_guest *guest, u64 task, u32 pid)
{
	fake_set(guest, task, MONARCH_F_TASK_PID, pid);
	fake_set(guest, task, MONARCH_F_TASK_TGID, pid);
	fake_set(guest, task, MONARCH_F_TASK_START_TIME, 1000 + pid);
	fake_set(guest, task, MONARCH_F_TASK_SUM_EXEC, pid * 100ull);
	fake_set(guest, task, MONARCH_F_TASK_STATE, 1);
	fake_set(guest, task, MONARCH_F_TASK_CPU, pid % FAKE_CPUS);
	fake_set(guest, task, MONARCH_F_TASK_USAGE, 2);
	fake_poke(guest, task + 256, ~0ull);	/* cpus_mask */
	fake_set(guest, task, MONARCH_F_TASK_CGROUPS, task + CGROUP_AT);
	fake_set(guest, task + CGROUP_AT, MONARCH_F_CSS_SET_DFL_CGRP,
		 task + CGROUP_AT + 64);
	fake_set(guest, task, MONARCH_F_TASK_CRED, task + CRED_AT);
	fake_set(guest, task + CRED_AT, MONARCH_F_CRED_UID, 1000);
	fake_set(guest, task + CRED_AT, MONARCH_F_CRED_GID, 100);
}

static u64 new_task(struct fake_guest *guest)
{
	return direct(TASKS + 0x1000ull * guest->nr_tasks++);
}

u64 fake_process(struct fake_guest *guest, u32 pid, const char *comm)
{
	u64 task = new_task(guest), signal = task + SIGNAL_AT;
	u32 len = (u32)strlen(comm);

	fill_task(guest, task, pid);
	memcpy(at(guest, task + 848), comm, min(len, 16u));
	fake_set(guest, task, MONARCH_F_TASK_SIGNAL, signal);
	fake_set(guest, task, MONARCH_F_TASK_SIGHAND, task + SIGHAND_AT);
	fake_set(guest, task, MONARCH_F_TASK_REAL_PARENT, guest->init);
	fake_set(guest, task, MONARCH_F_TASK_MM, task + MM_AT);
	fake_set(guest, task + MM_AT, MONARCH_F_MM_PGD, direct(0xf000));
	list_init(guest, signal + 16);
	guest_list_add_tail(guest, signal + 16, task + 704);
	guest_list_add_tail(guest, guest->init + 512, task + 512);
	return task;
}

u64 fake_thread(struct fake_guest *guest, u64 leader, u32 pid)
{
	u64 task = new_task(guest), signal = leader + SIGNAL_AT;

	fill_task(guest, task, pid);
	fake_set(guest, task, MONARCH_F_TASK_TGID,
		 fake_get(guest, leader, MONARCH_F_TASK_TGID));
	fake_set(guest, task, MONARCH_F_TASK_SIGNAL, signal);
	fake_set(guest, task, MONARCH_F_TASK_SIGHAND, leader + SIGHAND_AT);
	guest_list_add_tail(guest, signal + 16, task + 704);
	return task;
}

void fake_online(struct fake_guest *guest, u32 nr)
{
	static const u16 masks[] = {
		MONARCH_F_SYM_CPU_ONLINE_MASK, MONARCH_F_SYM_CPU_ACTIVE_MASK,
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(masks); i++)
		fake_poke(guest, gi_kernel_symbol(&guest->kernel, masks[i]),
			  BIT_ULL(nr) - 1);
}

bool fake_guest_init(struct fake_guest *guest, u8 *ram)
{
	static struct gi_boot boot;
	u32 cpu;

	memset(guest, 0, sizeof(*guest));
	memset(ram, 0, FAKE_RAM_SIZE);
	make_layout(&guest->layout);
	guest->ram = ram;
	guest->range.size = FAKE_RAM_SIZE;
	guest->range.hva = ram;
	guest->mem.ranges = &guest->range;
	guest->mem.nr_ranges = 1;
	boot.slide = SLIDE;
	boot.phys_base = IMAGE_GPA - (TEXT_LINKED + SLIDE - GI_KERNEL_MAP);
	boot.page_offset = FAKE_PAGE_OFFSET;
	boot.levels = 4;
	boot.nr_cpus = FAKE_CPUS;
	for (cpu = 0; cpu < FAKE_CPUS; cpu++) {
		boot.per_cpu_offset[cpu] = direct(CPU_AREA + cpu * 0x1000);
		boot.apic_id[cpu] = cpu;
	}
	if (gi_kernel_init(&guest->kernel, &guest->mem, &guest->layout, &boot))
		return false;
	guest->init = gi_kernel_symbol(&guest->kernel,
				       MONARCH_F_SYM_INIT_TASK);
	list_init(guest, guest->init + 512);
	fake_online(guest, FAKE_CPUS);
	for (cpu = 0; cpu < FAKE_CPUS; cpu++) {
		u64 rq = gi_kernel_per_cpu(&guest->kernel,
					   MONARCH_F_SYM_RUNQUEUES, cpu);

		fake_set(guest, rq, MONARCH_F_RQ_CURR, guest->init);
		fake_set(guest, rq, MONARCH_F_RQ_IDLE, guest->init);
	}
	fake_poke(guest, gi_kernel_symbol(&guest->kernel,
					  MONARCH_F_SYM_VMCOREINFO_DATA),
		  direct(VMCOREINFO));
	fake_poke(guest, gi_kernel_symbol(&guest->kernel,
					  MONARCH_F_SYM_VMCOREINFO_SIZE), 2000);
	return true;
}

static u64 load(struct fake_guest *guest, const struct gi_step *step)
{
	u64 value = 0;

	memcpy(&value, guest->ram + step->gpa, step->width);
	return value;
}

int fake_apply(struct fake_guest *guest, const struct gi_plan *plan)
{
	u32 i;

	for (i = 0; i < plan->nr_steps; i++)
		if ((load(guest, &plan->steps[i]) ^ plan->steps[i].expected) &
		    plan->steps[i].mask)
			return -ESTALE;
	for (i = 0; i < plan->nr_steps; i++) {
		const struct gi_step *step = &plan->steps[i];
		u64 value = gi_step_merge(step, load(guest, step));

		if (step->write)
			memcpy(guest->ram + step->gpa, &value, step->width);
	}
	return 0;
}

void fake_park(struct fake_guest *guest, u64 task)
{
	u64 flags = fake_get(guest, task, MONARCH_F_TASK_TI_FLAGS);
	u64 jobctl = fake_get(guest, task, MONARCH_F_TASK_JOBCTL);

	fake_set(guest, task, MONARCH_F_TASK_TI_FLAGS, flags & ~4ull);
	fake_set(guest, task, MONARCH_F_TASK_ON_CPU, 0);
	fake_set(guest, task, MONARCH_F_TASK_ON_RQ, 0);
	if (gi_has(&guest->layout, MONARCH_F_TASK_FROZEN)) {
		fake_set(guest, task, MONARCH_F_TASK_FROZEN, 1);
		fake_set(guest, task, MONARCH_F_TASK_STATE, 0x2001);
		return;
	}
	fake_set(guest, task, MONARCH_F_TASK_JOBCTL,
		 (jobctl & ~GI_JOBCTL_STOP_PENDING) | GI_JOBCTL_STOPPED);
	fake_set(guest, task, MONARCH_F_TASK_STATE, 0x104);
}

static void wake_task(struct fake_guest *guest, u64 task)
{
	fake_set(guest, task, MONARCH_F_TASK_STATE, 0);
	fake_set(guest, task, MONARCH_F_TASK_ON_RQ, 1);
	if (gi_has(&guest->layout, MONARCH_F_TASK_FROZEN))
		fake_set(guest, task, MONARCH_F_TASK_FROZEN, 0);
}

static u32 take_node(struct fake_guest *guest, u64 node)
{
	u64 func;

	if (fake_get(guest, node, MONARCH_F_CSD_FLAGS) == 0x30) {
		wake_task(guest, node - 1000);	/* wake_entry */
		return 1;
	}
	func = fake_get(guest, node, MONARCH_F_CSD_FUNC);
	fake_set(guest, node, MONARCH_F_CSD_FLAGS, 0);
	if (func != gi_kernel_symbol(&guest->kernel,
				     MONARCH_F_SYM_WAKE_UP_PROCESS))
		return 0;
	wake_task(guest, fake_get(guest, node, MONARCH_F_CSD_INFO));
	return 1;
}

u32 fake_take_queues(struct fake_guest *guest)
{
	u32 cpu, woken = 0, budget = 1000;

	for (cpu = 0; cpu < FAKE_CPUS; cpu++) {
		u64 head = gi_kernel_per_cpu(&guest->kernel,
					     MONARCH_F_SYM_CALL_SINGLE_QUEUE,
					     cpu);
		u64 rq = gi_kernel_per_cpu(&guest->kernel,
					   MONARCH_F_SYM_RUNQUEUES, cpu);
		u64 node = fake_peek(guest, head);

		fake_poke(guest, head, 0);
		fake_set(guest, rq, MONARCH_F_RQ_TTWU_PENDING, 0);
		while (node && budget--) {
			u64 next = fake_peek(guest, node);

			woken += take_node(guest, node);
			node = next;
		}
	}
	return woken;
}
