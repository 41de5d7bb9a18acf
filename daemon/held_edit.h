/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The edit() of a backend that can hold, apply and release: plans are made
 * under the hold that applies them, and one hold serves all targets up to a
 * bound on its length.
 */
#ifndef DAEMON_HELD_EDIT_H
#define DAEMON_HELD_EDIT_H

#include "backend.h"

/* As backend_ops.edit(), in the guest @kernel. */
int held_edit(struct backend *backend, const struct gi_kernel *kernel,
	      struct backend_target *targets, u32 nr, struct backend_edit *ret);

#endif /* DAEMON_HELD_EDIT_H */
