# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1
# tree: kmod
# timeout: 240
#
# monarchd takes the module where it can, QEMU where it cannot, and says which
# and why. What it sees is what the guest sees.

. /tree/test/lab/inside/daemon.sh

rmmod monarch 2> /dev/null || :
l2 run one --kernel "$L1" --mem 256 --mode states

# Without the module.
daemon_run
within 30 vm_is one state running
expect "backend without a module" qemu "$(vm_field one backend)"
said "expected the device of monarch.ko, found none; load it with"
vm_field one no_kernel_why | grep -q "found none"
monarchctl vms | grep "found none"

# It comes: taken, without being asked to.
insmod "$module"
within 30 vm_is one backend kernel
within 30 vm_is one state running
expect "why not the kernel backend" "" "$(vm_field one no_kernel_why)"
expect "accounting" sample "$(vm_field one accounting)"
said "VM one: the kernel backend serves it"

# ps says what the guest's own says: processes by pid and name, threads, uids.
l2 sh one 'cd /proc; for p in [0-9]*; do [ "$(readlink $p/exe)" = /bin/load ] && echo $p $(cat $p/comm) $(ls $p/task | wc -l); done; true' > theirs
cat theirs
monarchctl ps one > ours
awk 'NR == FNR { want[$1 " " $2 " " $3]; next }
	{ delete want[$2 " " $NF " " $6] }
	END { for (each in want) { print "not seen: " each; bad = 1 } exit bad }' \
	theirs ours || { cat ours; fail "ps of monarchctl and of the guest differ"; }
expect_at_least "processes compared" 15 "$(wc -l < theirs)"

# While it is in use it does not go.
! rmmod monarch 2> /dev/null || fail "the module went from under the daemon"
daemon_end TERM
expect "exit code" 0 "$daemon_code"

# Asked for QEMU: no difference but the backend.
daemon_run --backend qemu
within 30 vm_is one state running
expect "backend asked for" qemu "$(vm_field one backend)"
said "it was asked for (--backend qemu)"
daemon_end TERM
rmmod monarch

# Asked for the module only, which is not there.
daemon_run --backend kernel
within 30 vm_is one state unreachable
vm_field one why | grep "expected the device of monarch.ko"
daemon_end TERM
l2 check one
l2 stop one
