# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1
# smp: 1
# image: full
# mem: 3072
# timeout: 600
#
# The whole product on a whole host: monarchd as a unit of systemd, two KVM domains
# of libvirt, a process stopped and resumed, and a daemon that is killed.

install -D /build/monarchd /usr/sbin/monarchd
install -D /build/monarchctl /usr/bin/monarchctl
install -D -m 644 /tree/daemon/monarchd.service /etc/systemd/system/monarchd.service
install -D -m 644 /tree/daemon/org.monarch1.conf /etc/dbus-1/system.d/org.monarch1.conf
systemctl daemon-reload
systemctl reload dbus

# As l2 starts its guests, but libvirt's.
define() { # define NAME
	mkdir -p "/var/tmp/$1"
	chmod 777 "/var/tmp/$1"
	cat > "$1.xml" <<-XML
	<domain type='kvm'>
	  <name>$1</name>
	  <memory unit='MiB'>256</memory>
	  <memoryBacking>
	    <source type='memfd'/><access mode='shared'/>
	  </memoryBacking>
	  <vcpu>1</vcpu>
	  <cpu mode='host-passthrough'/>
	  <os>
	    <type machine='pc'>hvm</type>
	    <kernel>/var/tmp/vmlinux</kernel>
	    <initrd>/var/tmp/initrd</initrd>
	    <cmdline>console=ttyS0 panic=-1 oops=panic mode=spin loglevel=5
	      nowatchdog no_timer_check pci=noearly cryptomgr.notests
	      mitigations=off random.trust_cpu=on
	      rcupdate.rcu_expedited=1 audit=0</cmdline>
	  </os>
	  <devices>
	    <serial type='file'>
	      <source path='/var/tmp/$1/console'/><target port='0'/>
	    </serial>
	    <serial type='unix'>
	      <source mode='bind' path='/var/tmp/$1/shell.sock'/>
	      <target port='1'/>
	    </serial>
	    <memballoon model='none'/>
	  </devices>
	</domain>
	XML
	virsh -q -c qemu:///system create "$1.xml"
}

ready() {
	grep -q '^MONARCH-READY' "/var/tmp/$1/console"
}

in_guest() { # in_guest NAME COMMAND
	/usr/lib/lab/scripts/vm-shell "/var/tmp/$1/shell.sock" "$2"
}

# The CPU time of the spinner in guest $1, by its own kernel.
spun() {
	in_guest "$1" 'cut -d" " -f1 /proc/$(pidof spin)/schedstat'
}

await() { # await SECONDS WHAT COMMAND...
	left=$1
	what=$2
	shift 2
	until "$@"; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || fail "not so in time: $what"
		sleep 1
	done
	echo "$what"
}

stands() { # stands NAME
	before=$(spun "$1")
	sleep 2
	[ "$before" = "$(spun "$1")" ]
}

moves() {
	! stands "$1"
}

knows() {
	monarchctl vms | grep -q "^$1 .*running"
}

cp "/cache/monarch/kernels/$L1/vmlinux" /var/tmp/vmlinux
cp /usr/lib/lab/guest-initrd /var/tmp/initrd
define one
define two
await 200 "guest one is ready" ready one
await 200 "guest two is ready" ready two
systemctl start monarchd
await 60 "monarchd knows one" knows one
await 60 "monarchd knows two" knows two
monarchctl vms
monarchctl ps one

monarchctl suspend one spin
await 20 "the spinner in one stands" stands one
moves two || fail "nobody stopped the spinner in two"
monarchctl resume one spin
await 20 "the spinner in one moves again" moves one

# systemd starts it again, and it frees what the dead one left.
monarchctl suspend two spin
await 20 "the spinner in two stands" stands two
first=$(systemctl show -P MainPID monarchd)
kill -9 "$first"
await 60 "monarchd runs again" knows two
[ "$first" != "$(systemctl show -P MainPID monarchd)" ] ||
	fail "monarchd is still process $first"
await 30 "the spinner in two moves again" moves two

systemctl stop monarchd
virsh -q -c qemu:///system destroy one
virsh -q -c qemu:///system destroy two
for name in one two; do
	! grep -E 'WARNING|BUG|Oops|Call Trace' "/var/tmp/$name/console" ||
		fail "the kernel of guest $name complains"
done
