# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1 2
# tree: kmod
#
# What is written is in the dirty log, a read-only slot and a paused VM are left
# alone.

rmmod monarch 2> /dev/null || :
insmod "/build/kmod-$L1/monarch.ko"
kmod_dirty
unload monarch
