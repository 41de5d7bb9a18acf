// SPDX-License-Identifier: GPL-2.0-only
/*
 * A KVM guest whose every event is known beforehand: for exact assertions.
 *
 * usage: tinyvm [OPTION...]
 *
 *   --vcpus N      vCPUs, each with address spaces of its own (1)
 *   --spaces N     address spaces per vCPU (2)
 *   --rounds N     rounds; each gives every address space one turn (1000)
 *   --work A,B,..  iterations of a loop per turn, for the first space, the second
 *                  ...; the last one is for all others (1000)
 *   --reloads N    more writes of the same CR3 per turn (0)
 *   --halts N      HLTs per turn (0)
 *   --irqchip      interrupt controllers in the kernel; the guest counts interrupts
 *                  of all vectors, and a HLT waits for one
 *   --kick VECTOR  with --irqchip: interrupt every vCPU once a millisecond
 *   --passes       print "ready PID", then run all of it once for each line on
 *                  stdin, until its end
 *
 * Per vCPU and pass the guest writes CR3 rounds * spaces * (1 + reloads) times
 * and halts rounds * spaces * halts times. Prints one line of JSON per pass, with
 * what the guest counted in that pass, and fails if that is not what was asked
 * for. What the guest is made of is in tinyvm.h and tinyvm-guest.S.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tinyvm.h"

#define MSR_APIC_ENABLE	(1u << 11 | 1u << 10)	/* with x2APIC */
#define CPUID_ENTRIES	256

/* Bits of control registers and of page table entries. */
#define CR0_PE_PG	0x80000001ul
#define CR4_PAE		0x20ul
#define EFER_LME_LMA	0x500ul
#define PTE_TABLE	0x3ul
#define PTE_HUGE	0x83ul
#define HUGE_PAGE	0x200000ul

struct vcpu {
	int fd;
	unsigned int index;
	struct kvm_run *run;
	struct tiny_page *page;
	pthread_t thread;
	uint64_t exits_halt;	/* HLTs that ended KVM_RUN */
	uint64_t ns;		/* the pass, by the host's clock */
};

static struct {
	unsigned int vcpus, spaces;
	uint64_t rounds, reloads, halts;
	uint64_t work[TINY_MAX_SPACES];
	uint32_t kick;
	bool irqchip, passes;
} option = { .vcpus = 1, .spaces = 2, .rounds = 1000 };

static int kvm, vm;
static char *ram;
static struct vcpu vcpus[TINY_MAX_VCPUS];

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static uint64_t block_of(const struct vcpu *vcpu)
{
	return TINY_BLOCKS + (uint64_t)vcpu->index * TINY_BLOCK_SIZE;
}

/* One to one, in huge pages. Return: the value of CR3 */
static uint64_t fill_tables(uint64_t gpa)
{
	uint64_t *tables = (uint64_t *)(ram + gpa);
	unsigned int i;

	tables[0] = (gpa + 0x1000) | PTE_TABLE;
	tables[512] = (gpa + 0x2000) | PTE_TABLE;
	for (i = 0; i < TINY_RAM / HUGE_PAGE; i++)
		tables[1024 + i] = i * HUGE_PAGE | PTE_HUGE;
	return gpa;
}

static void fill_page(struct vcpu *vcpu)
{
	uint64_t tables = block_of(vcpu) + TINY_TABLES;
	struct tiny_page *page = vcpu->page;
	unsigned int i;

	page->rounds = option.rounds;
	page->spaces = option.spaces;
	page->reloads = option.reloads;
	page->halts = option.halts;
	for (i = 0; i < option.spaces; i++) {
		page->space[i].cr3 = fill_tables(tables + i * TINY_TABLES_SIZE);
		page->space[i].work = option.work[i];
	}
}

static void fill_descriptors(void)
{
	uint64_t *gdt = (uint64_t *)(ram + TINY_GDT);
	uint64_t *idt = (uint64_t *)(ram + TINY_IDT);
	unsigned int i;

	gdt[TINY_CODE_SELECTOR / 8] = 0x00209b0000000000ull;
	gdt[TINY_DATA_SELECTOR / 8] = 0x0000930000000000ull;
	for (i = 0; i < 256; i++) {
		uint64_t handler = TINY_PROGRAM - (uintptr_t)tiny_program +
			(uintptr_t)(i < 32 ? tiny_fault : tiny_interrupt);

		idt[2 * i] = (handler & 0xffff) | TINY_CODE_SELECTOR << 16 |
			     0x8e00ull << 32;
	}
}

static void create_vm(void)
{
	struct kvm_userspace_memory_region region = { .memory_size = TINY_RAM };

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(1, "/dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		err(1, "KVM_CREATE_VM");
	ram = mmap(NULL, TINY_RAM, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ram == MAP_FAILED)
		err(1, "%d bytes of guest memory", TINY_RAM);
	region.userspace_addr = (uintptr_t)ram;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		err(1, "KVM_SET_USER_MEMORY_REGION");
	if (option.irqchip && ioctl(vm, KVM_CREATE_IRQCHIP, 0))
		err(1, "KVM_CREATE_IRQCHIP");
	memcpy(ram + TINY_PROGRAM, tiny_program,
	       tiny_program_end - tiny_program);
	fill_descriptors();
}

static void set_cpuid(struct vcpu *vcpu)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_ENTRIES];
	} cpuid = { .head.nent = CPUID_ENTRIES };

	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid))
		err(1, "KVM_GET_SUPPORTED_CPUID");
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid))
		err(1, "KVM_SET_CPUID2");
}

/* 64-bit mode from the first instruction on. */
static void set_sregs(struct vcpu *vcpu)
{
	struct kvm_segment code = {
		.selector = TINY_CODE_SELECTOR, .limit = ~0u, .type = 11,
		.present = 1, .s = 1, .l = 1, .g = 1,
	}, data = {
		.selector = TINY_DATA_SELECTOR, .limit = ~0u, .type = 3,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		err(1, "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = data;
	sregs.gdt = (struct kvm_dtable){ .base = TINY_GDT, .limit = 23 };
	sregs.idt = (struct kvm_dtable){ .base = TINY_IDT, .limit = 4095 };
	sregs.cr0 |= CR0_PE_PG;
	/* So that the first turn changes it, if there are several spaces. */
	sregs.cr3 = vcpu->page->space[option.spaces - 1].cr3;
	sregs.cr4 |= CR4_PAE;
	sregs.efer |= EFER_LME_LMA;
	if (option.irqchip)
		sregs.apic_base |= MSR_APIC_ENABLE;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs))
		err(1, "KVM_SET_SREGS");
}

static void rewind_program(struct vcpu *vcpu)
{
	struct kvm_regs regs = {
		.rip = TINY_PROGRAM, .rflags = 2, .rdi = block_of(vcpu),
		.rsp = block_of(vcpu) + 0x2000, .rbx = option.irqchip,
	};

	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		err(1, "KVM_SET_REGS");
}

static void create_vcpu(struct vcpu *vcpu, unsigned int index)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	vcpu->index = index;
	vcpu->page = (struct tiny_page *)(ram + block_of(vcpu));
	fill_page(vcpu);
	vcpu->fd = ioctl(vm, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		err(1, "KVM_CREATE_VCPU %u", index);
	vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		err(1, "vCPU %u: struct kvm_run", index);
	set_cpuid(vcpu);
	set_sregs(vcpu);
	/* With an irqchip, all but the first would wait for a SIPI. */
	if (option.irqchip && ioctl(vcpu->fd, KVM_SET_MP_STATE, &runnable))
		err(1, "KVM_SET_MP_STATE");
}

static void unexpected(const struct vcpu *vcpu)
{
	struct kvm_regs regs = { 0 };

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	errx(1, "vCPU %u: KVM_RUN ended for reason %u (port %#x) at rip %#llx",
	     vcpu->index, vcpu->run->exit_reason, vcpu->run->io.port, regs.rip);
}

/* The program from its beginning to its end. */
static void *run_pass(void *argument)
{
	struct vcpu *vcpu = argument;
	uint64_t start = now_ns();

	rewind_program(vcpu);
	vcpu->exits_halt = 0;
	for (;;) {
		if (ioctl(vcpu->fd, KVM_RUN, 0)) {
			if (errno != EINTR)
				err(1, "vCPU %u: KVM_RUN", vcpu->index);
		} else if (vcpu->run->exit_reason == KVM_EXIT_HLT) {
			vcpu->exits_halt++;
		} else if (vcpu->run->exit_reason == KVM_EXIT_IO &&
			   vcpu->run->io.port == TINY_PORT_DONE) {
			break;
		} else {
			unexpected(vcpu);
		}
	}
	vcpu->ns = now_ns() - start;
	return NULL;
}

/* As a device would: a message to each vCPU's local APIC. */
static void *kick_all(void *argument)
{
	const volatile bool *done = argument;
	struct timespec pause = { .tv_nsec = 1000000 };
	unsigned int i;

	while (!*done) {
		for (i = 0; i < option.vcpus; i++) {
			struct kvm_msi msi = {
				.address_lo = 0xfee00000 | i << 12,
				.data = option.kick,
			};

			if (ioctl(vm, KVM_SIGNAL_MSI, &msi) < 0)
				err(1, "vCPU %u: KVM_SIGNAL_MSI", i);
		}
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void reset_counters(struct vcpu *vcpu)
{
	struct tiny_page *page = vcpu->page;
	unsigned int i;

	page->interrupts = page->done_halts = page->done_cr3 = 0;
	for (i = 0; i < option.spaces; i++)
		page->space[i].turns = page->space[i].iterations = 0;
}

static void check_counter(const struct vcpu *vcpu, const char *what,
			  uint64_t expected, uint64_t found)
{
	if (found != expected)
		errx(1, "vCPU %u: the guest counted %llu %s, %llu were asked for",
		     vcpu->index, (unsigned long long)found, what,
		     (unsigned long long)expected);
}

static void check_vcpu(const struct vcpu *vcpu)
{
	const struct tiny_page *page = vcpu->page;
	uint64_t turns = option.rounds * option.spaces;
	unsigned int i;

	check_counter(vcpu, "writes of CR3", turns * (1 + option.reloads),
		      page->done_cr3);
	check_counter(vcpu, "halts", turns * option.halts, page->done_halts);
	if (!option.irqchip)
		check_counter(vcpu, "halts that ended KVM_RUN",
			      turns * option.halts, vcpu->exits_halt);
	for (i = 0; i < option.spaces; i++) {
		check_counter(vcpu, "turns of a space", option.rounds,
			      page->space[i].turns);
		check_counter(vcpu, "iterations of a space",
			      option.rounds * option.work[i],
			      page->space[i].iterations);
	}
}

static void print_vcpu(const struct vcpu *vcpu)
{
	const struct tiny_page *page = vcpu->page;
	unsigned int i;

	printf("%s{\"page_gpa\": %llu, \"cr3_writes\": %llu, \"cr3_changes\": %llu, \"halts\": %llu, \"interrupts\": %llu, \"ns\": %llu, \"spaces\": [",
	       vcpu->index ? ", " : "",
	       (unsigned long long)block_of(vcpu),
	       (unsigned long long)page->done_cr3,
	       (unsigned long long)(option.spaces > 1 ?
				    option.rounds * option.spaces : 0),
	       (unsigned long long)page->done_halts,
	       (unsigned long long)page->interrupts,
	       (unsigned long long)vcpu->ns);
	for (i = 0; i < option.spaces; i++)
		printf("%s{\"cr3\": %llu, \"turns\": %llu, \"iterations\": %llu}",
		       i ? ", " : "", (unsigned long long)page->space[i].cr3,
		       (unsigned long long)page->space[i].turns,
		       (unsigned long long)page->space[i].iterations);
	printf("]}");
}

static pthread_t start_thread(void *(*function)(void *), void *argument)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, function, argument);
	if (errno)
		err(1, "a thread");
	return thread;
}

static void pass(void)
{
	volatile bool done = false;
	pthread_t kicker = 0;
	unsigned int i;

	for (i = 0; i < option.vcpus; i++) {
		reset_counters(&vcpus[i]);
		vcpus[i].thread = start_thread(run_pass, &vcpus[i]);
	}
	if (option.kick)
		kicker = start_thread(kick_all, (void *)&done);
	for (i = 0; i < option.vcpus; i++)
		pthread_join(vcpus[i].thread, NULL);
	done = true;
	if (option.kick)
		pthread_join(kicker, NULL);
	printf("{\"pid\": %d, \"vcpus\": [", getpid());
	for (i = 0; i < option.vcpus; i++)
		print_vcpu(&vcpus[i]);
	printf("]}\n");
	fflush(stdout);
	for (i = 0; i < option.vcpus; i++)
		check_vcpu(&vcpus[i]);
}

static uint64_t number(const char *name, const char *text, uint64_t max)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || value > max)
		errx(2, "--%s %s: expected a number up to %llu", name, text,
		     (unsigned long long)max);
	return value;
}

static void parse_work(char *list)
{
	uint64_t work = 1000;
	unsigned int i;
	char *word;

	for (i = 0; i < TINY_MAX_SPACES; i++) {
		word = strsep(&list, ",");
		if (word)
			work = number("work", word, UINT32_MAX);
		option.work[i] = work;
	}
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "vcpus", 1, NULL, 'v' }, { "spaces", 1, NULL, 's' },
		{ "rounds", 1, NULL, 'r' }, { "work", 1, NULL, 'w' },
		{ "reloads", 1, NULL, 'l' }, { "halts", 1, NULL, 'h' },
		{ "irqchip", 0, NULL, 'i' }, { "kick", 1, NULL, 'k' },
		{ "passes", 0, NULL, 'p' },
		{ NULL },
	};
	int c;

	parse_work(NULL);
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'v':
			option.vcpus = number("vcpus", optarg, TINY_MAX_VCPUS);
			break;
		case 's':
			option.spaces = number("spaces", optarg,
					       TINY_MAX_SPACES);
			break;
		case 'r':
			option.rounds = number("rounds", optarg, UINT32_MAX);
			break;
		case 'w':
			parse_work(optarg);
			break;
		case 'l':
			option.reloads = number("reloads", optarg, UINT32_MAX);
			break;
		case 'h':
			option.halts = number("halts", optarg, UINT32_MAX);
			break;
		case 'i':
			option.irqchip = true;
			break;
		case 'k':
			option.kick = number("kick", optarg, 255);
			break;
		case 'p':
			option.passes = true;
			break;
		default:
			errx(2, "see the beginning of tinyvm.c for its options");
		}
	}
	if (optind != argc || !option.vcpus || !option.spaces)
		errx(2, "at least one vCPU and one space, and only options");
	if (option.kick && (!option.irqchip || option.kick < 32))
		errx(2, "--kick needs --irqchip and a vector from 32 on");
}

int main(int argc, char **argv)
{
	char line[64];
	unsigned int i;

	parse(argc, argv);
	create_vm();
	for (i = 0; i < option.vcpus; i++)
		create_vcpu(&vcpus[i], i);
	if (!option.passes) {
		pass();
		return 0;
	}
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		pass();
	return 0;
}
