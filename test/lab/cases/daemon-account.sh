# SPDX-License-Identifier: GPL-2.0-only
# l1: 6.1 6.12 sid
# smp: 1
# tree: kmod
# timeout: 300
#
# Two guests share L1's one CPU, a spinner each. What the guests claim is more than
# there is; what monarchd says, by the guest's clock corrected and by address
# spaces, is what they had.

. /tree/test/lab/inside/daemon.sh

# ratio WHAT PERCENT A B: A is within PERCENT of B
ratio() {
	awk -v a="$3" -v b="$4" -v p="$2" 'BEGIN {
		r = b ? 100 * a / b : 0; printf "%.1f\n", r
		exit !(r >= 100 - p && r <= 100 + p) }' > ratio ||
		fail "$1: expected $3 to be within $2 % of $4, found $(cat ratio) %"
	echo "$1: $(cat ratio) %"
}

# figures VM PID: all in one look: host, space, other; claim, corrected, space
figures() {
	monarchctl --json vms > vms.json
	monarchctl --json ps "$1" > ps.json
	awk -v vm="\"$1\"," '$1 == "\"name\":" { mine = $2 == vm }
		mine && $1 ~ /"cpu_(host|space|other)_ns"/ {
			sub(/,$/, "", $2); printf "%s ", $2
		}' vms.json
	awk -v pid="$2," '$1 == "\"pid\":" { mine = $2 == pid }
		mine && $1 ~ /"cpu_(guest_|space_|)ns"/ {
			sub(/,$/, "", $2); printf "%s ", $2
		}' ps.json
	echo
}

# since BEFORE AFTER: the differences, field by field
since() {
	echo "$1 $2" | awk '{ for (i = 1; i <= NF / 2; i++)
		printf "%.0f ", $(i + NF / 2) - $i }'
}

module_load
l2 run one --kernel "$L1" --mem 256 &
l2 run two --kernel "$L1" --mem 256
wait
first=$(load one spin spinner)
second=$(load two spin spinner)
daemon_run
for vm in one two; do
	within 30 vm_is "$vm" backend kernel
	within 30 vm_is "$vm" state running
done
within 20 process_is one "$first" space_method sample
within 20 process_is two "$second" space_method sample

one_before=$(figures one "$first") two_before=$(figures two "$second")
sleep 8
one_after=$(figures one "$first") two_after=$(figures two "$second")

check() { # check VM HOST SPACE OTHER CLAIM CORRECTED SPINNER
	echo "$1: guest mode $2; processes $3, nobody $4; spinner: claim $5, corrected $6, by address space $7"
	ratio "$1: address spaces, of guest mode" 1 $(($3 + $4)) "$2"
	ratio "$1: corrected, of by address space" 5 "$6" "$7"
	expect_at_least "$1: claimed beyond what it had" 1 $(($5 - $7))
}
# shellcheck disable=SC2046 # lists of numbers
check one $(since "$one_before" "$one_after")
# shellcheck disable=SC2046
check two $(since "$two_before" "$two_after")

daemon_end TERM
l2 check one
l2 check two
l2 stop one
l2 stop two
rmmod monarch
