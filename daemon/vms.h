/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMs of this host: libvirt's domains by events, and QEMU processes that
 * libvirt does not know, by /proc. libvirt blocks, so it lives in a thread of
 * its own; what happens is told through a file descriptor that an event loop
 * can wait on.
 */
#ifndef DAEMON_VMS_H
#define DAEMON_VMS_H

#include "backend.h"

struct vms;

enum vms_event_kind { VMS_APPEARED, VMS_GONE, VMS_LIBVIRT_UP, VMS_LIBVIRT_DOWN };

struct vms_event {
	enum vms_event_kind kind;
	struct vm_identity identity;
};

/**
 * vms_create() - start watching
 * @uri: libvirt connection ("qemu:///system"), or NULL: no libvirt
 * libvirt absent or restarting is not an error: it is connected to when it
 * comes. Bare QEMU processes are reported within about 2 s.
 */
int vms_create(const char *uri, struct vms **ret);
struct vms *vms_destroy(struct vms *vms);

/* Readable when vms_next() has something. */
int vms_fd(struct vms *vms);

/* Return: 1 with *ret, 0 nothing more now. */
int vms_next(struct vms *vms, struct vms_event *ret);

/* Whether vms_next() has told of every VM that there was at the start. */
bool vms_told_all(struct vms *vms);

/*
 * A monitor for this VM: through libvirt, or the QMP socket of its command
 * line. Blocks up to some seconds: call it off the event loop.
 * Return: 0; -ENOENT it has none that we can use, -EAGAIN not now, but perhaps
 * later (@why says what to do).
 */
int vms_monitor(struct vms *vms, const struct vm_identity *identity,
		struct monitor **ret, char why[BACKEND_WHY_LEN]);

#endif /* DAEMON_VMS_H */
