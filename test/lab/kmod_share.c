// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several guests on one CPU, a process that never sleeps in each: what each got
 * of that CPU, by three accounts.
 *
 * usage: kmod_share SECONDS NAME PID...
 *
 * NAME is the process, the PIDs are the guests' QEMUs. Shown for each guest, in
 * percent of the time that passed:
 *
 *	vcpu     in guest mode
 *	cr3      in guest mode with the process's page tables
 *	claim    what the guest's own kernel says that the process has run
 *	guest    the same, less what the vCPU has waited for the CPU
 *
 * The guest does not know that it shared, so it claims far more than it got; by
 * the other accounts the guests shared fairly, and the accounts agree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "lib/module.h"

#define VMS_MAX		4
#define FAIR_PERCENT	5	/* of the CPU, either way */
#define AGREE_PERCENT	3

struct account {
	u64 vcpu, cr3, steal_ns, claim_ns;
};

static struct vm vms[VMS_MAX];
static const char *name;

static void take(struct vm *vm, struct account *ret)
{
	const struct monarch_process *proc;
	struct monarch_vcpu vcpu;
	struct snapshot snap;

	memset(ret, 0, sizeof(*ret));
	vm_sample(vm, true);
	vm_snapshot(vm, &snap);
	proc = snapshot_find(&snap, name);
	if (!proc)
		die("no process '%s' in a guest", name);
	ret->claim_ns = proc->runtime_ns;
	for (u32 i = 0; i < vm->table->nr_vcpus; i++) {
		vm_vcpu(vm, i, &vcpu);
		ret->vcpu += vcpu.guest_cycles;
		ret->steal_ns += vcpu.steal_ns;
		for (u32 j = 0; j < ARRAY_SIZE(vcpu.spaces); j++)
			if (vcpu.spaces[j].key == (proc->pgd & MONARCH_SPACE_MASK))
				ret->cr3 += vcpu.spaces[j].cycles;
	}
	snapshot_free(&snap);
}

static double percent(double part, double whole)
{
	return 100.0 * part / whole;
}

static bool near_to(double a, double b, double most)
{
	return a - b <= most && b - a <= most;
}

int main(int argc, char **argv)
{
	struct monarch_account methods = {
		.size = sizeof(methods), .methods = MONARCH_ACCOUNT_CR3,
	};
	struct account before[VMS_MAX], after[VMS_MAX];
	double vcpu, cr3, claim, guest, sum = 0;
	u64 start, ns, cycles;
	int nr = argc - 3, device;

	if (nr < 1 || nr > VMS_MAX)
		die("usage: kmod_share SECONDS NAME PID...");
	name = argv[2];
	for (int i = 0; i < nr; i++) {
		/* Each by a device of its own: they do not know each other. */
		device = device_open();
		vm_attach(&vms[i], device, atoi(argv[3 + i]));
		vm_find(&vms[i]);
		must("ACCOUNT", vms[i].fd, MONARCH_ACCOUNT, &methods);
	}
	for (int i = 0; i < nr; i++)
		take(&vms[i], &before[i]);
	start = now_ns();
	sleep_ms(1000 * atoi(argv[1]));
	ns = now_ns() - start;
	for (int i = 0; i < nr; i++)
		take(&vms[i], &after[i]);
	cycles = ns * vms[0].table->tsc_khz / 1000000;
	for (int i = 0; i < nr; i++) {
		vcpu = percent(after[i].vcpu - before[i].vcpu, cycles);
		cr3 = percent(after[i].cr3 - before[i].cr3, cycles);
		claim = percent(after[i].claim_ns - before[i].claim_ns, ns);
		guest = claim - percent(after[i].steal_ns - before[i].steal_ns,
					ns);
		printf("guest %d: vcpu %.2f %% cr3 %.2f %% claim %.2f %% guest %.2f %%\n",
		       i, vcpu, cr3, claim, guest);
		sum += vcpu;
		if (!near_to(vcpu, 100.0 / nr, FAIR_PERCENT))
			die("guest %d has not had its share of the CPU", i);
		if (!near_to(cr3, guest, AGREE_PERCENT))
			die("guest %d: the accounts do not agree", i);
		if (nr > 1 && claim < 1.5 * cr3)
			die("guest %d claims no more than it got: it did not share",
			    i);
	}
	printf("all: %.2f %%\n", sum);
	if (sum > 100.5)
		die("more than there is");
	return 0;
}
