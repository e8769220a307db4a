#!/bin/sh
# Installs the Debian packages that are missing, and only those.
# usage: install-deps.sh [--for build|test|demo|bench|lint]...        (default: build)
# Exits 77 when something is missing and this user may not install it.
set -eu

packages_for() {
	case $1 in
	# What the Swift toolchain needs to link, and what socklb links in.
	build) echo libbpf-dev libelf-dev zlib1g-dev libyaml-dev pkg-config linux-libc-dev libc6-dev \
		libstdc++-12-dev binutils ;;
	# busybox-static conflicts with busybox: vm-test.sh unpacks it instead of installing it.
	# Others than Debian offer a kubectl, too; two packages with one file cannot both be there.
	test) command -v kubectl >/dev/null || echo kubernetes-client
		echo iproute2 cpio qemu-system-x86 strace python3 dnsmasq-base bind9-dnsutils iptables nftables \
		lintian systemd procps python3-yaml openssl ;;
	# What backend.py and udp_client.py import is in python3-minimal.
	demo) echo curl iproute2 netcat-openbsd python3-minimal ;;
	bench) echo iproute2 iptables nftables strace time ;;
	lint) echo clang-format shellcheck ;;
	*) return 1 ;;
	esac
}

usage() {
	sed -n '3s/^# //p' "$0" >&2
	exit 64
}

purposes=
wanted=
[ $# -gt 0 ] || set -- --for build
while [ $# -gt 0 ]; do
	[ "$1" = --for ] && [ $# -ge 2 ] && packages=$(packages_for "$2") || usage
	purposes="$purposes $2"
	wanted="$wanted $packages"
	shift 2
done

# Anything called `swift` is not enough: Debian has a client of OpenStack Swift under that name.
swift_is_there() {
	version=$(swift --version 2>/dev/null \
		| sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1)
	[ -n "$version" ] || return 1
	# shellcheck disable=SC2086 # two numbers, split on purpose
	set -- $version
	[ "$1" -gt 6 ] || { [ "$1" -eq 6 ] && [ "$2" -ge 2 ]; }
}

check_swift() {
	case "$purposes " in *" lint "* | *" build "*) ;; *) return 0 ;; esac
	swift_is_there && return 0
	echo "Swift 6.2 or newer is needed and is not in PATH (found: $(command -v swift || echo none))." >&2
	echo "Get it from https://www.swift.org/install/linux/ and put its usr/bin into PATH." >&2
	exit 77
}

missing_packages() {
	for package in $wanted; do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
		[ "$state" = installed ] || echo "$package"
	done | sort -u
}

if ! command -v dpkg-query >/dev/null; then
	echo "Not a Debian system: make sure the equivalents of these are there:" $wanted >&2
	check_swift
	exit 0
fi

missing=$(missing_packages | tr '\n' ' ')
if [ -n "$missing" ]; then
	if [ "$(id -u)" != 0 ]; then
		echo "Missing Debian packages, and only root may install them:" >&2
		echo "  sudo apt-get install --no-install-recommends $missing" >&2
		exit 77
	fi
	echo "Installing: $missing" >&2
	export DEBIAN_FRONTEND=noninteractive
	# Another apt may hold the lock for a while (a fresh machine updates itself): wait for it.
	set -- -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0
	apt-get "$@" update >&2
	# shellcheck disable=SC2086 # a list of package names
	apt-get "$@" install --no-install-recommends $missing >&2 </dev/null
	missing=$(missing_packages | tr '\n' ' ')
	if [ -n "$missing" ]; then
		echo "Still missing after apt-get install: $missing" >&2
		exit 1
	fi
fi
check_swift
