# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1 2
# tree: kmod
# timeout: 240
#
# Every write of CR3 is seen when that is wanted and none otherwise, time adds
# up, and switching the trap leaves no trace.

rmmod monarch 2> /dev/null || :
insmod "/build/kmod-$L1/monarch.ko"
kmod_count 100 --spaces 3 --rounds 30 --work 10,2000,300 --reloads 2
kmod_count 10 --spaces 16 --rounds 200 --work 100
kmod_count 6 --vcpus 2 --spaces 4 --rounds 100 --work 1000 --irqchip \
	--kick 0xfb --halts 1
# The trap is gone with us: nobody left it behind.
count_exits tinyvm --rounds 100 > /dev/null
expect "CR3 exits afterwards" 0 "$(exits_for $exit_write_cr3)"
rmmod monarch
