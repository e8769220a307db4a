#!/bin/bash
# Applies every example, as a dry run without privilege, and compares with what it promises.
# usage: test-examples.sh
# Examples/NAME/ holds a README.md, manifests and expected.txt: what `apply --dry-run` prints for
# each object, an empty line, and the table that results (the lines that `diff` would add to an
# empty one).
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${BUILD:-.build/release}/socklb
failed=0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Node ports and host ports are at the addresses of a node: this one, not this machine.
node=(--node-name node-1 --node-ip 192.168.0.11)

# tried EXAMPLE: prints what applying it would do.
tried() {
	# A state directory of its own: what this machine has applied must not show.
	local status=0 options=(--pin "$work/pin" --state "$work/state" "${node[@]}" -f "$1")
	"$binary" apply --dry-run "${options[@]}" 2>"$work/messages" </dev/null || return
	echo
	# 0: no frontend at all; 1: those that are printed; anything else is an error.
	"$binary" diff "${options[@]}" >"$work/diff" 2>"$work/messages" </dev/null || status=$?
	added
	[ "$status" -le 1 ]
}
added() { sed -n '/^+++/d; s/^+//p' "$work/diff"; }

found=no
for example in Examples/*/; do
	[ -d "$example" ] || continue
	found=yes
	name=${example%/}
	problem=
	[ -f "$name/README.md" ] || problem="no README.md"
	if ! tried "$name" >"$work/out"; then
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

# All at once: they have no object in common and do not disturb each other.
status=0
"$binary" diff --pin "$work/pin" --state "$work/state" "${node[@]}" -R -f Examples \
	>"$work/diff" 2>"$work/messages" </dev/null || status=$?
sed '1,/^$/d' -s Examples/*/expected.txt | sort >"$work/each"
if [ "$status" = 1 ] && added | sort | diff "$work/each" - >>"$work/messages"; then
	echo "ok Examples, all at once"
else
	echo "FAIL Examples, all at once: exit $status"
	sed 's/^/    /' "$work/messages"
	failed=1
fi
exit "$failed"
