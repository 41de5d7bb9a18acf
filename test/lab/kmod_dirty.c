// SPDX-License-Identifier: GPL-2.0-only
/*
 * Edits and those who migrate: what the module writes must be in KVM's dirty log,
 * what it only compares must not, and a VM that is paused is not written to.
 *
 * The VM is our own: one vCPU that counts in memory for ever, one slot whose
 * writes are logged, one that is read only.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/module.h"

#define CODE		0x1000
#define COUNTER		0x3000
#define TARGET		0x5008	/* what we edit, on a page of its own */
#define RAM_SIZE	0x10000
#define ROM		0x20000
#define ROM_SIZE	0x1000
#define WAIT_MS		30000

static int vm_fd, vcpu_fd;
static unsigned char *ram;
static struct kvm_run *run;
static volatile bool pause_it;
static pid_t vcpu_tid;

/* Real mode: 1: lock incw 0x3000; jmp 1b */
static const unsigned char program[] = {
	0xf0, 0xff, 0x06, COUNTER & 0xff, COUNTER >> 8, 0xeb, 0xf9,
};

static void nothing(int signal)
{
}

static void *vcpu_thread(void *arg)
{
	vcpu_tid = syscall(SYS_gettid);
	while (!pause_it)
		if (ioctl(vcpu_fd, KVM_RUN, 0) && errno != EINTR)
			die("KVM_RUN: %s", strerror(errno));
	return NULL;
}

static void slot(u32 nr, u32 flags, u64 gpa, u64 size, void *at)
{
	struct kvm_userspace_memory_region region = {
		.slot = nr, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = size, .userspace_addr = (uintptr_t)at,
	};

	must("KVM_SET_USER_MEMORY_REGION", vm_fd, KVM_SET_USER_MEMORY_REGION,
	     &region);
}

static void *pages(u64 size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return at;
}

static void create(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	vm_fd = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm_fd < 0)
		die("KVM_CREATE_VM: %s", strerror(errno));
	must("KVM_CREATE_IRQCHIP", vm_fd, KVM_CREATE_IRQCHIP, NULL);
	ram = pages(RAM_SIZE);
	memcpy(ram + CODE, program, sizeof(program));
	slot(0, KVM_MEM_LOG_DIRTY_PAGES, 0, RAM_SIZE, ram);
	slot(1, KVM_MEM_READONLY, ROM, ROM_SIZE, pages(ROM_SIZE));
	vcpu_fd = ioctl(vm_fd, KVM_CREATE_VCPU, 0);
	if (vcpu_fd < 0)
		die("KVM_CREATE_VCPU: %s", strerror(errno));
	run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
		   PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);
	must("KVM_GET_SREGS", vcpu_fd, KVM_GET_SREGS, &sregs);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	must("KVM_SET_SREGS", vcpu_fd, KVM_SET_SREGS, &sregs);
	must("KVM_SET_REGS", vcpu_fd, KVM_SET_REGS, &regs);
}

/* Pages written since the last call, a bit each. */
static u64 dirty(void)
{
	u64 bitmap = 0;
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = &bitmap };

	must("KVM_GET_DIRTY_LOG", vm_fd, KVM_GET_DIRTY_LOG, &log);
	return bitmap;
}

static u64 target_dirty(void)
{
	return (dirty() >> (TARGET / 4096)) & 1;
}

static u32 counted(void)
{
	return __atomic_load_n((unsigned short *)(ram + COUNTER),
			       __ATOMIC_RELAXED);
}

static void wait_counts(void)
{
	u64 end = now_ns() + WAIT_MS * 1000000ull;
	u32 before = counted();

	while (counted() == before)
		if (now_ns() > end)
			die("the guest does not run");
}

static int apply(struct vm *vm, u64 gpa, u64 expected, u64 value, bool write)
{
	struct monarch_step step = {
		.gpa = gpa, .width = 8, .mask = ~0ull, .expected = expected,
		.value = value, .write = write,
	};
	struct monarch_apply args = {
		.size = sizeof(args), .steps = (uintptr_t)&step, .nr_steps = 1,
	};

	return ioctl(vm->fd, MONARCH_APPLY, &args) ? errno : 0;
}

static void test_log(struct vm *vm)
{
	u64 value;

	dirty();
	expect("target in the log at first", 0, target_dirty());
	expect("compare", 0, apply(vm, TARGET, 0, 0, false));
	expect("target in the log, compared only", 0, target_dirty());
	expect("write with a wrong expectation", ESTALE,
	       apply(vm, TARGET, 1, 2, true));
	expect("target in the log, refused", 0, target_dirty());
	expect("write", 0, apply(vm, TARGET, 0, 0x1122334455667788, true));
	expect("target in the log, written", 1, target_dirty());
	expect("target in the log, later", 0, target_dirty());
	memcpy(&value, ram + TARGET, sizeof(value));
	expect("value", 0x1122334455667788, value);
	wait_counts();
	expect("write to a read-only slot", EFAULT,
	       apply(vm, ROM, 0, 1, true));
	expect("compare in it", 0, apply(vm, ROM, 0, 0, false));
	wait_counts();
}

static void test_paused(struct vm *vm, pthread_t thread)
{
	struct monarch_vm_info info = { .size = sizeof(info) };
	struct monarch_stats stats;

	pause_it = true;
	while (pthread_tryjoin_np(thread, NULL)) {
		syscall(SYS_tgkill, getpid(), vcpu_tid, SIGUSR1);
		sleep_ms(1);
	}
	expect("write to a paused VM", EAGAIN,
	       apply(vm, TARGET, 0x1122334455667788, 0, true));
	must("VM_INFO", vm->fd, MONARCH_VM_INFO, &info);
	expect("refusals", MONARCH_VM_PAUSED, info.refusals);
	vm_stats(vm, &stats);
	expect("refused because paused", 1, stats.refused_paused);
	expect("target in the log", 0, target_dirty());
}

int main(void)
{
	struct sigaction action = { .sa_handler = nothing };
	pthread_t thread;
	struct vm vm;

	sigaction(SIGUSR1, &action, NULL);
	create();
	pthread_create(&thread, NULL, vcpu_thread, NULL);
	wait_counts();
	vm_attach(&vm, device_open(), getpid());
	test_log(&vm);
	test_paused(&vm, thread);
	/* It can go on as if nothing had been. */
	pause_it = false;
	pthread_create(&thread, NULL, vcpu_thread, NULL);
	wait_counts();
	expect("write to it again", 0,
	       apply(&vm, TARGET, 0x1122334455667788, 0, true));
	wait_counts();
	vm_detach(&vm);
	return 0;
}
