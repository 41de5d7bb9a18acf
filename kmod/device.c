// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/monarch: names VMs, attaches to them, beats time. Who may open its node
 * may do everything, so the node is root's until somebody gives it away.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "device.h"
#include "dispatch.h"
#include "kvm.h"
#include "roster.h"
#include "session.h"
#include "vm.h"

#define PROCESSES_DEFAULT	4096
#define THREADS_DEFAULT		16384
#define LIST_MAX		8192

static int run_info(void *object, void *arg)
{
	struct monarch_info *info = arg;

	if (info->reserved || info->feature >= MONARCH_FEATURE_NR)
		return -EINVAL;
	info->abi = MONARCH_ABI;
	info->nr_features = MONARCH_FEATURE_NR;
	info->features = hooks_features();
	hooks_why(info->feature, info->why);
	return 0;
}

static int run_list(void *object, void *arg)
{
	struct monarch_list *list = arg;
	u32 max = min_t(u32, list->nr, LIST_MAX);
	struct monarch_vm_entry *entries;
	int nr;

	if (list->reserved)
		return -EINVAL;
	entries = kvcalloc(max(max, 1u), sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	nr = roster_list(entries, max);
	if (nr >= 0) {
		list->nr = nr;
		if (copy_to_user(u64_to_user_ptr(list->entries), entries,
				 min_t(u32, nr, max) * sizeof(*entries)))
			nr = -EFAULT;
	}
	kvfree(entries);
	return min(nr, 0);
}

static int attach(struct session *session, struct monarch_attach *attach)
{
	struct link_found found;
	struct vm *vm;
	int err = roster_take(attach->id, attach->pid, &found, &attach->id);

	if (err)
		return err;
	err = vm_create(&found, attach->id, attach->max_processes,
			attach->max_threads, &vm);
	roster_found_free(&found);
	if (err) {
		roster_give_back(attach->id);
		return err;
	}
	attach->table_size = vm->table.bytes;
	session_add(session, vm);
	attach->fd = vm_fd_create(vm);
	return min(attach->fd, 0);
}

static int run_attach(void *object, void *arg)
{
	struct file *file = object;
	struct monarch_attach *args = arg;

	if (args->reserved || args->max_processes > MONARCH_PROCESSES_MAX ||
	    args->max_threads > MONARCH_THREADS_MAX)
		return -EINVAL;
	if (!args->max_processes)
		args->max_processes = PROCESSES_DEFAULT;
	if (!args->max_threads)
		args->max_threads = THREADS_DEFAULT;
	return attach(file->private_data, args);
}

static int run_tick(void *object, void *arg)
{
	struct file *file = object;
	struct monarch_tick *tick = arg;

	return session_tick(file->private_data, tick->quantum_ns);
}

static const struct command commands[] = {
	COMMAND(MONARCH_INFO, monarch_info, why, run_info),
	COMMAND(MONARCH_LIST, monarch_list, entries, run_list),
	COMMAND(MONARCH_ATTACH, monarch_attach, table_size, run_attach),
	COMMAND(MONARCH_TICK, monarch_tick, quantum_ns, run_tick),
};

static long device_ioctl(struct file *file, unsigned int cmd,
			 unsigned long arg)
{
	return dispatch(commands, ARRAY_SIZE(commands), file, cmd, arg);
}

static int device_open(struct inode *inode, struct file *file)
{
	struct session *session = session_create();

	if (!session)
		return -ENOMEM;
	file->private_data = session;
	return stream_open(inode, file);
}

static int device_release(struct inode *inode, struct file *file)
{
	session_end(file->private_data);
	return 0;
}

static ssize_t device_read(struct file *file, char __user *buf, size_t len,
			   loff_t *pos)
{
	struct monarch_tick_event event;
	int err;

	if (len < sizeof(event))
		return -EINVAL;
	err = session_read(file->private_data,
			   !(file->f_flags & O_NONBLOCK), &event);
	if (err)
		return err;
	return copy_to_user(buf, &event, sizeof(event)) ?
		       -EFAULT : sizeof(event);
}

static __poll_t device_poll(struct file *file, struct poll_table_struct *table)
{
	return session_poll(file->private_data, file, table);
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.read = device_read,
	.poll = device_poll,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "monarch",
	.mode = 0600,
	.fops = &device_fops,
};

int device_init(void)
{
	return misc_register(&device);
}

void device_exit(void)
{
	misc_deregister(&device);
}
