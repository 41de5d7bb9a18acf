# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 2
# tree: kmod
# timeout: 600
#
# Two CPUs, a guest with two: vCPUs are in guest mode on another CPU than the one
# that holds them. Stops, resumptions and trapped CR3 writes at the same time.

rmmod monarch 2> /dev/null || :
insmod "/build/kmod-$L1/monarch.ko"
l2 run guest --kernel "$L1" --mode churn --smp 2
pid=$(cat "$(l2 dir guest)/pid")
kmod_guest "$pid" regs
kmod_guest "$pid" trapped 200
kmod_guest "$pid" tick
l2 check guest
l2 stop guest
unload monarch
