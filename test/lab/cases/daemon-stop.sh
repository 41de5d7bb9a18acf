# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1
# tree: kmod
# timeout: 300
#
# monarchd stops and resumes through the module: by hand, by policy across two
# guests, and what was stopped goes on when the daemon ends.

. /tree/test/lab/inside/daemon.sh

module_load
l2 run one --kernel "$L1" --mem 256 &
l2 run two --kernel "$L1" --mem 256
wait
daemon_run
within 30 vm_is one backend kernel
within 30 vm_is two backend kernel
within 30 vm_is one state running
within 30 vm_is two state running

# By hand.
spinner=$(load one spin spinner)
threads=$(load one mt threads 3)
within 20 process_is one "$threads" name threads
within 20 process_is one "$spinner" name spinner
for pid in $spinner $threads; do
	monarchctl suspend one "$pid"
	within 20 process_is one "$pid" stop parked
	expect_stopped one "$pid"
	monarchctl resume one "$pid"
	within 20 process_is one "$pid" stop runs
	expect_runs one "$pid"
done
l2 sh one "kill -9 $threads"

# By policy: the indexer in one guest yields to the server in the other. The server
# is always busy, and may be slow: what decides must not be how fast L1 is.
cat > policies/idle.conf <<'POLICY'
[Policy]
Type=idle
Stop=indexer
While=server
Threshold=3%
Period=1s
QuietTime=5s

[Set indexer]
VM=one
Process=spinner

[Set server]
VM=two
Process=server
POLICY
monarchctl reload
expect_runs one "$spinner"
server=$(load two spin server)
within 20 process_is one "$spinner" stop parked
expect_stopped one "$spinner"
expect "held by" idle "$(process_field one "$spinner" held_by)"
l2 sh two "kill -9 $server"
within 20 process_is one "$spinner" stop runs
expect_runs one "$spinner"

# At its end everything goes on.
rm policies/idle.conf
monarchctl reload
monarchctl suspend one "$spinner"
within 20 process_is one "$spinner" stop parked
daemon_end TERM
expect "exit code" 0 "$daemon_code"
expect_runs one "$spinner"
l2 check one
l2 check two
l2 stop one
l2 stop two
rmmod monarch
