// SPDX-License-Identifier: GPL-2.0-only
/* monarch.ko for the lab's tests; see module.h. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "module.h"

#define FIND_TRIES	300	/* of 100 ms: a guest boots slowly here */
#define ATTACH_MS	30000

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "FAILED: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

void expect(const char *what, u64 expected, u64 found)
{
	if (expected != found)
		die("%s: expected %llu, found %llu", what, expected, found);
	printf("%s: %llu\n", what, found);
}

u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

void sleep_ms(u32 ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000l };

	nanosleep(&ts, NULL);
}

int device_open(void)
{
	int fd = open("/dev/monarch", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("/dev/monarch: %s", strerror(errno));
	return fd;
}

void must(const char *what, int fd, unsigned long cmd, void *arg)
{
	if (ioctl(fd, cmd, arg))
		die("%s: %s", what, strerror(errno));
}

static int read_memory(struct gi_memory *memory, u64 gpa, void *buf, u32 len)
{
	struct vm *vm = container_of(memory, struct vm, memory);

	while (len) {
		struct monarch_read args = {
			.size = sizeof(args), .gpa = gpa,
			.buf = (uintptr_t)buf,
			.len = min(len, MONARCH_READ_MAX),
		};

		if (ioctl(vm->fd, MONARCH_READ, &args))
			return -errno;
		gpa += args.len;
		buf = (char *)buf + args.len;
		len -= args.len;
	}
	return 0;
}

static const struct gi_memory_ops memory_ops = { .read = read_memory };

static void ranges_get(struct vm *vm)
{
	struct monarch_ram_range ranges[MONARCH_VM_RANGES_MAX];
	struct monarch_vm_info info = {
		.size = sizeof(info), .nr_ranges = ARRAY_SIZE(ranges),
		.ranges = (uintptr_t)ranges,
	};

	must("VM_INFO", vm->fd, MONARCH_VM_INFO, &info);
	vm->memory.nr_ranges = min(info.nr_ranges, MONARCH_VM_RANGES_MAX);
	for (u32 i = 0; i < vm->memory.nr_ranges; i++) {
		vm->ranges[i].gpa = ranges[i].gpa;
		vm->ranges[i].size = ranges[i].bytes;
	}
	vm->memory.ranges = vm->ranges;
	vm->memory.ops = &memory_ops;
}

void vm_attach(struct vm *vm, int device, int pid)
{
	struct monarch_attach args = { .size = sizeof(args), .pid = pid };

	u64 end = now_ns() + ATTACH_MS * 1000000ull;

	memset(vm, 0, sizeof(*vm));
	vm->device = device;
	while (ioctl(device, MONARCH_ATTACH, &args)) {
		if (errno != EBUSY || now_ns() > end)
			die("ATTACH: %s", strerror(errno));
		sleep_ms(10);
	}
	vm->fd = args.fd;
	vm->table_size = args.table_size;
	vm->table = mmap(NULL, args.table_size, PROT_READ, MAP_SHARED, vm->fd,
			 0);
	if (vm->table == MAP_FAILED)
		die("mmap of the table: %s", strerror(errno));
	ranges_get(vm);
}

void vm_detach(struct vm *vm)
{
	gi_found_deinit(&vm->found);
	munmap((void *)vm->table, vm->table_size);
	close(vm->fd);
}

static u32 registers(struct vm *vm, struct gi_vcpu_regs *ret)
{
	struct monarch_vcpu_regs regs[MONARCH_VCPUS_MAX];
	struct monarch_regs args = {
		.size = sizeof(args), .nr = ARRAY_SIZE(regs),
		.regs = (uintptr_t)regs,
	};

	must("REGS", vm->fd, MONARCH_REGS, &args);
	for (u32 i = 0; i < args.nr; i++)
		ret[i] = (struct gi_vcpu_regs) {
			.cr0 = regs[i].state & MONARCH_REGS_VALID ?
				       regs[i].cr0 : 0,
			.cr3 = regs[i].cr3, .cr4 = regs[i].cr4,
			.efer = regs[i].efer, .rip = regs[i].rip,
			.rsp = regs[i].rsp, .gs_base = regs[i].gs_base,
			.kernel_gs_base = regs[i].kernel_gs_base,
			.idt_base = regs[i].idt_base, .lstar = regs[i].lstar,
			.cpl = regs[i].cpl,
		};
	return args.nr;
}

static int guest_set(struct vm *vm)
{
	const struct gi_boot *boot = &vm->found.boot;
	struct monarch_boot_cpu cpus[GI_MAX_CPUS] = {};
	struct monarch_set_guest args = {
		.size = sizeof(args), .blob = (uintptr_t)vm->found.blob,
		.blob_len = vm->found.blob_len, .levels = boot->levels,
		.slide = boot->slide, .phys_base = boot->phys_base,
		.page_offset = boot->page_offset, .pgd = boot->pgd,
		.cpus = (uintptr_t)cpus, .nr_cpus = boot->nr_cpus,
	};

	for (u32 i = 0; i < boot->nr_cpus; i++) {
		cpus[i].per_cpu_offset = boot->per_cpu_offset[i];
		cpus[i].apic_id = boot->apic_id[i];
	}
	return ioctl(vm->fd, MONARCH_SET_GUEST, &args) ? -errno : 0;
}

void vm_find(struct vm *vm)
{
	struct gi_vcpu_regs regs[MONARCH_VCPUS_MAX];
	struct gi_find_options options = { 0 };
	u32 left = FIND_TRIES;
	int outcome;

	do {
		ranges_get(vm);
		outcome = gi_find_linux(&vm->memory, regs, registers(vm, regs),
					&options, &vm->found);
		if (outcome)
			sleep_ms(100);
	} while (outcome > 0 && left--);
	if (outcome)
		die("no kernel found: %s", outcome > 0 ?
		    gi_find_outcome_text(outcome) : strerror(-outcome));
	outcome = guest_set(vm);
	if (outcome)
		die("SET_GUEST: %s", strerror(-outcome));
	printf("found Linux %s, %u CPUs\n", vm->found.release,
	       vm->found.boot.nr_cpus);
}

static u32 seq_begin(const u32 *seq)
{
	u32 begin;

	while ((begin = __atomic_load_n(seq, __ATOMIC_ACQUIRE)) & 1)
		;
	return begin;
}

static bool seq_same(const u32 *seq, u32 begin)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(seq, __ATOMIC_RELAXED) == begin;
}

void vm_vcpu(const struct vm *vm, u32 index, struct monarch_vcpu *ret)
{
	const struct monarch_vcpu *vcpu =
		(const void *)((const char *)vm->table +
			       vm->table->vcpus_offset +
			       index * vm->table->vcpu_stride);
	u32 begin;

	do {
		begin = seq_begin(&vcpu->seq);
		memcpy(ret, vcpu, sizeof(*ret));
	} while (!seq_same(&vcpu->seq, begin));
}

void vm_sample(struct vm *vm, bool full)
{
	struct monarch_sample args = { .size = sizeof(args), .full = full };

	must("SAMPLE", vm->fd, MONARCH_SAMPLE, &args);
}

void vm_snapshot(const struct vm *vm, struct snapshot *ret)
{
	const struct monarch_table *table = vm->table;
	u32 begin;

	ret->processes = calloc(table->max_processes, sizeof(*ret->processes));
	ret->threads = calloc(table->max_threads, sizeof(*ret->threads));
	if (!ret->processes || !ret->threads)
		die("no memory for a snapshot");
	do {
		const char *from;

		begin = seq_begin(&table->seq);
		ret->head = *table;
		from = (const char *)table + table->snapshots[ret->head.active & 1];
		memcpy(ret->processes, from,
		       min(ret->head.nr_processes, table->max_processes) *
		       sizeof(*ret->processes));
		memcpy(ret->threads, from + table->threads_offset,
		       min(ret->head.nr_threads, table->max_threads) *
		       sizeof(*ret->threads));
	} while (!seq_same(&table->seq, begin));
}

void snapshot_free(struct snapshot *snap)
{
	free(snap->processes);
	free(snap->threads);
}

const struct monarch_process *snapshot_find(const struct snapshot *snap,
					    const char *comm)
{
	for (u32 i = 0; i < snap->head.nr_processes; i++)
		if (!strcmp(snap->processes[i].comm, comm))
			return &snap->processes[i];
	return NULL;
}

const struct monarch_process *snapshot_again(const struct snapshot *snap,
					     const struct monarch_target *target)
{
	for (u32 i = 0; i < snap->head.nr_processes; i++)
		if (snap->processes[i].task == target->task &&
		    snap->processes[i].start_time == target->start_time)
			return &snap->processes[i];
	return NULL;
}

u32 snapshot_stopped(const struct snapshot *snap)
{
	u32 stopped = 0;

	for (u32 i = 0; i < snap->head.nr_processes; i++)
		stopped += gi_stop_is_ours(snap->processes[i].stopped);
	return stopped;
}

/* Return: 1 all done, 0 not yet, or -errno as vm_edit_wait(). */
static int edit_once(struct vm *vm, unsigned long cmd,
		     struct monarch_target *target)
{
	struct monarch_edit edit = {
		.size = sizeof(edit), .nr = 1, .targets = (uintptr_t)target,
	};

	if (ioctl(vm->fd, cmd, &edit)) {
		if (errno == EAGAIN)
			return 0;
		die("%s: %s", cmd == MONARCH_STOP ? "STOP" : "RESUME",
		    strerror(errno));
	}
	if (target->refusal == GI_REFUSE_GONE ||
	    target->refusal == GI_REFUSE_EXITING)
		return -ESRCH;
	if (target->refusal && !gi_refusal_retry(target->refusal))
		return -EPERM;
	return !target->refusal && !target->error && !target->marked &&
	       !target->woken && !target->pending;
}

int vm_edit_wait(struct vm *vm, unsigned long cmd,
		 struct monarch_target *target, u32 timeout_ms)
{
	u64 end = now_ns() + timeout_ms * 1000000ull;
	int ret;

	for (;;) {
		ret = edit_once(vm, cmd, target);
		if (ret)
			return min(ret, 0);
		if (now_ns() > end)
			return -ETIMEDOUT;
		sleep_ms(1);
	}
}

void vm_stats(const struct vm *vm, struct monarch_stats *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->size = sizeof(*ret);
	must("STATS", vm->fd, MONARCH_STATS, ret);
}
