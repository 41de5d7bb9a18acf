# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1
# tree: kmod
# timeout: 300
#
# Whatever becomes of monarchd or of a VM, nothing stays stopped: the module sees
# to it, not the next daemon.

. /tree/test/lab/inside/daemon.sh

stop_spinner() {
	within 30 vm_is one backend kernel
	within 30 vm_is one state running
	within 20 process_is one "$spinner" name spinner
	monarchctl suspend one "$spinner"
	within 20 process_is one "$spinner" stop parked
	expect_stopped one "$spinner"
}

module_load
l2 run one --kernel "$L1" --mem 256
spinner=$(load one spin spinner)

# Killed: the module resumes at once, and a new daemon finds nothing to recover.
daemon_run
stop_spinner
daemon_end KILL
expect_runs one "$spinner"
daemon_run
within 30 vm_is one state running
expect "orphans that the next daemon found" 0 \
	"$(monarchctl stats | awk '$1 == "orphans.found" { print $2 }')"
monarchctl recover

# Stopped: the lease runs out, and everything runs. It goes on: it is late, says
# so, and makes the guest again what was wanted.
stop_spinner
kill -STOP "$daemon"
expect_runs one "$spinner"
kill -CONT "$daemon"
within 20 said "the module has resumed all"
within 20 process_is one "$spinner" stop parked
expect_stopped one "$spinner"

# The VM paused: nothing is edited meanwhile, and all is when it goes on.
pid=$(cat "$(l2 dir one)/pid")
kill -STOP "$pid"
monarchctl resume one "$spinner" || :
kill -CONT "$pid"
within 20 process_is one "$spinner" stop runs
expect_runs one "$spinner"

# The VM destroyed with a process stopped in it.
monarchctl suspend one "$spinner"
within 20 process_is one "$spinner" stop parked
l2 stop one
within 20 said "VM one: gone"
expect "VMs" 1 "$(monarchctl vms | wc -l)"
daemon_end TERM
expect "exit code" 0 "$daemon_code"
rmmod monarch
