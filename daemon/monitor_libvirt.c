// SPDX-License-Identifier: GPL-2.0-only
/*
 * The monitor of a VM that libvirt owns, through virDomainQemuMonitorCommand().
 * libvirt marks the domain as tainted ("custom-monitor"), and says so in its
 * log once.
 *
 * The domain is looked up for each command, so that a monitor lives on when
 * libvirtd restarts. A command waits up to 30 s behind a job of the domain
 * (migration, snapshot); so we ask first whether there is one.
 */
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libvirt_link.h"
#include "monitor.h"

struct monitor_libvirt {
	struct monitor monitor;
	struct libvirt_link *link;
	char uuid[40];
};

static int error_of_libvirt(void)
{
	switch (virGetLastErrorCode()) {
	case VIR_ERR_NO_DOMAIN:
	case VIR_ERR_OPERATION_INVALID:	/* not running */
		return -ENOTCONN;
	case VIR_ERR_OPERATION_TIMEOUT:
		return -ETIMEDOUT;
	case VIR_ERR_AUTH_FAILED:
	case VIR_ERR_ACCESS_DENIED:
	case VIR_ERR_OPERATION_DENIED:
		return -EPERM;
	default:
		return -EIO;
	}
}

static int is_free(virDomainPtr domain)
{
	virDomainControlInfo info;

	if (virDomainGetControlInfo(domain, &info, 0))
		return error_of_libvirt();
	return info.state == VIR_DOMAIN_CONTROL_OK ? 0 :
	       info.state == VIR_DOMAIN_CONTROL_ERROR ? -ENOTCONN : -EBUSY;
}

/* libvirt hands an "error" reply through as a success: look inside. */
static int take_reply(char *reply, char **ret_reply)
{
	struct json_object *root = json_tokener_parse(reply);
	int err = 0;

	if (!json_object_is_type(root, json_type_object))
		err = -EBADMSG;
	else if (json_object_object_get_ex(root, "error", NULL))
		err = -EIO;
	json_object_put(root);
	if (err || !ret_reply)
		free(reply);
	else
		*ret_reply = reply;
	return err;
}

static int run(virDomainPtr domain, const char *command, int fd,
	       char **ret_reply)
{
	char *reply = NULL;
	int failed;

	if (fd >= 0)
		failed = virDomainQemuMonitorCommandWithFiles(
			domain, command, 1, &fd, NULL, NULL, &reply, 0);
	else
		failed = virDomainQemuMonitorCommand(domain, command, &reply, 0);
	if (failed)
		return error_of_libvirt();
	return take_reply(reply, ret_reply);
}

static int getfd_and_run(virDomainPtr domain, const char *fd_name, int fd,
			 const char *command, char **ret_reply)
{
	char getfd[128];
	int err;

	err = is_free(domain);
	if (!err && fd >= 0) {
		snprintf(getfd, sizeof(getfd), "{\"execute\":\"getfd\","
			 "\"arguments\":{\"fdname\":\"%s\"}}", fd_name);
		err = run(domain, getfd, fd, NULL);
	}
	if (!err)
		err = run(domain, command, -1, ret_reply);
	return err;
}

static int qmp_fd(struct monitor *monitor, const char *fd_name, int fd,
		  const char *command, char **ret_reply)
{
	struct monitor_libvirt *libvirt = container_of(
		monitor, struct monitor_libvirt, monitor);
	virConnectPtr connection = libvirt_link_connection(libvirt->link);
	virDomainPtr domain;
	int err;

	if (!connection)
		return -ENOTCONN;
	domain = virDomainLookupByUUIDString(connection, libvirt->uuid);
	if (domain) {
		err = getfd_and_run(domain, fd_name, fd, command, ret_reply);
		virDomainFree(domain);
	} else {
		err = error_of_libvirt();
	}
	virConnectClose(connection);
	return err;
}

static int qmp(struct monitor *monitor, const char *command, char **ret_reply)
{
	return qmp_fd(monitor, NULL, -1, command, ret_reply);
}

static void destroy(struct monitor *monitor)
{
	struct monitor_libvirt *libvirt = container_of(
		monitor, struct monitor_libvirt, monitor);

	libvirt_link_put(libvirt->link);
	free(libvirt);
}

int monitor_libvirt_open(struct libvirt_link *link, const char *uuid,
			 struct monitor **ret)
{
	struct monitor_libvirt *libvirt = calloc(1, sizeof(*libvirt));

	if (!libvirt)
		return -ENOMEM;
	libvirt->monitor = (struct monitor){
		.qmp = qmp, .qmp_fd = qmp_fd, .destroy = destroy,
	};
	libvirt->link = libvirt_link_get(link);
	snprintf(libvirt->uuid, sizeof(libvirt->uuid), "%s", uuid);
	*ret = &libvirt->monitor;
	return 0;
}
