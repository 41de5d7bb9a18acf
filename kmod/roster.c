// SPDX-License-Identifier: GPL-2.0-only
/* The VMs of the host by id; the idea is in roster.h. */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/slab.h>

#include "roster.h"

/*
 * One that has been seen. An attached VM's @key can not be used again, since the
 * VM is kept; another's only by a later VM of the same process.
 */
struct known {
	struct list_head node;
	u32 id;
	const void *key;
	u64 born;
	pid_t pid;
	bool attached;
	bool seen;
};

static DEFINE_MUTEX(roster_lock);
static LIST_HEAD(roster);	/* roster_lock */
static u32 last_id;		/* roster_lock */

static bool is_same(const struct known *known, const struct link_found *found)
{
	return known->key == found->key && known->born == found->born &&
	       known->pid == pid_nr(found->pid);
}

static struct known *known_get(const struct link_found *found)
{
	struct known *known;

	list_for_each_entry(known, &roster, node)
		if (is_same(known, found))
			return known;
	known = kzalloc(sizeof(*known), GFP_KERNEL);
	if (!known)
		return NULL;
	known->id = ++last_id;
	known->key = found->key;
	known->born = found->born;
	known->pid = pid_nr(found->pid);
	list_add_tail(&known->node, &roster);
	return known;
}

static void forget_unseen(void)
{
	struct known *known, *next;

	list_for_each_entry_safe(known, next, &roster, node) {
		if (!known->seen && !known->attached) {
			list_del(&known->node);
			kfree(known);
			continue;
		}
		known->seen = false;
	}
}

static void entry_fill(struct monarch_vm_entry *entry,
		       const struct known *known,
		       const struct link_found *found)
{
	entry->id = known->id;
	entry->pid = pid_vnr(found->pid);
	entry->nr_vcpus = found->nr_vcpus;
	entry->refusals = found->refusals;
	entry->attached = known->attached;
	entry->reserved = 0;
}

int roster_list(struct monarch_vm_entry *ret, u32 max)
{
	struct link_found *found;
	struct known *known;
	int nr = link_scan(&found), i;
	int err = 0;

	if (nr < 0)
		return nr;
	mutex_lock(&roster_lock);
	for (i = 0; i < nr && !err; i++) {
		known = known_get(&found[i]);
		if (!known) {
			err = -ENOMEM;
			break;
		}
		known->seen = true;
		if (i < max)
			entry_fill(&ret[i], known, &found[i]);
	}
	if (!err)
		forget_unseen();
	mutex_unlock(&roster_lock);
	link_scan_free(found, nr);
	return err ? err : nr;
}

static bool is_meant(const struct known *known, const struct link_found *found,
		     u32 id, s32 pid)
{
	return id ? known->id == id : pid_vnr(found->pid) == pid;
}

static void found_copy(struct link_found *to, const struct link_found *from)
{
	*to = *from;
	get_file(to->file);
	get_pid(to->pid);
}

void roster_found_free(struct link_found *found)
{
	fput(found->file);
	put_pid(found->pid);
}

/* Return: 0, or as roster_take(). */
static int take(struct link_found *found, int nr, u32 id, s32 pid,
		struct link_found *ret, u32 *ret_id)
{
	struct known *known;
	int i;

	for (i = 0; i < nr; i++) {
		known = known_get(&found[i]);
		if (!known)
			return -ENOMEM;
		if (!is_meant(known, &found[i], id, pid))
			continue;
		if (known->attached)
			return -EBUSY;
		known->attached = true;
		found_copy(ret, &found[i]);
		*ret_id = known->id;
		return 0;
	}
	return -ENOENT;
}

int roster_take(u32 id, s32 pid, struct link_found *ret, u32 *ret_id)
{
	struct link_found *found;
	int nr = link_scan(&found), err;

	if (nr < 0)
		return nr;
	mutex_lock(&roster_lock);
	err = take(found, nr, id, pid, ret, ret_id);
	mutex_unlock(&roster_lock);
	link_scan_free(found, nr);
	return err;
}

void roster_give_back(u32 id)
{
	struct known *known;

	mutex_lock(&roster_lock);
	list_for_each_entry(known, &roster, node)
		if (known->id == id)
			known->attached = false;
	mutex_unlock(&roster_lock);
}

void roster_exit(void)
{
	struct known *known, *next;

	list_for_each_entry_safe(known, next, &roster, node) {
		list_del(&known->node);
		kfree(known);
	}
}
