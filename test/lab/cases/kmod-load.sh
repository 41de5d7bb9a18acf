# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1
# tree: kmod
#
# The module loads and goes, with KVM and without, and says what it can do.

rmmod monarch 2> /dev/null || :
module=/build/kmod-$L1/monarch.ko

insmod "$module"
kmod_info
rmmod monarch
insmod "$module"
rmmod kvm_amd kvm
kmod_info > info
cat info
expect "features without KVM" 0 "$(grep -c ': on$' info || :)"
for m in $(cat /modules/kvm); do
	insmod "/modules/$m" 2> /dev/null || :
done
kmod_info > info
expect "features with it again" 6 "$(grep -c ': on$' info)"
tinyvm --rounds 100 > /dev/null
rmmod monarch
