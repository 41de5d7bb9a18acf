# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1
# tree: kmod
# timeout: 400
#
# The module does not go while it owes something, and does as soon as it owes
# nothing; a VM goes when its process does, watched or not.

rmmod monarch 2> /dev/null || :
insmod "/build/kmod-$L1/monarch.ko"
l2 run guest --kernel "$L1" --mode states
pid=$(cat "$(l2 dir guest)/pid")

# Paused: what is stopped cannot be resumed, and the module waits for it.
kmod_guest "$pid" leave spin &
left=$!
while ! [ -e stopped ]; do sleep 0.1; done
! rmmod monarch 2> /dev/null || fail "unloaded with a VM attached"
kill -STOP "$pid"
: > go
wait "$left"
sleep 2
! rmmod monarch 2> /dev/null || fail "unloaded while it owes a resumption"
kill -CONT "$pid"
kmod_guest "$pid" running spin
l2 check guest
rmmod monarch

# A VM that ends while it is watched, sampled and partly stopped.
insmod "/build/kmod-$L1/monarch.ko"
kmod_guest "$pid" outlive spin &
left=$!
while ! [ -e watching ]; do sleep 0.1; done
kill -9 "$pid"
wait "$left"
# unload MODULE: the end of a process is not over when it is dead
unload() {
	for i in 1 2 3 4 5 6 7 8 9 10; do
		rmmod "$1" 2> /dev/null && return
		sleep 1
	done
	fail "$1 cannot be unloaded: $(grep "^$1 " /proc/modules)"
}
unload monarch
# Nobody holds the dead VM, so KVM can go.
unload kvm_amd
unload kvm
for m in $(cat /modules/kvm); do
	insmod "/modules/$m" 2> /dev/null || :
done
l2 stop guest 2> /dev/null || :
