#!/bin/bash
# Shows a page of `socklb report` to a browser: does its script run, and what does it look like?
# usage: browse-page.sh FILE.html DIRECTORY      writes light.png, dark.png and narrow.png there
# Exits 77 without Chromium (apt-get install chromium): it is large, so no stage of the tests needs it.
set -euo pipefail
[ $# = 2 ] || { sed -n '3s/^# //p' "$0" >&2; exit 64; }
command -v chromium >/dev/null || { echo "chromium is missing; not looked at"; exit 77; }
page=$(realpath "$1") directory=$2
mkdir -p "$directory"
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT

browse() {
	timeout 60 chromium --headless --no-sandbox --disable-gpu --hide-scrollbars \
		--user-data-dir="$profile" "$@" "file://$page" 2>/dev/null
}

# What the script has written says that it has run to its end, under the page's own policy.
if browse --virtual-time-budget=5000 --dump-dom | grep -q '<output id="found">[0-9]* Services</output>'; then
	echo "ok the page's script runs"
else
	echo "FAIL the page's script has not run"
	exit 1
fi
browse --window-size=1280,2400 --screenshot="$directory/light.png" >/dev/null
browse --window-size=1280,2400 --screenshot="$directory/dark.png" \
	--blink-settings=preferredColorScheme=0 >/dev/null
browse --window-size=500,2400 --screenshot="$directory/narrow.png" >/dev/null
for name in light dark narrow; do
	[ -s "$directory/$name.png" ] || { echo "FAIL there is no $directory/$name.png"; exit 1; }
done
if cmp -s "$directory/light.png" "$directory/dark.png"; then
	echo "FAIL dark is as light"
	exit 1
fi
echo "ok $directory: light, dark and narrow; look at them"
