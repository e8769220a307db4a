#!/bin/bash
# Makes a Debian package of what is built. The same input makes the same bytes.
# usage: make-deb.sh                                  (`make deb` builds first)
# Environment: BUILD (default .build/release), OUT (default .build/deb), SOURCE_DATE_EPOCH (default:
# the time of the last commit), DEBFULLNAME and DEBEMAIL (default: of the changelog), LEVEL (of xz).
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-.build/release} out=$(realpath -m "${OUT:-.build/deb}") from=deploy/debian
umask 022
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y "$from/changelog")}"

# The version is the changelog's, and the binary has to agree.
version=$(sed -n '1s/^socklb (\(.*\)) .*/\1/p' "$from/changelog")
said=$("$build/socklb" --version | awk '{ print $2 }')
if [ "$said" != "${version%-*}" ]; then
	echo "the binary is socklb $said, $from/changelog has $version" >&2
	exit 65
fi
architecture=$(dpkg --print-architecture)
maintainer=$(sed -n 's/^ -- \(.*\)  .*/\1/p' "$from/changelog" | head -n 1)
[ -z "${DEBFULLNAME:-}" ] || [ -z "${DEBEMAIL:-}" ] || maintainer="$DEBFULLNAME <$DEBEMAIL>"

root=$out/root
rm -rf "$root"
mkdir -p "$root/DEBIAN"
make --no-print-directory BIN="$build" DESTDIR="$root" PREFIX=/usr install >/dev/null
gzip -9n "$root"/usr/share/man/man1/*.1
# Where Debian has it.
mv "$root/usr/share/zsh/site-functions" "$root/usr/share/zsh/vendor-completions"
# Before Debian 13 a package may not have it below /usr.
install -D -m 644 deploy/systemd/socklb.service "$root/lib/systemd/system/socklb.service"
install -D -m 644 "$from/default" "$root/etc/default/socklb"
install -d "$root/etc/socklb/services"

docs=$root/usr/share/doc/socklb
install -d "$docs/examples"
install -m 644 "$from/copyright" README.md "$docs/"
for file in docs/*.md; do
	install -m 644 "$file" "$docs/"
done
gzip -9nc "$from/changelog" >"$docs/changelog.Debian.gz"
cp -R --no-preserve=mode Examples/. "$docs/examples/"
install -D -m 644 "$from/lintian-overrides" "$root/usr/share/lintian/overrides/socklb"

size=$(du -k --apparent-size -s --exclude=DEBIAN "$root" | cut -f 1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" \
	-e "s/@MAINTAINER@/$maintainer/" "$from/control.in" >"$root/DEBIAN/control"
echo /etc/default/socklb >"$root/DEBIAN/conffiles"
install -m 755 "$from/postinst" "$from/prerm" "$from/postrm" "$root/DEBIAN/"
(cd "$root" && find usr lib -type f | sort | xargs md5sum >DEBIAN/md5sums)
# dpkg-deb holds later times down to SOURCE_DATE_EPOCH, and leaves earlier ones.
find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
package=$out/socklb_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz "-z${LEVEL:-6}" --build "$root" "$package" >/dev/null
rm -rf "$root"
echo "$package"
