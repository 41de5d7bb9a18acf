// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accounting against a guest that counts: tinyvm's passes with the CR3 trap off
 * and on, in turn.
 *
 * usage: kmod_count PASSES TINYVM-OPTION...
 *
 * Runs tinyvm --passes. In each pass with the trap, the module must have seen
 * every write of CR3, by the guest's own count; in each pass without, none. The
 * address spaces' times must add up to the vCPU's, to the cycle.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/module.h"

#define VCPUS_MAX	16

static FILE *to, *from;
static pid_t tinyvm;
static char line[65536];

static void start(char **options)
{
	int in[2], out[2];

	if (pipe(in) || pipe(out))
		die("pipe: %s", strerror(errno));
	tinyvm = fork();
	if (!tinyvm) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execvp("tinyvm", options);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	to = fdopen(in[1], "w");
	from = fdopen(out[0], "r");
}

static void read_line(void)
{
	if (!fgets(line, sizeof(line), from))
		die("tinyvm has ended too soon");
}

/* The sum of all numbers of that name in the line. */
static u64 sum_of(const char *name)
{
	char pattern[32];
	const char *at = line;
	u64 sum = 0;

	snprintf(pattern, sizeof(pattern), "\"%s\": ", name);
	while ((at = strstr(at, pattern))) {
		at += strlen(pattern);
		sum += strtoull(at, NULL, 10);
	}
	return sum;
}

struct total {
	u64 cr3_exits, guest, spaces, other, entries, exits;
};

static void add_up(struct vm *vm, struct total *ret)
{
	struct monarch_vcpu vcpu;

	memset(ret, 0, sizeof(*ret));
	for (u32 i = 0; i < vm->table->nr_vcpus; i++) {
		vm_vcpu(vm, i, &vcpu);
		ret->cr3_exits += vcpu.cr3_exits;
		ret->guest += vcpu.guest_cycles;
		ret->entries += vcpu.entries;
		ret->exits += vcpu.exits;
		ret->other += vcpu.evicted_cycles + vcpu.nested_cycles +
			      vcpu.unknown_cycles;
		for (u32 j = 0; j < ARRAY_SIZE(vcpu.spaces); j++)
			ret->spaces += vcpu.spaces[j].cycles;
	}
}

static void methods_set(struct vm *vm, u32 methods)
{
	struct monarch_account args = {
		.size = sizeof(args), .methods = methods,
	};

	must("ACCOUNT", vm->fd, MONARCH_ACCOUNT, &args);
}

/* Return: writes of CR3 by the guest's count. */
static u64 pass(void)
{
	fprintf(to, "\n");
	fflush(to);
	read_line();
	return sum_of("cr3_writes");
}

static void check_pass(struct vm *vm, bool trap)
{
	struct total before, after;
	u64 writes;

	methods_set(vm, trap ? MONARCH_ACCOUNT_CR3 : MONARCH_ACCOUNT_SAMPLE);
	add_up(vm, &before);
	writes = pass();
	add_up(vm, &after);
	if (after.cr3_exits - before.cr3_exits != (trap ? writes : 0))
		die("with the trap %s: %llu CR3 exits for %llu writes",
		    trap ? "on" : "off", after.cr3_exits - before.cr3_exits,
		    writes);
	if (after.guest != after.spaces + after.other)
		die("%llu cycles in guest mode, but %llu in address spaces and %llu elsewhere",
		    after.guest, after.spaces, after.other);
	if (after.guest == before.guest)
		die("no time in guest mode");
	if (after.entries != after.exits)
		die("%llu entries but %llu exits, with no vCPU running",
		    after.entries, after.exits);
}

int main(int argc, char **argv)
{
	struct vm vm;
	int passes, device, status;
	struct total total;

	if (argc < 2)
		die("usage: kmod_count PASSES TINYVM-OPTION...");
	passes = atoi(argv[1]);
	argv[0] = "tinyvm";
	argv[1] = "--passes";
	start(argv);
	read_line();
	device = device_open();
	vm_attach(&vm, device, tinyvm);
	for (int i = 0; i < passes; i++)
		check_pass(&vm, i & 1);
	add_up(&vm, &total);
	printf("%d passes, %llu CR3 exits, %llu entries, %llu cycles\n",
	       passes, total.cr3_exits, total.entries, total.guest);
	if (passes > 1 && !total.cr3_exits)
		die("nothing was counted");
	vm_detach(&vm);
	/* Without us it goes on as before. */
	pass();
	fclose(to);
	if (waitpid(tinyvm, &status, 0) != tinyvm || status)
		die("tinyvm ended with %d", status);
	return 0;
}
