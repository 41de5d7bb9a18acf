# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1
# tree: kmod
# timeout: 400
#
# The module with a Debian guest: its processes are seen as it sees them; they
# are stopped and resumed; and whatever ends, nothing is left stopped.

rmmod monarch 2> /dev/null || :
insmod "/build/kmod-$L1/monarch.ko"
l2 run guest --kernel "$L1" --mode states
pid=$(cat "$(l2 dir guest)/pid")

kmod_guest "$pid" regs
kmod_guest "$pid" ps | grep '^[0-9]' > seen
# What comes and goes with the question is left out: the shell's own.
l2 sh guest 'ps -e -o pid= -o comm=' > theirs
while read -r number name; do
	grep -q "^ *$number $name\$" theirs ||
		case $name in
		dash|ps) ;;
		*) fail "seen, but not by the guest: $number $name" ;;
		esac
done < seen
for name in spin sysspin yield duty longcall mt sleep longsleep epoll piper \
	futex sigtimer stopwatch io; do
	expect "$name is seen" 1 "$(grep -c " $name\$" seen)"
done
for name in spin sleep mt epoll; do
	kmod_guest "$pid" stop $name
done
for name in apply tick lease close killed hybrid; do
	echo "--- $name"
	kmod_guest "$pid" $name
done
l2 check guest
l2 stop guest
rmmod monarch
