// SPDX-License-Identifier: GPL-2.0-only
/* See account.h. */
#include "account.h"

void account_init(struct account *account)
{
	*account = (struct account){ .scale = ACCOUNT_UNIT };
}

static void account_push(struct account *account, u64 host_ns, u64 guest_ns)
{
	struct account_interval *slot = &account->intervals[account->next];

	account->sum.host_ns += host_ns - slot->host_ns;
	account->sum.guest_ns += guest_ns - slot->guest_ns;
	slot->host_ns = host_ns;
	slot->guest_ns = guest_ns;
	account->next = (account->next + 1) % ACCOUNT_WINDOW;
}

static u32 account_ratio(const struct account_interval *sum, u64 slack_ns)
{
	if (sum->guest_ns <= sum->host_ns + slack_ns)
		return ACCOUNT_UNIT;
	return (u32)((unsigned __int128)sum->host_ns * ACCOUNT_UNIT /
		     sum->guest_ns);
}

u32 account_add(struct account *account, u64 host_ns, u64 guest_ns,
		u32 nr_vcpus)
{
	u64 delta = 0;

	if (account->has_host && host_ns > account->last_host_ns)
		delta = host_ns - account->last_host_ns;
	account->last_host_ns = host_ns;
	if (!account->has_host) {
		account->has_host = true;
		return account->scale;
	}
	/* a guest may claim anything: keep the sums far from overflow */
	account_push(account, min(delta, 1ull << 50), min(guest_ns, 1ull << 50));
	account->scale = account_ratio(&account->sum,
				       ACCOUNT_SLACK_NS * nr_vcpus);
	return account->scale;
}
