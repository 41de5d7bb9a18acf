# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What the cases with monarchd share: sourced by them, after lib.sh. The daemon's
# log is $work/monarchd.log, its policies are $work/policies/*.conf. One runs at
# a time; if the case ends before it, it is killed and its log shown.

daemon=
mkdir -p "$work/policies"

daemon_left() {
	[ -n "$daemon" ] || return 0
	kill -9 "$daemon" 2> /dev/null || :
	cat "$work/monarchd.log"
}
trap daemon_left EXIT

# daemon_run OPTION...: start it, as urgent as its unit makes it, and wait until it
# answers
daemon_run() {
	monarchd --no-libvirt --no-system-bus --cache-dir "$work/cache" \
		--config-dir "$work/policies" "$@" >> "$work/monarchd.log" 2>&1 &
	daemon=$!
	renice -n -15 -p "$daemon" > /dev/null
	within 20 monarchctl stats > /dev/null
}

# daemon_end SIGNAL: what it exits with is in $daemon_code
daemon_end() {
	kill "-$1" "$daemon"
	daemon_code=0
	wait "$daemon" || daemon_code=$?
	daemon=
}

# within SECONDS COMMAND...: until it succeeds; its output is shown if it does not
within() {
	within_left=$(($1 * 5))
	shift
	until "$@" > "$work/within" 2>&1; do
		within_left=$((within_left - 1))
		[ "$within_left" -gt 0 ] || {
			cat "$work/within"
			fail "in vain: $*"
		}
		sleep 0.2
	done
	cat "$work/within"
}

said() { # said TEXT: by the daemon
	grep -F -e "$1" "$work/monarchd.log"
}

# vm_field VM NAME: of `vms --json`
vm_field() {
	monarchctl --json vms | awk -v vm="\"$1\"," -v key="\"$2\":" '
		$1 == "\"name\":" { mine = $2 == vm }
		mine && $1 == key {
			sub(/^[^:]*: */, ""); sub(/,$/, ""); gsub(/^"|"$/, "")
			print
		}'
}

# process_field VM PID NAME: of `ps --json`, "more" included
process_field() {
	monarchctl --json --kernel ps "$1" | awk -v pid="$2," -v key="\"$3\":" '
		$1 == "\"pid\":" { mine = $2 == pid }
		mine && $1 == key {
			sub(/^[^:]*: */, ""); sub(/,$/, ""); gsub(/^"|"$/, "")
			print
		}'
}

vm_is() { # vm_is VM NAME VALUE
	[ "$(vm_field "$1" "$2")" = "$3" ]
}

process_is() { # process_is VM PID NAME VALUE
	[ "$(process_field "$1" "$2" "$3")" = "$4" ]
}

# load VM MODE NAME [ARGUMENT]: start it in a guest, print its pid
load() {
	l2 sh "$1" "load $2 -n $3 ${4:-} > /dev/null 2>&1 & echo \$!"
}

# What the threads of a process have run, by their guest's own scheduler.
ran() { # ran VM PID
	l2 sh "$1" "cat /proc/$2/task/*/schedstat" |
		awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

late() {
	grep -c "the module has resumed all" "$work/monarchd.log" || :
}

# A machine so busy that the daemon misses its lease: what it has to say so for
# is another case's matter, and it stops again what is wanted.
expect_stopped() { # expect_stopped VM PID
	for _ in 1 2 3; do
		late=$(late)
		before=$(ran "$1" "$2")
		sleep 1
		after=$(ran "$1" "$2")
		[ "$late" != "$(late)" ] || break
		within 20 process_is "$1" "$2" stop parked
	done
	expect "what process $2 of $1 has run" "$before" "$after"
}

moved() { # moved VM PID BEFORE
	[ "$(ran "$1" "$2")" != "$3" ]
}

expect_runs() { # expect_runs VM PID
	before=$(ran "$1" "$2")
	within 20 moved "$1" "$2" "$before"
}

# The module, anew.
module=/build/kmod-$L1/monarch.ko
module_load() {
	rmmod monarch 2> /dev/null || :
	insmod "$module"
}
