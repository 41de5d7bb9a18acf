/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's D-Bus interface by name; docs/bus.md says what each call means.
 *
 * Things of which there are few travel as dictionaries (aa{sv}), which grow
 * without breaking anyone. Processes are many: they travel as structures with
 * a dictionary at the end for what is rare.
 */
#ifndef MONARCH_BUS_H
#define MONARCH_BUS_H

#define MONARCH_VERSION		"0.1.0"

#define MONARCH_BUS_NAME	"org.monarch1"
#define MONARCH_BUS_PATH	"/org/monarch1"
#define MONARCH_BUS_MANAGER	"org.monarch1.Manager"

/* Where the peer-to-peer server listens; MONARCH_BUS overrides it. */
#define MONARCH_BUS_SOCKET	"/run/monarch/bus"
#define MONARCH_BUS_ENV		"MONARCH_BUS"

/*
 * One process: pid, parent, uid, gid, threads, state letter, name (escaped),
 * CPU time by the guest's own account (ns), corrected CPU time since Monarch
 * first saw it (ns), start (ns of the guest's clock), percent of one CPU over
 * the last second, stop state, the rest.
 */
#define MONARCH_PROCESS_FIELDS	"uuuuusstttdsa{sv}"
#define MONARCH_PROCESSES	"a(" MONARCH_PROCESS_FIELDS ")"

#define MONARCH_ERROR_NO_VM	"org.monarch1.Error.NoSuchVM"
#define MONARCH_ERROR_NO_PROCESS "org.monarch1.Error.NoSuchProcess"
#define MONARCH_ERROR_AMBIGUOUS	"org.monarch1.Error.Ambiguous"
#define MONARCH_ERROR_REFUSED	"org.monarch1.Error.Refused"
#define MONARCH_ERROR_NOT_READY	"org.monarch1.Error.NotReady"
#define MONARCH_ERROR_POLICY	"org.monarch1.Error.BadPolicy"

#endif /* MONARCH_BUS_H */
