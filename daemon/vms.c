// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMs of this host. Two threads feed one list: one looks through /proc for
 * QEMU processes, the other (libvirt_link.c) knows libvirt's domains. They are
 * brought together by the UUID in the command line, so it does not matter where
 * an instance of libvirt keeps its files.
 *
 * A process that libvirt started (its monitor is libvirt's) is reported when
 * libvirt lists its domain; if it does not within some seconds, the process
 * belongs to a libvirt that we are not connected to, and is reported as it is.
 * Should its domain be listed later, it goes and appears anew, as libvirt's.
 *
 * The end of a process is seen at once, through a pidfd. Processes are looked
 * for each second, but only while processes are being made on this host, and
 * every tenth second in any case.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "libvirt_link.h"
#include "monitor.h"
#include "qemu_cmdline.h"
#include "vms.h"

#define SCAN_MS			1000
#define SCAN_ANYWAY		10	/* scans */
#define LIBVIRT_PATIENCE_MS	5000
#define NR_VMS			4096
#define QMP_RETRIES		30
#define QMP_RETRY_MS		100

/* A QEMU process. */
struct process {
	struct vm_identity identity;
	int pidfd;
	u64 seen_ms;
	bool of_libvirt;	/* by its command line */
	bool reported;
};

struct queued_event {
	struct queued_event *next;
	struct vms_event event;
};

struct vms {
	struct libvirt_listener listener;
	struct libvirt_link *link;	/* NULL: no libvirt wanted */
	int event_fd;		/* readable: events are queued */
	int wake_fd;		/* wakes the scanning thread */
	pthread_t thread;
	bool thread_runs;
	atomic_bool stopping;

	pthread_mutex_t lock;	/* of all below */
	struct queued_event *first, **last;
	struct libvirt_domain *domains;
	u32 nr_domains;
	struct process processes[NR_VMS];
	u32 nr_processes;
	bool scanned;		/* once, at least */
};

/* ---- Events ---- */

static void queue(struct vms *vms, enum vms_event_kind kind,
		  const struct vm_identity *identity)
{
	struct queued_event *queued = calloc(1, sizeof(*queued));

	if (!queued)
		return;
	queued->event.kind = kind;
	if (identity)
		queued->event.identity = *identity;
	*vms->last = queued;
	vms->last = &queued->next;
	eventfd_write(vms->event_fd, 1);
}

int vms_fd(struct vms *vms)
{
	return vms->event_fd;
}

int vms_next(struct vms *vms, struct vms_event *ret)
{
	struct queued_event *queued;
	eventfd_t value;

	pthread_mutex_lock(&vms->lock);
	queued = vms->first;
	if (queued) {
		vms->first = queued->next;
		if (!vms->first)
			vms->last = &vms->first;
	} else {
		eventfd_read(vms->event_fd, &value);
	}
	pthread_mutex_unlock(&vms->lock);
	if (!queued)
		return 0;
	*ret = queued->event;
	free(queued);
	return 1;
}

bool vms_told_all(struct vms *vms)
{
	bool told;

	pthread_mutex_lock(&vms->lock);
	told = vms->scanned && !vms->first;
	for (u32 i = 0; i < vms->nr_processes; i++)
		told = told && vms->processes[i].reported;
	pthread_mutex_unlock(&vms->lock);
	return told;
}

/* ---- Bringing the two views together; under the lock ---- */

static const struct libvirt_domain *find_domain(struct vms *vms,
						const char *uuid)
{
	for (u32 i = 0; i < vms->nr_domains && uuid[0]; i++)
		if (!strcmp(vms->domains[i].uuid, uuid))
			return &vms->domains[i];
	return NULL;
}

static bool may_be_listed_yet(const struct vms *vms,
			      const struct process *process)
{
	return process->of_libvirt && vms->link &&
	       clock_ms() - process->seen_ms < LIBVIRT_PATIENCE_MS;
}

static void report_process(struct vms *vms, struct process *process)
{
	const struct libvirt_domain *domain =
		process->of_libvirt && !process->identity.libvirt ?
		find_domain(vms, process->identity.uuid) : NULL;

	if (!domain && (process->reported || may_be_listed_yet(vms, process)))
		return;
	/* reported while libvirt was away: who it is changes with its domain */
	if (process->reported)
		queue(vms, VMS_GONE, &process->identity);
	if (domain) {
		process->identity.libvirt = true;
		memcpy(process->identity.name, domain->name,
		       sizeof(domain->name));
	}
	process->reported = true;
	queue(vms, VMS_APPEARED, &process->identity);
}

static void report_processes(struct vms *vms)
{
	for (u32 i = 0; i < vms->nr_processes; i++)
		report_process(vms, &vms->processes[i]);
}

static void drop_process(struct vms *vms, u32 i)
{
	struct process *process = &vms->processes[i];

	if (process->reported)
		queue(vms, VMS_GONE, &process->identity);
	close(process->pidfd);
	*process = vms->processes[--vms->nr_processes];
}

static bool is_known(struct vms *vms, pid_t pid)
{
	for (u32 i = 0; i < vms->nr_processes; i++)
		if (vms->processes[i].identity.pid == pid)
			return true;
	return false;
}

/* ---- What libvirt says ---- */

static void on_state(struct libvirt_listener *listener, bool up)
{
	struct vms *vms = container_of(listener, struct vms, listener);

	pthread_mutex_lock(&vms->lock);
	queue(vms, up ? VMS_LIBVIRT_UP : VMS_LIBVIRT_DOWN, NULL);
	pthread_mutex_unlock(&vms->lock);
}

static void on_domains(struct libvirt_listener *listener,
		       const struct libvirt_domain *domains, u32 nr)
{
	struct vms *vms = container_of(listener, struct vms, listener);
	struct libvirt_domain *copy = malloc((nr ? nr : 1) * sizeof(*copy));

	if (!copy)
		return;
	memcpy(copy, domains, nr * sizeof(*copy));
	pthread_mutex_lock(&vms->lock);
	free(vms->domains);
	vms->domains = copy;
	vms->nr_domains = nr;
	report_processes(vms);
	pthread_mutex_unlock(&vms->lock);
	/* The process may be newer than the last scan. */
	eventfd_write(vms->wake_fd, 2);
}

/* ---- Looking through /proc ---- */

/* Fills all but the pidfd. Return: is it a QEMU that runs a VM? */
static bool look_at(pid_t pid, struct process *ret)
{
	struct qemu_cmdline cmdline;
	char exe[256];

	if (qemu_exe(pid, exe, sizeof(exe)) || !qemu_is_system(exe) ||
	    qemu_cmdline_read(pid, &cmdline))
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->identity.pid = pid;
	memcpy(ret->identity.uuid, cmdline.uuid, sizeof(cmdline.uuid));
	if (cmdline.name[0])
		memcpy(ret->identity.name, cmdline.name, sizeof(cmdline.name));
	else
		snprintf(ret->identity.name, sizeof(ret->identity.name),
			 "qemu-%d", pid);
	ret->of_libvirt = cmdline.libvirt;
	ret->seen_ms = clock_ms();
	return true;
}

/*
 * libvirt asks each QEMU binary what it can do, in a process that lives for a
 * moment and has no VM ("-machine none").
 */
static bool is_probe(pid_t pid)
{
	struct qemu_cmdline cmdline;

	return !qemu_cmdline_read(pid, &cmdline) &&
	       !strcmp(cmdline.machine, "none");
}

static void add_process(struct vms *vms, pid_t pid)
{
	struct process process;

	if (!look_at(pid, &process) || is_probe(pid))
		return;
	process.pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (process.pidfd < 0)
		return;
	pthread_mutex_lock(&vms->lock);
	if (vms->nr_processes < NR_VMS) {
		vms->processes[vms->nr_processes++] = process;
		report_process(vms, &vms->processes[vms->nr_processes - 1]);
	} else {
		close(process.pidfd);
	}
	pthread_mutex_unlock(&vms->lock);
}

static void scan(struct vms *vms)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		bool known;
		pid_t pid;

		if (!isdigit((u8)entry->d_name[0]))
			continue;
		pid = atoi(entry->d_name);
		pthread_mutex_lock(&vms->lock);
		known = is_known(vms, pid);
		pthread_mutex_unlock(&vms->lock);
		if (!known)
			add_process(vms, pid);
	}
	closedir(dir);
}

/* The last pid given out: the fifth word of /proc/loadavg. */
static int last_pid(void)
{
	char text[128];
	int pid = 0;
	FILE *file = fopen("/proc/loadavg", "re");

	if (!file)
		return 0;
	if (fgets(text, sizeof(text), file))
		sscanf(text, "%*s %*s %*s %*s %d", &pid);
	fclose(file);
	return pid;
}

/* Wait for the end of a process, for a wake-up, or for the next scan. */
static bool wait_for_news(struct vms *vms, struct pollfd *pfds)
{
	eventfd_t value = 0;
	u32 nr;

	pthread_mutex_lock(&vms->lock);
	nr = vms->nr_processes;
	for (u32 i = 0; i < nr; i++)
		pfds[i + 1] = (struct pollfd){
			.fd = vms->processes[i].pidfd, .events = POLLIN,
		};
	pthread_mutex_unlock(&vms->lock);
	pfds[0] = (struct pollfd){ .fd = vms->wake_fd, .events = POLLIN };
	if (poll(pfds, nr + 1, SCAN_MS) < 0)
		return false;
	/* From the end: dropping one moves the last one into its place. */
	pthread_mutex_lock(&vms->lock);
	for (u32 i = nr; i--;)
		if (pfds[i + 1].revents)
			drop_process(vms, i);
	report_processes(vms);
	pthread_mutex_unlock(&vms->lock);
	if (pfds[0].revents)
		eventfd_read(vms->wake_fd, &value);
	return value != 0;
}

/*
 * A process becomes a QEMU by exec, after its birth: so one more scan follows
 * the last birth.
 */
static void *run(void *opaque)
{
	struct pollfd *pfds = calloc(NR_VMS + 1, sizeof(*pfds));
	struct vms *vms = opaque;
	u64 next_ms = 0;
	int last = 0;
	u32 quiet = 0;	/* scans in a row before which nothing was born */

	while (pfds && !vms->stopping) {
		bool asked = wait_for_news(vms, pfds);
		int before = last;

		if (!asked && clock_ms() < next_ms)
			continue;
		next_ms = clock_ms() + SCAN_MS;
		last = last_pid();
		quiet = last == before ? quiet + 1 : 0;
		if (asked || quiet <= 1 || quiet % SCAN_ANYWAY == 0)
			scan(vms);
		pthread_mutex_lock(&vms->lock);
		vms->scanned = true;
		pthread_mutex_unlock(&vms->lock);
	}
	free(pfds);
	return NULL;
}

/* ---- Life and monitors ---- */

static int start(struct vms *vms, const char *uri)
{
	vms->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vms->wake_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vms->event_fd < 0 || vms->wake_fd < 0)
		return -errno;
	if (uri) {
		int err = libvirt_link_create(uri, &vms->listener, &vms->link);

		if (err)
			return err;
	}
	vms->thread_runs = !pthread_create(&vms->thread, NULL, run, vms);
	return vms->thread_runs ? 0 : -EAGAIN;
}

int vms_create(const char *uri, struct vms **ret)
{
	struct vms *vms = calloc(1, sizeof(*vms));
	int err;

	if (!vms)
		return -ENOMEM;
	vms->listener = (struct libvirt_listener){
		.state = on_state, .domains = on_domains,
	};
	vms->last = &vms->first;
	vms->event_fd = vms->wake_fd = -1;
	pthread_mutex_init(&vms->lock, NULL);
	err = start(vms, uri);
	if (err) {
		vms_destroy(vms);
		return err;
	}
	*ret = vms;
	return 0;
}

struct vms *vms_destroy(struct vms *vms)
{
	struct vms_event event;

	if (!vms)
		return NULL;
	vms->stopping = true;
	if (vms->link)
		libvirt_link_stop(vms->link);
	if (vms->thread_runs) {
		eventfd_write(vms->wake_fd, 1);
		pthread_join(vms->thread, NULL);
	}
	libvirt_link_put(vms->link);
	for (u32 i = 0; i < vms->nr_processes; i++)
		close(vms->processes[i].pidfd);
	while (vms_next(vms, &event))
		;
	if (vms->event_fd >= 0)
		close(vms->event_fd);
	if (vms->wake_fd >= 0)
		close(vms->wake_fd);
	pthread_mutex_destroy(&vms->lock);
	free(vms->domains);
	free(vms);
	return NULL;
}

/* The socket as we can reach it: QEMU may have its own root and directory. */
static void qmp_path(const struct vm_identity *identity, const char *path,
		     char ret[512])
{
	snprintf(ret, 512, "/proc/%d/%s/%s", identity->pid,
		 path[0] == '/' ? "root" : "cwd", path);
}

/* A QEMU that has just started has not made its socket yet. */
static int open_patiently(const char *path, struct monitor **ret)
{
	const struct timespec pause = { 0, QMP_RETRY_MS * 1000000l };
	int err;

	for (u32 i = 0; i < QMP_RETRIES; i++) {
		err = monitor_qmp_open(path, ret);
		if (err != -ENOTCONN)
			return err;
		nanosleep(&pause, NULL);
	}
	return err;
}

int vms_monitor(struct vms *vms, const struct vm_identity *identity,
		struct monitor **ret, char why[BACKEND_WHY_LEN])
{
	struct qemu_cmdline cmdline;
	char path[512];
	int err;

	if (identity->libvirt && vms->link)
		return monitor_libvirt_open(vms->link, identity->uuid, ret);
	err = qemu_cmdline_read(identity->pid, &cmdline);
	if (err) {
		snprintf(why, BACKEND_WHY_LEN, "VM '%s': process %d is gone",
			 identity->name, identity->pid);
		return -ENOENT;
	}
	if (cmdline.libvirt) {
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s' belongs to a libvirt that we are not connected to: start monarchd with --libvirt-uri and its URI",
			 identity->name);
		return -ENOENT;
	}
	if (!cmdline.qmp_path[0]) {
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s' has no QMP socket: start QEMU with -qmp unix:PATH,server=on,wait=off",
			 identity->name);
		return -ENOENT;
	}
	qmp_path(identity, cmdline.qmp_path, path);
	err = open_patiently(path, ret);
	if (err)
		snprintf(why, BACKEND_WHY_LEN,
			 "VM '%s': its QMP socket %s: %s", identity->name,
			 cmdline.qmp_path, err == -EBUSY ?
			 "another client is connected, and QEMU serves one" :
			 strerror(-err));
	return err ? -EAGAIN : 0;
}
