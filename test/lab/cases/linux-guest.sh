# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1
# timeout: 240
#
# A Debian guest under KVM, reached by the qemu backend: its processes are seen as
# it sees them, and they are stopped and resumed.

l2 run guest --kernel "$L1" --mode few
processes "$(l2 dir guest)"
cycles "$(l2 dir guest)" 30
l2 check guest
l2 stop guest
