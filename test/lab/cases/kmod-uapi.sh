# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1
# tree: kmod
#
# Every command with every length, flags, reserved fields, wrong descriptors,
# values out of range, and several callers at once.

rmmod monarch 2> /dev/null || :
insmod "/build/kmod-$L1/monarch.ko"
mkfifo go
tinyvm --passes --rounds 10 < go > counts &
exec 8> go
while ! read -r ready pid < counts; do sleep 0.1; done
expect "tinyvm is" ready "$ready"
kmod_uapi "$pid"
# The VM has not noticed.
echo >&8
exec 8>&-
wait $!
expect "passes" 2 "$(wc -l < counts)"
rmmod monarch
