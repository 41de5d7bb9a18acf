// SPDX-License-Identifier: GPL-2.0-only
/* monarch.ko: loading and unloading, nothing else. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "device.h"
#include "kvm.h"
#include "roster.h"
#include "vm.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static int __init monarch_init(void)
{
	int err;

	err = vms_init();
	if (err)
		return err;
	err = hooks_init();
	if (err)
		goto out_vms;
	err = device_init();
	if (err)
		goto out_hooks;
	hooks_features();
	return 0;

out_hooks:
	hooks_exit();
out_vms:
	vms_exit();
	return err;
}

/* Each VM has a reference to the module: there are none. */
static void __exit monarch_exit(void)
{
	device_exit();
	vms_exit();
	hooks_exit();
	roster_exit();
}

module_init(monarch_init);
module_exit(monarch_exit);
MODULE_LICENSE("GPL");
MODULE_AUTHOR("The Monarch project");
MODULE_DESCRIPTION("Sees and schedules the processes of KVM guests from outside");
