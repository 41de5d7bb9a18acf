// SPDX-License-Identifier: GPL-2.0-only
/* Getting commands' structures in and out; the idea is in dispatch.h. */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dispatch.h"

struct head {
	u32 size;
	u32 flags;
};

static const struct command *find(const struct command *commands, u32 nr,
				  unsigned int cmd)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (commands[i].cmd == cmd)
			return &commands[i];
	return NULL;
}

static long run(const struct command *command, void *object, void __user *user,
		u32 user_size, struct head *head)
{
	long err = copy_struct_from_user(head, command->size, user, user_size);

	if (err)
		return err;
	if (head->flags)
		return -EOPNOTSUPP;
	/* It may have changed since it was read; what counts is what we read. */
	head->size = user_size;
	err = command->run(object, head);
	if (err && !command->out_on_error)
		return err;
	if (copy_to_user(user, head, min(user_size, command->size)))
		return -EFAULT;
	return err;
}

long dispatch(const struct command *commands, u32 nr, void *object,
	      unsigned int cmd, unsigned long arg)
{
	const struct command *command = find(commands, nr, cmd);
	void __user *user = (void __user *)arg;
	struct head *head;
	u32 user_size;
	long ret;

	if (!command)
		return -ENOTTY;
	if (get_user(user_size, (u32 __user *)user))
		return -EFAULT;
	if (user_size < command->size_min)
		return -EINVAL;
	if (user_size > PAGE_SIZE)
		return -E2BIG;
	head = kzalloc(command->size, GFP_KERNEL);
	if (!head)
		return -ENOMEM;
	ret = run(command, object, user, user_size, head);
	kfree(head);
	return ret;
}
