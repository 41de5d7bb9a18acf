// SPDX-License-Identifier: GPL-2.0-only
/* Prints what the module can do here, and the VMs that it sees. */
#include <stdio.h>

#include "lib/module.h"

static const char *const names[MONARCH_FEATURE_NR] = {
	[MONARCH_FEATURE_KVM] = "kvm",
	[MONARCH_FEATURE_ACCOUNT] = "account",
	[MONARCH_FEATURE_REGISTERS] = "registers",
	[MONARCH_FEATURE_CR3_TRAP] = "cr3-trap",
	[MONARCH_FEATURE_HOLD] = "hold",
	[MONARCH_FEATURE_KICK] = "kick",
};

static void print_features(int device)
{
	for (u32 i = 0; i < MONARCH_FEATURE_NR; i++) {
		struct monarch_info info = { .size = sizeof(info), .feature = i };

		must("INFO", device, MONARCH_INFO, &info);
		if (info.abi != MONARCH_ABI)
			die("ABI %u expected, %u found", MONARCH_ABI, info.abi);
		printf("%s: %s\n", names[i],
		       info.features & BIT_ULL(i) ? "on" : info.why);
		if (!(info.features & BIT_ULL(i)) != !!info.why[0])
			die("%s: the bit and the reason do not agree", names[i]);
	}
}

static void print_vms(int device)
{
	struct monarch_vm_entry entries[64];
	struct monarch_list list = {
		.size = sizeof(list), .nr = ARRAY_SIZE(entries),
		.entries = (uintptr_t)entries,
	};

	must("LIST", device, MONARCH_LIST, &list);
	printf("VMs: %u\n", list.nr);
	for (u32 i = 0; i < min(list.nr, 64u); i++)
		printf("vm %u pid %d vcpus %u refusals 0x%x attached %u\n",
		       entries[i].id, entries[i].pid, entries[i].nr_vcpus,
		       entries[i].refusals, entries[i].attached);
}

int main(void)
{
	int device = device_open();

	print_features(device);
	print_vms(device);
	return 0;
}
