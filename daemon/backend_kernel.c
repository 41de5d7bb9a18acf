// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reaching a VM through monarch.ko.
 *
 *  - Processes: the module walks the guest at each tick, into a table that is
 *    mapped here (kernel_table.c).
 *  - Edits: one call each for stops and resumes. The module plans and applies
 *    under its own hold, and settles by itself.
 *  - RAM, for finding the kernel only: mapped where it is a shared file of
 *    QEMU's, else read through the module.
 *  - Time: in guest mode per vCPU and per address space, by the host's TSC.
 *
 * All that was done to the VM hangs on its descriptor: when it is closed, by us
 * or by our death, the module resumes everything. If we are alive but do not
 * come around, the lease does that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "../include/monarch/escape.h"
#include "backend.h"
#include "clock.h"
#include "held_flag.h"
#include "kernel_device.h"
#include "kernel_spaces.h"
#include "kernel_table.h"
#include "log.h"
#include "qemu_ram.h"
#include "snapshot.h"

#define LEASE_QUANTA	10
#define LEASE_MIN_NS	NS_PER_S

_Static_assert(BACKEND_TARGETS_MAX <= MONARCH_TARGETS_MAX, "targets");

/* What hotplug changes; @ram: the ranges that could be mapped, NULL: none of it. */
struct kernel_parts {
	struct qemu_ram *ram;
	u32 nr_vcpus;
};

/**
 * struct kernel_backend - a VM of the module
 * @next: seen by prepare(), not in use yet
 * @guest: as set_guest() was told, to know it again
 * @snapshots: copies of the table, @current is valid if @has_snapshot
 * @sequence: of the table, that the valid one has
 * @vcpus: max_vcpus of the table, at the last look
 * @looked: space_times() has been called
 * @renewed_ns, @lease_ns: when and for how long the lease was renewed, 0: not
 *	yet for this guest
 */
struct kernel_backend {
	struct backend backend;
	struct vm_identity identity;
	const struct kernel_device *device;
	struct held_flag flag;
	int fd;
	void *base;
	struct kernel_table table;
	struct kernel_parts parts, next;
	const struct gi_kernel *guest;
	struct gi_snapshot snapshots[2];
	u32 current;
	bool has_snapshot;
	u64 sequence;
	struct kernel_vcpu *vcpus;
	bool looked;
	u64 renewed_ns;
	u64 lease_ns;
};

static struct kernel_backend *to_kernel(struct backend *backend)
{
	return container_of(backend, struct kernel_backend, backend);
}

/* The module's errors in the words of backend.h. */
static int kernel_error(int error)
{
	switch (error) {
	case -ENODEV:
		return -ENOTCONN;
	case -EAGAIN:
		return -EBUSY;
	}
	return error;
}

/* ---- RAM and registers ---- */

static int kernel_read(struct gi_memory *mem, u64 gpa, void *buf, u32 len)
{
	struct backend *backend = container_of(mem, struct backend, memory);
	int error = 0;

	while (len && !error) {
		struct monarch_read call = {
			.gpa = gpa,
			.buf = (uintptr_t)buf,
			.len = min(len, (u32)MONARCH_READ_MAX),
		};

		error = kernel_call(to_kernel(backend)->fd, MONARCH_READ, &call);
		gpa += call.len;
		buf = (u8 *)buf + call.len;
		len -= call.len;
	}
	return error ? -EFAULT : 0;
}

static const struct gi_memory_ops memory_ops = { .read = kernel_read };

/* The module's word is checked: the core relies on order. */
static int take_ranges(const struct monarch_ram_range *from, u32 nr,
		       struct qemu_ram_range *ret)
{
	u64 end = 0;

	for (u32 i = 0; i < nr; i++) {
		if (!from[i].bytes || from[i].gpa < end ||
		    check_add_overflow(from[i].gpa, from[i].bytes, &end))
			return -EUCLEAN;
		ret[i] = (struct qemu_ram_range){
			.gpa = from[i].gpa,
			.size = from[i].bytes,
			.hva = from[i].hva,
		};
	}
	return 0;
}

/* Ask the module, and map what it names. */
static int parts_open(const struct kernel_backend *kernel,
		      struct kernel_parts *ret)
{
	struct monarch_ram_range slots[MONARCH_VM_RANGES_MAX];
	struct qemu_ram_range ranges[MONARCH_VM_RANGES_MAX];
	struct monarch_vm_info info = {
		.nr_ranges = MONARCH_VM_RANGES_MAX,
		.ranges = (uintptr_t)slots,
	};
	int error = kernel_call(kernel->fd, MONARCH_VM_INFO, &info);

	if (error)
		return kernel_error(error);
	info.nr_ranges = min(info.nr_ranges, (u32)MONARCH_VM_RANGES_MAX);
	error = take_ranges(slots, info.nr_ranges, ranges);
	if (error)
		return error;
	ret->nr_vcpus = info.nr_vcpus;
	return qemu_ram_map(kernel->identity.pid, ranges, info.nr_ranges,
			    &ret->ram);
}

static void publish_parts(struct kernel_backend *kernel)
{
	struct backend *backend = &kernel->backend;

	backend->nr_vcpus = kernel->parts.nr_vcpus;
	backend->memory = (struct gi_memory){
		.ops = &memory_ops,
		.ranges = kernel->parts.ram->gi_ranges,
		.nr_ranges = kernel->parts.ram->nr_ranges,
	};
}

static int kernel_prepare(struct backend *backend, bool *ret_changed)
{
	struct kernel_backend *kernel = to_kernel(backend);
	struct kernel_parts *next = &kernel->next;
	int error;

	*ret_changed = false;
	next->ram = qemu_ram_destroy(next->ram);
	error = parts_open(kernel, next);
	if (error)
		return error;
	if (next->nr_vcpus == kernel->parts.nr_vcpus &&
	    qemu_ram_same(next->ram, kernel->parts.ram))
		next->ram = qemu_ram_destroy(next->ram);
	*ret_changed = next->ram;
	return 0;
}

static void kernel_adopt(struct backend *backend)
{
	struct kernel_backend *kernel = to_kernel(backend);

	if (!kernel->next.ram)
		return;
	qemu_ram_destroy(kernel->parts.ram);
	kernel->parts = kernel->next;
	kernel->next.ram = NULL;
	publish_parts(kernel);
}

static struct gi_vcpu_regs take_registers(const struct monarch_vcpu_regs *from)
{
	struct gi_vcpu_regs regs = {
		.cr0 = from->cr0, .cr3 = from->cr3, .cr4 = from->cr4,
		.efer = from->efer, .rip = from->rip, .rsp = from->rsp,
		.gs_base = from->gs_base,
		.kernel_gs_base = from->kernel_gs_base,
		.idt_base = from->idt_base, .lstar = from->lstar,
		.cpl = from->cpl,
	};

	/* those of its own guest, or of firmware, lead to no kernel of its */
	if (from->state != MONARCH_REGS_VALID)
		regs = (struct gi_vcpu_regs){};
	return regs;
}

static int kernel_registers(struct backend *backend, struct gi_vcpu_regs *ret,
			    u32 max, u32 *ret_nr)
{
	struct monarch_vcpu_regs regs[MONARCH_VCPUS_MAX];
	struct monarch_regs call = {
		.nr = min(max, (u32)MONARCH_VCPUS_MAX),
		.regs = (uintptr_t)regs,
	};
	u32 room = call.nr;
	int error = kernel_call(to_kernel(backend)->fd, MONARCH_REGS, &call);

	if (error)
		return kernel_error(error);
	*ret_nr = min(call.nr, room);
	for (u32 i = 0; i < *ret_nr; i++)
		ret[i] = take_registers(&regs[i]);
	return 0;
}

/* ---- Guest and samples ---- */

static void forget_samples(struct kernel_backend *kernel)
{
	for (u32 i = 0; i < 2; i++)
		snapshot_deinit(&kernel->snapshots[i]);
	kernel->has_snapshot = false;
	kernel->looked = false;
}

static int kernel_set_guest(struct backend *backend,
			    const struct gi_kernel *guest,
			    const struct gi_found *found,
			    char why[BACKEND_WHY_LEN])
{
	struct kernel_backend *kernel = to_kernel(backend);
	struct monarch_boot_cpu cpus[GI_MAX_CPUS];
	struct monarch_set_guest call = {};
	int error;

	if (!guest || guest != kernel->guest) {
		forget_samples(kernel);
		kernel->renewed_ns = 0;
	}
	kernel->guest = guest;
	if (guest) {
		call = (struct monarch_set_guest){
			.blob = (uintptr_t)found->blob,
			.blob_len = (u32)found->blob_len,
			.slide = guest->boot.slide,
			.phys_base = guest->boot.phys_base,
			.page_offset = guest->boot.page_offset,
			.pgd = guest->boot.pgd,
			.levels = guest->boot.levels,
			.cpus = (uintptr_t)cpus,
			.nr_cpus = guest->boot.nr_cpus,
		};
		for (u32 i = 0; i < guest->boot.nr_cpus; i++)
			cpus[i] = (struct monarch_boot_cpu){
				.per_cpu_offset = guest->boot.per_cpu_offset[i],
				.apic_id = guest->boot.apic_id[i],
			};
	}
	error = kernel_call(kernel->fd, MONARCH_SET_GUEST, &call);
	if (error)
		snprintf(why, BACKEND_WHY_LEN,
			 "monarch.ko: expected to be able to use the kernel that was found, found that it cannot: %s",
			 strerror(-error));
	return kernel_error(error);
}

/* Has the module sampled by itself what we would ask for? */
static int sample_now(struct kernel_backend *kernel, bool full)
{
	struct monarch_sample call = { .full = full };

	if (kernel->device->ticking && kernel->has_snapshot && !full)
		return 0;
	return kernel_call(kernel->fd, MONARCH_SAMPLE, &call);
}

static bool snapshots_same(const struct gi_snapshot *a,
			   const struct gi_snapshot *b)
{
	return a->nr_processes == b->nr_processes &&
	       a->nr_threads == b->nr_threads && a->complete == b->complete &&
	       !memcmp(a->processes, b->processes,
		       a->nr_processes * sizeof(*a->processes)) &&
	       !memcmp(a->threads, b->threads,
		       a->nr_threads * sizeof(*a->threads));
}

/* The table is newer than our copy: copy it. */
static int sample_take(struct kernel_backend *kernel, bool full,
		       struct backend_sample *ret)
{
	struct gi_snapshot *next = &kernel->snapshots[!kernel->current];
	const struct gi_snapshot *last = &kernel->snapshots[kernel->current];
	struct monarch_table head;
	int error = kernel_table_read(&kernel->table, next, &head);

	if (error)
		return error;
	ret->all = full || !kernel->has_snapshot ||
		   !snapshots_same(last, next);
	kernel->current = !kernel->current;
	kernel->has_snapshot = true;
	kernel->sequence = head.sequence;
	return 0;
}

static int kernel_sample(struct backend *backend, bool full,
			 struct backend_sample *ret)
{
	struct kernel_backend *kernel = to_kernel(backend);
	struct monarch_table head;
	int error = sample_now(kernel, full);

	ret->all = false;
	/* the module goes on without saying so: a look finds it out */
	ret->other_cpus = false;
	ret->nr_running = 0;
	if (!error)
		error = kernel_table_head(&kernel->table, &head);
	if (!error && head.error)
		error = -(int)head.error;
	if (!error && (!kernel->has_snapshot ||
		       head.sequence != kernel->sequence))
		error = sample_take(kernel, full, ret);
	ret->snapshot = &kernel->snapshots[kernel->current];
	return kernel_error(error);
}

/* ---- Edits ---- */

static void take_result(const struct monarch_target *from,
			struct backend_target *to)
{
	to->done = true;
	/* a module that is newer may know more reasons */
	to->refusal = min(from->refusal, GI_REFUSE_MAX - 1u);
	to->error = -(int)from->error;
	to->result = (struct gi_stop_result){
		.threads = from->threads, .marked = from->marked,
		.woken = from->woken, .pending = from->pending,
	};
	to->wrote = !from->error && (from->marked || from->woken);
}

/* One call for all targets of one kind from @index on. */
static int edit_kind(struct kernel_backend *kernel, enum backend_act act,
		     struct backend_target *targets, const u32 *index, u32 nr,
		     struct backend_edit *ret)
{
	struct monarch_target list[BACKEND_TARGETS_MAX];
	struct monarch_edit call = { .nr = nr, .targets = (uintptr_t)list };
	u64 start = clock_ns(), took;
	int error;

	for (u32 i = 0; i < nr; i++)
		list[i] = (struct monarch_target){
			.task = targets[index[i]].target.task,
			.start_time = targets[index[i]].target.start_time,
		};
	error = kernel_call(kernel->fd, act == BACKEND_STOP ? MONARCH_STOP :
			    MONARCH_RESUME, &call);
	took = clock_ns() - start;
	if (error && error != -EAGAIN && error != -ENODEV)
		return error;
	for (u32 i = 0; i < min(call.done, nr); i++)
		take_result(&list[i], &targets[index[i]]);
	ret->holds += call.holds;
	ret->hold_ns = max(ret->hold_ns, call.hold_ns);
	ret->wait_ns += took > call.hold_ns ? took - call.hold_ns : 0;
	return error;
}

static int edit_all(struct kernel_backend *kernel, enum backend_act act,
		    struct backend_target *targets, u32 nr,
		    struct backend_edit *ret)
{
	u32 index[BACKEND_TARGETS_MAX], found = 0;

	for (u32 i = 0; i < nr; i++)
		if (targets[i].act == act)
			index[found++] = i;
	return found ? edit_kind(kernel, act, targets, index, found, ret) : 0;
}

/*
 * "Not now" is said of a VM that is paused, and of one whose vCPUs are in the
 * middle of something that the module has waited for in vain: that is over at
 * the next quantum, and nothing to speak of.
 */
static int edit_error(const struct kernel_backend *kernel, int error)
{
	struct monarch_vm_info info = {};

	if (error != -EAGAIN || kernel_call(kernel->fd, MONARCH_VM_INFO, &info))
		return kernel_error(error);
	return info.refusals & MONARCH_VM_PAUSED ? -EBUSY : 0;
}

/* Resumes first: those are owed. The module settles by itself. */
static int kernel_edit(struct backend *backend, struct backend_target *targets,
		       u32 nr, struct backend_edit *ret)
{
	struct kernel_backend *kernel = to_kernel(backend);
	int error;

	*ret = (struct backend_edit){};
	if (backend->no_edit_why[0])
		return -EOPNOTSUPP;
	error = edit_all(kernel, BACKEND_RESUME, targets, nr, ret);
	if (!error)
		error = edit_all(kernel, BACKEND_STOP, targets, nr, ret);
	return edit_error(kernel, error);
}

/* ---- Time ---- */

/* Return: 0, or as kernel_table_vcpu(). @ret_cycles: the TSC a moment later. */
static int look_at_vcpu(const struct kernel_backend *kernel, u32 index,
			struct monarch_vcpu *ret, u64 *ret_cycles)
{
	int error = kernel_table_vcpu(&kernel->table, index, ret);

	*ret_cycles = __rdtsc();
	return error;
}

static u32 nr_accounted(const struct kernel_backend *kernel)
{
	return min(kernel->backend.nr_vcpus, kernel->table.layout.max_vcpus);
}

static int kernel_vcpu_times(struct backend *backend, struct vcpu_time *ret,
			     u32 max, u32 *ret_nr)
{
	struct kernel_backend *kernel = to_kernel(backend);
	u32 nr = nr_accounted(kernel);
	struct monarch_vcpu record;
	u64 now_cycles;

	if (nr > max)
		return -E2BIG;
	for (u32 i = 0; i < nr; i++) {
		int error = look_at_vcpu(kernel, i, &record, &now_cycles);

		if (error)
			return error;
		ret[i] = (struct vcpu_time){
			.cpu_ns = kernel_ns(kernel_vcpu_cycles(&record,
							       now_cycles),
					    kernel->table.layout.tsc_khz),
			.wait_ns = record.steal_ns,
		};
	}
	*ret_nr = nr;
	return 0;
}

/* A trap that is off for now sees no more than samples do. */
static void note_method(struct backend *backend, u32 flags)
{
	if (flags & (MONARCH_VCPU_STORM | MONARCH_VCPU_NESTED))
		backend->accounting = "sample";
	else if (flags & MONARCH_VCPU_TRAPPED)
		backend->accounting = "cr3";
}

static int kernel_space_times(struct backend *backend, struct space_time *ret,
			      u32 max, u32 *ret_nr)
{
	struct kernel_backend *kernel = to_kernel(backend);
	u32 nr = nr_accounted(kernel), flags = 0;
	struct monarch_vcpu record;
	u64 now_cycles;

	*ret_nr = 0;
	for (u32 i = 0; i < nr; i++) {
		/* who enters and exits all the time is seen next time */
		if (look_at_vcpu(kernel, i, &record, &now_cycles))
			continue;
		flags |= record.flags;
		kernel_vcpu_spaces(&kernel->vcpus[i], &record, now_cycles,
				   kernel->table.layout.tsc_khz, ret, max,
				   ret_nr);
	}
	note_method(backend, flags);
	/* what ran before we looked at processes belongs to none of them */
	if (!kernel->looked)
		*ret_nr = 0;
	kernel->looked = true;
	return 0;
}

/* ---- Lease ---- */

/* We were not there for so long: say it, since processes ran meanwhile. */
static void report_late(struct kernel_backend *kernel, u64 now_ns)
{
	char name[MONARCH_ESCAPED_SIZE(sizeof(kernel->identity.name))];
	u64 gap_ns = now_ns - kernel->renewed_ns;

	if (!kernel->renewed_ns || gap_ns <= kernel->lease_ns)
		return;
	log_warning("VM %s: expected to renew its lease of %llu ms, found that %llu ms have passed: the module has resumed all; what is still wanted stopped is stopped again",
		    monarch_escape(name, sizeof(name), kernel->identity.name),
		    kernel->lease_ns / NS_PER_MS, gap_ns / NS_PER_MS);
}

static int kernel_renew(struct backend *backend, u64 quantum_ns)
{
	struct kernel_backend *kernel = to_kernel(backend);
	struct monarch_lease call = {
		.ns = max(LEASE_QUANTA * quantum_ns, LEASE_MIN_NS),
	};
	u64 now_ns = clock_ns();
	int error = kernel_call(kernel->fd, MONARCH_LEASE, &call);

	if (error)
		return kernel_error(error);
	report_late(kernel, now_ns);
	kernel->renewed_ns = now_ns;
	kernel->lease_ns = call.ns;
	return 0;
}

/* ---- Opening ---- */

static void kernel_destroy(struct backend *backend)
{
	struct kernel_backend *kernel = to_kernel(backend);

	forget_samples(kernel);
	if (kernel->base)
		munmap(kernel->base, kernel->table.bytes);
	if (kernel->fd >= 0)
		close(kernel->fd);
	qemu_ram_destroy(kernel->next.ram);
	qemu_ram_destroy(kernel->parts.ram);
	held_flag_deinit(&kernel->flag);
	free(kernel->vcpus);
	free(kernel);
}

static const struct backend_ops kernel_ops = {
	.name = "kernel",
	.registers = kernel_registers,
	.set_guest = kernel_set_guest,
	.sample = kernel_sample,
	.edit = kernel_edit,
	.vcpu_times = kernel_vcpu_times,
	.space_times = kernel_space_times,
	.renew = kernel_renew,
	.prepare = kernel_prepare,
	.adopt = kernel_adopt,
	.destroy = kernel_destroy,
};

/* One Monarch per VM, and none that a Monarch left held: the qemu backend's. */
static int take_ownership(struct kernel_backend *kernel,
			  char why[BACKEND_WHY_LEN])
{
	int error = held_flag_open(&kernel->flag, kernel->identity.pid);

	if (!error && held_flag_get(&kernel->flag)) {
		held_flag_deinit(&kernel->flag);
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s' was left paused by a Monarch that died: the qemu backend lets it run",
			 kernel->identity.name);
		return -EBUSY;
	}
	if (error)
		snprintf(why, BACKEND_WHY_LEN, "VM '%s': %s%s",
			 kernel->identity.name, error == -EBUSY ?
			 "another Monarch has it; its lock is " :
			 strerror(-error),
			 error == -EBUSY ? kernel->flag.path : "");
	return error;
}

static int map_table(struct kernel_backend *kernel, u64 bytes)
{
	void *base = mmap(NULL, bytes, PROT_READ, MAP_SHARED, kernel->fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	kernel->base = base;
	kernel->table.bytes = bytes;
	return kernel_table_init(&kernel->table, base, bytes);
}

static int start_accounting(struct kernel_backend *kernel, bool trap)
{
	struct monarch_account call = { .methods = MONARCH_ACCOUNT_SAMPLE };
	int error;

	kernel->backend.accounting = "guest";
	if (!kernel_device_has(kernel->device, MONARCH_FEATURE_REGISTERS))
		return 0;
	if (trap && kernel_device_has(kernel->device,
				      MONARCH_FEATURE_CR3_TRAP))
		call.methods |= MONARCH_ACCOUNT_CR3;
	error = kernel_call(kernel->fd, MONARCH_ACCOUNT, &call);
	if (!error)
		kernel->backend.accounting =
			call.methods & MONARCH_ACCOUNT_CR3 ? "cr3" : "sample";
	return error;
}

static void check_edits(struct kernel_backend *kernel)
{
	struct backend *backend = &kernel->backend;

	if (!kernel_device_has(kernel->device, MONARCH_FEATURE_HOLD))
		kernel_device_why(kernel->device, MONARCH_FEATURE_HOLD,
				  backend->no_edit_why);
	else if (!kernel_device_has(kernel->device, MONARCH_FEATURE_KICK))
		kernel_device_why(kernel->device, MONARCH_FEATURE_KICK,
				  backend->no_edit_why);
}

static int open_all(struct kernel_backend *kernel, bool trap,
		    char why[BACKEND_WHY_LEN])
{
	u64 bytes;
	int error = take_ownership(kernel, why);

	if (error)
		return error;
	kernel->fd = kernel_device_attach(kernel->device, kernel->identity.pid,
					  &bytes, why);
	if (kernel->fd < 0)
		return kernel->fd;
	error = map_table(kernel, bytes);
	if (!error)
		error = parts_open(kernel, &kernel->parts);
	if (!error)
		publish_parts(kernel);
	if (!error)
		error = start_accounting(kernel, trap);
	if (!error) {
		kernel->vcpus = calloc(kernel->table.layout.max_vcpus,
				       sizeof(*kernel->vcpus));
		error = kernel->vcpus ? 0 : -ENOMEM;
	}
	if (error)
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s': monarch.ko has it, but cannot be worked with: %s",
			 kernel->identity.name, strerror(-error));
	return error;
}

int backend_kernel_open(const struct vm_identity *identity,
			const struct kernel_device *device, bool trap,
			struct backend **ret, char why[BACKEND_WHY_LEN])
{
	struct kernel_backend *kernel = calloc(1, sizeof(*kernel));
	int error;

	if (!kernel) {
		snprintf(why, BACKEND_WHY_LEN, "out of memory");
		return -ENOMEM;
	}
	kernel->backend.ops = &kernel_ops;
	kernel->identity = *identity;
	kernel->device = device;
	kernel->fd = -1;
	kernel->flag.fd = -1;
	error = open_all(kernel, trap, why);
	if (error) {
		kernel_destroy(&kernel->backend);
		return error;
	}
	check_edits(kernel);
	*ret = &kernel->backend;
	return 0;
}
