# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# A private apt: package lists of several Debian releases side by side, without
# a trace of them in the machine's own configuration. The mirror is the one that
# the machine uses; proxies and credentials come with the machine's apt.conf.
# Nothing is ever installed with it: packages are downloaded and unpacked.
#
# Source after lib.sh, then:
#   apt_private_setup		writes the configuration, updates the lists
#   apt_private TOOL args...	apt-get or apt-cache with it
#   apt_unpack DIR PACKAGE...	downloads packages and unpacks them into DIR
#   apt_needed PACKAGE...	prints them and all that they depend on, with
#				versions, as if nothing were installed; options
#				of apt-get first: -t sid takes all from sid

apt_dir=$cache_dir/apt-private
apt_releases="bullseye bookworm trixie sid"

# The base address from which the machine gets release $1, "" if it does not.
apt_mirror_of() {
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' \
		'Created-By: Packages' | awk -v r="$1" '$1 == r { print $2; exit }'
}

apt_own_release() {
	(. /etc/os-release && echo "${VERSION_CODENAME:-}")
}

apt_sources() {
	own=$(apt_own_release)
	mirror=$(apt_mirror_of "$own")
	security=$(apt_mirror_of "$own-security")
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -n "$mirror" ] ||
		die "no source of Debian $own in this machine's apt sources:" \
			"add the archive to /etc/apt/sources.list"
	[ -r "$keyring" ] ||
		die "no $keyring: install debian-archive-keyring"
	for release in $apt_releases; do
		echo "deb [signed-by=$keyring] $mirror $release main"
		case $security$release in
		*sid) ;;
		http*) echo "deb [signed-by=$keyring] $security $release-security main" ;;
		esac
	done
}

apt_configuration() {
	cat <<-CONF
	Dir::Etc::sourcelist "$apt_dir/sources.list";
	Dir::Etc::sourceparts "/dev/null";
	Dir::Etc::preferencesparts "/dev/null";
	Dir::State "$apt_dir/state";
	Dir::State::Lists "$apt_dir/lists";
	Dir::State::status "$apt_dir/status";
	Dir::Cache "$apt_dir/cache";
	APT::Architecture "amd64";
	APT::Architectures { "amd64"; };
	APT::Default-Release "/^$(apt_own_release)(-security)?\$/";
	APT::Install-Recommends "false";
	APT::Sandbox::User "root";
	Acquire::Languages "none";
	Acquire::Retries "5";
	CONF
}

apt_private() {
	APT_CONFIG=$apt_dir/apt.conf "$@"
}

# An archive that has moved away (an old release) is no reason to fail: what
# was asked for may be in the others.
apt_private_update() {
	apt_private apt-get -q -q update ||
		say "apt-get update had errors (above); going on with what there is"
}

apt_private_setup() {
	[ -z "${apt_ready:-}" ] || return 0
	mkdir -p "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial" \
		"$apt_dir/state"
	: > "$apt_dir/status"
	apt_configuration > "$apt_dir/apt.conf"
	apt_sources > "$apt_dir/sources.list"
	say "updating package lists of: $apt_releases"
	apt_private_update
	apt_ready=1
}

apt_download() (
	cd "$1" || exit
	shift
	apt_private apt-get -q -q download "$@" >&2
)

apt_unpack() {
	unpack_into=$1
	shift
	unpack_debs=$(mktemp -d "$cache_dir/debs.XXXXXX")
	retry 4 apt_download "$unpack_debs" "$@" || {
		rm -rf "$unpack_debs"
		return 1
	}
	for deb in "$unpack_debs"/*.deb; do
		dpkg-deb -x "$deb" "$unpack_into" || return 1
		rm -f "$deb"
	done
	rmdir "$unpack_debs"
}

apt_needed() {
	apt_private apt-get -q -q -y --print-uris install "$@" |
		sed -n "s/^'[^']*' \([^_]*\)_\([^_]*\)_.*/\1=\2/p" |
		sed 's/%3a/:/'
}
