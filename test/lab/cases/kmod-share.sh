# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1
# tree: kmod
# timeout: 400
#
# Two guests on one CPU: what each got, by CR3 and by its corrected clock, and what
# each believes.

rmmod monarch 2> /dev/null || :
insmod "/build/kmod-$L1/monarch.ko"
l2 run one --kernel "$L1" --mode spin
l2 run two --kernel "$L1" --mode spin
kmod_share 10 spin "$(cat "$(l2 dir one)/pid")" "$(cat "$(l2 dir two)/pid")"
l2 check one
l2 check two
l2 stop one
l2 stop two
rmmod monarch
