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
 *	host     out of it, while its thread had the CPU: what exits cost, which is
 *	         much where the CPU is emulated
 *	cr3      in guest mode with the process's page tables
 *	claim    what the guest's own kernel says that the process has run
 *	guest    the same, less what the vCPU has waited for the CPU
 *
 * The guest does not know that it shared, so it claims far more than it got; by
 * the other accounts the guests shared fairly. The guest's clock goes on during
 * exits, so "guest" is "cr3" and "host" together.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "lib/module.h"

#define VMS_MAX		4
#define FAIR_PERCENT	5	/* of the CPU, either way */
#define AGREE_PERCENT	3

struct account {
	u64 vcpu, cr3, steal_ns, claim_ns;
	u64 cpu_ns;		/* of the vCPU's thread, by the host's scheduler */
};

struct shares {
	double vcpu, host, cr3, claim, guest;
};

static struct vm vms[VMS_MAX];
static const char *name;

static u64 thread_ns(int pid, const char *tid)
{
	char path[300], line[64] = "";
	u64 ns = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", pid, tid);
	file = fopen(path, "r");
	if (!file || !fgets(line, sizeof(line), file))
		die("%s: %s", path, strerror(errno));
	fclose(file);
	if (strncmp(line, "CPU ", 4))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, tid);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%llu", &ns) != 1)
		die("%s: %s", path, strerror(errno));
	fclose(file);
	return ns;
}

/* Of QEMU's threads, those that are vCPUs, by the name that QEMU gives them. */
static u64 vcpu_threads_ns(int pid)
{
	char path[32];
	struct dirent *entry;
	u64 ns = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		die("%s: %s", path, strerror(errno));
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			ns += thread_ns(pid, entry->d_name);
	closedir(dir);
	if (!ns)
		die("process %d has no threads of vCPUs", pid);
	return ns;
}

static void take(struct vm *vm, int pid, struct account *ret)
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
	ret->cpu_ns = vcpu_threads_ns(pid);
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

static void shares_get(const struct account *before,
		       const struct account *after, u64 ns, u64 khz,
		       struct shares *ret)
{
	u64 cycles = ns * khz / 1000000;

	ret->vcpu = percent(after->vcpu - before->vcpu, cycles);
	ret->host = percent(after->cpu_ns - before->cpu_ns, ns) - ret->vcpu;
	ret->cr3 = percent(after->cr3 - before->cr3, cycles);
	ret->claim = percent(after->claim_ns - before->claim_ns, ns);
	ret->guest = ret->claim -
		     percent(after->steal_ns - before->steal_ns, ns);
}

static void check(const struct shares *shares, double sum, int nr)
{
	if (!near_to(percent(shares->vcpu, sum), 100.0 / nr, FAIR_PERCENT))
		die("a guest has not had its share of the CPU");
	if (!near_to(shares->cr3 + shares->host, shares->guest, AGREE_PERCENT))
		die("the accounts do not agree");
	if (shares->cr3 < 0.9 * shares->vcpu)
		die("time in guest mode is not the process's");
	if (nr > 1 && shares->claim < 1.5 * shares->guest)
		die("a guest claims no more than it got: it did not share");
}

int main(int argc, char **argv)
{
	struct monarch_account methods = {
		.size = sizeof(methods), .methods = MONARCH_ACCOUNT_CR3,
	};
	struct account before[VMS_MAX], after[VMS_MAX];
	struct shares shares[VMS_MAX];
	int nr = argc - 3, device;
	double sum = 0;
	u64 start, ns;

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
		take(&vms[i], atoi(argv[3 + i]), &before[i]);
	start = now_ns();
	sleep_ms(1000 * atoi(argv[1]));
	ns = now_ns() - start;
	for (int i = 0; i < nr; i++) {
		take(&vms[i], atoi(argv[3 + i]), &after[i]);
		shares_get(&before[i], &after[i], ns, vms[0].table->tsc_khz,
			   &shares[i]);
		sum += shares[i].vcpu;
		printf("guest %d: vcpu %.2f %% host %.2f %% cr3 %.2f %% claim %.2f %% guest %.2f %%\n",
		       i, shares[i].vcpu, shares[i].host, shares[i].cr3,
		       shares[i].claim, shares[i].guest);
	}
	for (int i = 0; i < nr; i++)
		check(&shares[i], sum, nr);
	return 0;
}
