#!/bin/sh
# Gets a Debian cloud kernel without installing it and prints the path of its vmlinuz.
# usage: fetch-kernel.sh SERIES|newest       SERIES as in `6.1`; newest: above 6.1, if offered
# Exits 69 when no such kernel is offered.
#
# The cloud flavour has all that the tests need built in (cgroup BPF, BTF, IPv6, tmpfs, the serial
# console), so no module is loaded and an initramfs of two programs and busybox is enough.
set -eu
[ $# = 1 ] || { sed -n '3s/^# //p' "$0" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
architecture=$(dpkg --print-architecture)

case $1 in
newest) series='[0-9.]*' ;;
*) series=$(printf %s "$1" | sed 's/\./\\./g')'\.[0-9]*' ;;
esac

# Names like linux-image-6.1.0-56-cloud-amd64; the meta packages lack the third number, and
# -dbg and -unsigned come after the architecture. The highest ABI number is the current one.
offered() {
	apt-cache pkgnames linux-image- \
		| grep -E "^linux-image-${series}([-+~][0-9A-Za-z.+~]+)?-cloud-$architecture\$" \
		| grep -E '^linux-image-[0-9]+\.[0-9]+\.[0-9]+' | sort -rV
}

# The newest of them that has a version; a name without one is only referred to by something.
pick() {
	for name in $(offered); do
		if [ "$1" = newest ]; then
			case $name in linux-image-6.1.*) return 1 ;; esac
		fi
		if apt-cache show --no-all-versions "$name" 2>/dev/null | grep -q '^Version: '; then
			echo "$name"
			return 0
		fi
	done
	return 1
}

fetch() {
	package=$(pick "$1") && directory=$("$here/fetch-package.sh" "$package")
}

# Package lists that are missing or out of date name no kernel, or one the mirror has dropped.
if ! fetch "$1"; then
	if [ "$(id -u)" = 0 ]; then
		apt-get -qq -o DPkg::Lock::Timeout=300 update >&2 || true
	fi
	if ! fetch "$1"; then
		echo "No Debian cloud kernel $1 for $architecture can be had." >&2
		exit 69
	fi
fi

for kernel in "$directory"/boot/vmlinuz-*; do
	[ -f "$kernel" ] || continue
	echo "$kernel"
	exit 0
done
echo "$package holds no boot/vmlinuz." >&2
exit 69
