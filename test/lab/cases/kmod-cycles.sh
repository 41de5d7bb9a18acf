# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1
# tree: kmod
# timeout: 900
#
# A thousand stops and resumptions of random processes, while processes and
# threads come and go. Prints hold times and refusals.

rmmod monarch 2> /dev/null || :
insmod "/build/kmod-$L1/monarch.ko"
l2 run guest --kernel "$L1" --mode churn
kmod_guest "$(cat "$(l2 dir guest)/pid")" cycles "${CYCLES:-1000}"
l2 check guest
l2 stop guest
rmmod monarch
