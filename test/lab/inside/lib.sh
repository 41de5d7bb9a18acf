# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What the cases of test/lab/cases share. run-cases sources it, then the case, in
# a shell of its own with -eu: what fails ends the case.
#
# A case knows: $L1 (the kernel's series), $L1_SMP; l2 and tinyvm; /tree, /build;
# $work, an empty directory of its own. Guests that it leaves are ended for it.

fail() {
	echo "FAILED: $*"
	exit 1
}

# expect WHAT EXPECTED FOUND
expect() {
	[ "$2" = "$3" ] || fail "$1: expected $2, found $3"
	echo "$1: $3"
}

# expect_at_least WHAT LEAST FOUND
expect_at_least() {
	[ "$3" -ge "$2" ] || fail "$1: expected at least $2, found $3"
	echo "$1: $3"
}

# json_sum NAME < JSON: the sum of all numbers of that name
json_sum() {
	grep -o "\"$1\": [0-9]*" | awk '{ sum += $2 } END { printf "%d\n", sum }'
}

tracing=/sys/kernel/tracing
exit_histogram=$tracing/events/kvm/kvm_exit

# count_exits COMMAND...: runs it; how often guests were left for each reason
# meanwhile is then in $work/exits.
count_exits() {
	echo 'hist:keys=exit_reason' > "$exit_histogram/trigger"
	"$@"
	cp "$exit_histogram/hist" "$work/exits"
	echo '!hist:keys=exit_reason' > "$exit_histogram/trigger"
}

# exits_for REASON: of the last count_exits; the processor's number of it
exits_for() {
	awk -v reason="$1" '$2 == "exit_reason:" && $3 == reason { n = $NF }
		END { print n + 0 }' "$work/exits"
}

# AMD's numbers (Architecture Programmer's Manual, volume 2, appendix C).
exit_write_cr3=19
exit_hlt=120
