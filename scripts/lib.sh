# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# What the scripts share: where things are, how they speak, how they end.
# Sourced with $0 in scripts/; defines, does nothing.

scripts_dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2034 # used by those who source this
tree_dir=$(dirname "$scripts_dir")

# Downloads and what is made of them: outside the tree, safe to delete.
cache_dir=${XDG_CACHE_HOME:-$HOME/.cache}/monarch

# Sockets, pid files, logs of what runs now: short paths, since a unix socket's
# has at most 107 bytes. Root's must be open to other users to pass through:
# libvirt's QEMU may be one of those.
if [ "$(id -u)" = 0 ]; then
	run_dir=${MONARCH_RUN_DIR:-/run/monarch-test}
else
	run_dir=${MONARCH_RUN_DIR:-${XDG_RUNTIME_DIR:-/tmp/monarch-$(id -u)}/monarch-test}
fi

say() {
	echo "$(basename "$0"): $*" >&2
}

die() {
	say "$*"
	exit 1
}

# usage: prints the comment on top of the script, for -h and for mistakes.
usage() {
	sed -n '4,/^[^#]*$/s/^# \{0,1\}//p' "$0" >&2
	exit "${1:-2}"
}

# retry N command...: up to N times, with pauses that grow.
retry() {
	retry_left=$1
	retry_pause=1
	shift
	while ! "$@"; do
		retry_left=$((retry_left - 1))
		[ "$retry_left" -gt 0 ] || return 1
		say "failed, trying again in $retry_pause s: $*"
		sleep "$retry_pause"
		retry_pause=$((retry_pause * 2))
	done
}

# is_running PIDFILE NAME: the process of that pid file is alive (not a zombie
# that nobody has waited for) and is NAME (a pid can be somebody else's by now).
is_running() {
	[ -s "$1" ] || return 1
	running_pid=$(tr -dc 0-9 2>/dev/null < "$1") 2>/dev/null
	[ -n "$running_pid" ] || return 1
	running_comm=$(cat "/proc/$running_pid/comm" 2>/dev/null) || return 1
	case $running_comm in
	"$2"*) ;;
	*) return 1 ;;
	esac
	! grep -q '^State:.Z' "/proc/$running_pid/status" 2>/dev/null
}

# end_process PIDFILE NAME: SIGTERM, up to 10 s, SIGKILL.
end_process() {
	is_running "$1" "$2" || {
		rm -f "$1"
		return 0
	}
	end_pid=$running_pid
	kill "$end_pid" 2>/dev/null || :
	end_left=100
	while [ -d "/proc/$end_pid" ] && [ "$end_left" -gt 0 ]; do
		is_running "$1" "$2" || break
		sleep 0.1
		end_left=$((end_left - 1))
	done
	[ "$end_left" -gt 0 ] || kill -9 "$end_pid" 2>/dev/null || :
	rm -f "$1"
}

# wait_for SECONDS command...: until the command succeeds.
wait_for() {
	wait_left=$(($1 * 10))
	shift
	while ! "$@"; do
		wait_left=$((wait_left - 1))
		[ "$wait_left" -gt 0 ] || return 1
		sleep 0.1
	done
}

# Where the Makefile builds; BUILD may be relative to the tree, as make sees it.
case ${BUILD:-build} in
/*) build_dir=$BUILD ;;
*) build_dir=$tree_dir/${BUILD:-build} ;;
esac
