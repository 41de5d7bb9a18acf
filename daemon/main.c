// SPDX-License-Identifier: GPL-2.0-only
/* monarchd: command line, then the manager until a signal ends it. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../include/monarch/bus.h"
#include "clock.h"
#include "log.h"
#include "manager.h"
#include "policy_value.h"

#define EXIT_USAGE	2
#define EXIT_LEFT	3	/* some process could not be resumed */

static const char usage[] =
	"Usage: monarchd [OPTION]...\n"
	"See and control the processes of this host's virtual machines.\n"
	"\n"
	"  --config-dir DIR    policies: DIR/*.conf (default /etc/monarch)\n"
	"  --runtime-dir DIR   lock and socket (default /run/monarch)\n"
	"  --bus-socket PATH   socket of the D-Bus interface (default bus in the\n"
	"                      runtime directory; also $MONARCH_BUS)\n"
	"  --cache-dir DIR     layouts of kernels seen (default /var/cache/monarch)\n"
	"  --blob-dir DIR      layouts made by monarch-guestinfo; repeatable\n"
	"                      (default /var/lib/monarch/guests and\n"
	"                      /usr/lib/monarch/guests)\n"
	"  --libvirt-uri URI   libvirt connection (default qemu:///system)\n"
	"  --no-libvirt        do not use libvirt; QEMU processes are still found\n"
	"  --backend NAME      how VMs are reached: auto (default: the module where it\n"
	"                      can, else QEMU), kernel, qemu\n"
	"  --account METHOD    with the module: sample (default), or cr3: exact process\n"
	"                      switches, at the price of an exit for each\n"
	"  --only REGEX        manage only the VMs whose whole name matches\n"
	"  --no-system-bus     only the socket\n"
	"  --quantum TIME      1ms to 1s where no policy says (default 10ms)\n"
	"  -q, --quiet         warnings and errors only\n"
	"  --version, --help\n"
	"\n"
	"Signals: SIGHUP reads the policies again; SIGTERM and SIGINT resume every\n"
	"process and exit. Exit: 0, 1 failed to start or run, 2 usage, 3 exited\n"
	"though some process could not be resumed, or may be stopped.\n";

enum {
	OPT_CONFIG = 256, OPT_RUNTIME, OPT_SOCKET, OPT_CACHE, OPT_BLOB, OPT_URI,
	OPT_NO_LIBVIRT, OPT_BACKEND, OPT_ACCOUNT, OPT_ONLY, OPT_NO_SYSTEM, OPT_QUANTUM, OPT_VERSION, OPT_HELP,
};

static const struct option long_options[] = {
	{ "config-dir", required_argument, NULL, OPT_CONFIG },
	{ "runtime-dir", required_argument, NULL, OPT_RUNTIME },
	{ "bus-socket", required_argument, NULL, OPT_SOCKET },
	{ "cache-dir", required_argument, NULL, OPT_CACHE },
	{ "blob-dir", required_argument, NULL, OPT_BLOB },
	{ "libvirt-uri", required_argument, NULL, OPT_URI },
	{ "no-libvirt", no_argument, NULL, OPT_NO_LIBVIRT },
	{ "backend", required_argument, NULL, OPT_BACKEND },
	{ "account", required_argument, NULL, OPT_ACCOUNT },
	{ "only", required_argument, NULL, OPT_ONLY },
	{ "no-system-bus", no_argument, NULL, OPT_NO_SYSTEM },
	{ "quantum", required_argument, NULL, OPT_QUANTUM },
	{ "quiet", no_argument, NULL, 'q' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{}
};

static void option_blob_dir(struct manager_options *options, const char *dir)
{
	/* the last entry stays NULL */
	for (u32 i = 0; i + 1 < ARRAY_SIZE(options->blob_dirs); i++) {
		if (options->blob_dirs[i])
			continue;
		options->blob_dirs[i] = dir;
		return;
	}
	fprintf(stderr, "monarchd: --blob-dir %s: at most %zu are possible\n",
		dir, ARRAY_SIZE(options->blob_dirs) - 1);
	exit(EXIT_USAGE);
}

static void option_quantum(struct manager_options *options, const char *text)
{
	if (!policy_value_time(text, &options->quantum_ns) &&
	    options->quantum_ns >= POLICY_QUANTUM_MIN_NS &&
	    options->quantum_ns <= POLICY_QUANTUM_MAX_NS)
		return;
	fprintf(stderr, "monarchd: --quantum wants a time from 1ms to 1s such as \"10ms\", found \"%s\"\n",
		text);
	exit(EXIT_USAGE);
}

/* Which of the NULL-terminated @words; exits if it is none of them. */
static int option_word(const char *option, const char *text,
		       const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (!strcmp(words[i], text))
			return i;
	fprintf(stderr, "monarchd: %s wants ", option);
	for (int i = 0; words[i]; i++)
		fprintf(stderr, "%s%s", i ? " or " : "", words[i]);
	fprintf(stderr, ", found \"%s\"\n", text);
	exit(EXIT_USAGE);
}

static void option_backend(struct manager_options *options, const char *text)
{
	static const char *const words[] = {
		[BACKEND_AUTO] = "auto", [BACKEND_KERNEL] = "kernel",
		[BACKEND_QEMU] = "qemu", NULL,
	};

	options->backend = option_word("--backend", text, words);
}

static void option_account(struct manager_options *options, const char *text)
{
	static const char *const words[] = { "sample", "cr3", NULL };

	options->trap = option_word("--account", text, words);
}

static void option_set(struct manager_options *options, int option)
{
	switch (option) {
	case OPT_CONFIG:
		options->config_dir = optarg;
		options->config_given = true;
		break;
	case OPT_RUNTIME: options->runtime_dir = optarg; break;
	case OPT_SOCKET: options->bus_socket = optarg; break;
	case OPT_CACHE: options->cache_dir = optarg; break;
	case OPT_BLOB: option_blob_dir(options, optarg); break;
	case OPT_URI: options->libvirt_uri = optarg; break;
	case OPT_NO_LIBVIRT: options->libvirt_uri = NULL; break;
	case OPT_BACKEND: option_backend(options, optarg); break;
	case OPT_ACCOUNT: option_account(options, optarg); break;
	case OPT_ONLY: options->only = optarg; break;
	case OPT_NO_SYSTEM: options->system_bus = false; break;
	case OPT_QUANTUM: option_quantum(options, optarg); break;
	case 'q': log_quiet(); break;
	case OPT_VERSION: puts("monarchd " MONARCH_VERSION); exit(EXIT_SUCCESS);
	case OPT_HELP: fputs(usage, stdout); exit(EXIT_SUCCESS);
	default:
		fputs("monarchd: `monarchd --help` lists the options\n", stderr);
		exit(EXIT_USAGE);
	}
}

static void options_parse(int argc, char **argv, struct manager_options *options)
{
	int option;

	while ((option = getopt_long(argc, argv, "q", long_options, NULL)) != -1)
		option_set(options, option);
	if (optind < argc) {
		fprintf(stderr, "monarchd: \"%s\": no arguments are expected; `monarchd --help` lists the options\n",
			argv[optind]);
		exit(EXIT_USAGE);
	}
}

/* What follows from other options or the environment. */
static void options_complete(struct manager_options *options)
{
	static char socket_path[4096];

	if (!options->blob_dirs[0]) {
		options->blob_dirs[0] = "/var/lib/monarch/guests";
		options->blob_dirs[1] = "/usr/lib/monarch/guests";
	}
	if (!options->bus_socket)
		options->bus_socket = getenv(MONARCH_BUS_ENV);
	if (!options->bus_socket) {
		snprintf(socket_path, sizeof(socket_path), "%s/bus",
			 options->runtime_dir);
		options->bus_socket = socket_path;
	}
	/* the cache only saves time */
	if (mkdir(options->cache_dir, 0755) && errno != EEXIST)
		log_warning("%s: cannot be made, so layouts are not cached: %s",
			    options->cache_dir, strerror(errno));
}

/* The loop takes these through a descriptor; every thread inherits the mask. */
static void signals_block(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	struct manager_options options = {
		.libvirt_uri = "qemu:///system",
		.config_dir = "/etc/monarch",
		.runtime_dir = "/run/monarch",
		.cache_dir = "/var/cache/monarch",
		.quantum_ns = 10 * NS_PER_MS,
		.system_bus = true,
	};
	struct manager *manager = NULL;
	u32 left;
	int error;

	options_parse(argc, argv, &options);
	options_complete(&options);
	signals_block();
	error = manager_create(&options, &manager);
	if (!error)
		error = manager_run(manager);
	/* who knew more about it has said so */
	if (error < 0 && (manager || !log_said_error()))
		log_error("%s: %s", manager ? "the event loop failed" :
			  "cannot start", strerror(-error));
	left = manager ? manager->left : 0;
	manager_destroy(manager);
	if (error < 0)
		return EXIT_FAILURE;
	return left ? EXIT_LEFT : EXIT_SUCCESS;
}
