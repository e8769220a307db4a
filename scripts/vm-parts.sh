#!/bin/bash
# As vm-test.sh, in as many virtual machines at a time as there are CPUs, two at most: each has one
# CPU and runs a part of the tests.
# usage: vm-parts.sh VMLINUZ [ARGUMENT OF socklb-kernel-tests]...
set -euo pipefail

[ $# -ge 1 ] || { sed -n '4s/^# //p' "$0" >&2; exit 64; }
kernel=$1
shift
here=$(dirname "$0")
parts=$(nproc)
[ "$parts" -le 2 ] || parts=2
[ "$parts" -gt 1 ] || exec "$here/vm-test.sh" "$kernel" "$@"

work=$(mktemp -d)
running=()
stop() {
	# vm-test.sh removes what it made when it is told to stop.
	[ ${#running[@]} = 0 ] || kill -TERM "${running[@]}" 2>/dev/null || true
	wait
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for part in $(seq "$parts"); do
	: >"$work/$part"
	"$here/vm-test.sh" "$kernel" --part "$part/$parts" "$@" >"$work/$part" 2>&1 &
	running+=($!)
done
# What both say, as it comes, but for their summaries.
tail -q -s 1 -n +1 -f "$work"/[12] > >(grep --line-buffered -v '^kernel tests:') &
running+=($!)

code=0
for part in $(seq "$parts"); do
	wait "${running[part - 1]}" || code=$?
done
running=("${running[parts]}") # The others have ended, and their numbers may be somebody else's.
sleep 2
sed -n 's/^kernel tests: \([0-9]*\) run, \([0-9]*\) skipped$/\1 \2/p' "$work"/[12] | awk -v parts="$parts" '
	{ run += $1; skipped += $2 }
	END { if (NR == parts) printf "kernel tests: %d run, %d skipped\n", run, skipped }'
exit "$code"
