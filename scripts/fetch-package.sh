#!/bin/sh
# Unpacks a Debian package into the cache without installing it; needs no root.
# usage: fetch-package.sh PACKAGE       prints the directory it was unpacked to
# apt checks the archive's signature and the package's hash, as for an installation.
set -eu
[ $# = 1 ] || { sed -n '3s/^# //p' "$0" >&2; exit 64; }
package=$1
cache=$(cd "$(dirname "$0")/.." && pwd)/.build/packages
mkdir -p "$cache"

version=$(apt-cache show --no-all-versions "$package" 2>/dev/null | sed -n 's/^Version: //p' | head -n 1)
# The epoch's colon and such have no place in a file name.
directory=$cache/${package}_$(printf %s "${version:-none}" | tr -c 'A-Za-z0-9.+~-' _)
if [ -n "$version" ] && [ -d "$directory" ]; then
	echo "$directory"
	exit 0
fi

work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
# Sandbox::User: apt's own user cannot write below a home directory, and says so at length.
if (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$package" >&2) \
	&& dpkg-deb -x "$work"/*.deb "$work/tree"; then
	# Only one version is kept, and it appears in one step: a half-unpacked one is never used.
	rm -rf "$cache/${package}"_*
	mv "$work/tree" "$directory"
	echo "$directory"
	exit 0
fi

# Without a network an older copy is better than no test.
for directory in "$cache/${package}"_*; do
	[ -d "$directory" ] || continue
	echo "Cannot fetch $package; using $(basename "$directory") from the cache." >&2
	echo "$directory"
	exit 0
done
echo "Cannot fetch the Debian package $package (network? apt-get update?)." >&2
exit 69
