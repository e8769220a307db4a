#!/bin/bash
# Applies every example, as a dry run without privilege, and compares the table with what the
# example promises.
# usage: test-examples.sh
# Examples/NAME/ holds a README.md, manifests and expected.txt: the lines of
# `apply --dry-run -o text`, without the messages.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${BUILD:-.build/release}/socklb
failed=0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
found=no
for example in Examples/*/; do
	[ -d "$example" ] || continue
	found=yes
	name=${example%/}
	problem=
	[ -f "$name/README.md" ] || problem="no README.md"
	# A state directory of its own: what this machine has applied must not show.
	if ! "$binary" apply --dry-run --pin "$work/pin" --state "$work/state" -o text -f "$name" \
		>"$work/out" 2>"$work/messages" </dev/null; then
		problem="not accepted"
	elif [ ! -f "$name/expected.txt" ]; then
		problem="no expected.txt"
	elif ! diff -u "$name/expected.txt" "$work/out" >"$work/messages"; then
		problem="another table than expected"
	fi
	if [ -z "$problem" ]; then
		echo "ok $name"
	else
		echo "FAIL $name: $problem"
		sed 's/^/    /' "$work/messages"
		failed=1
	fi
done
if [ "$found" = no ]; then
	echo "there are no Examples yet"
	exit 77
fi
exit "$failed"
