#!/bin/bash
# As vm-test.sh, for several kernels, in as many virtual machines at a time as there are CPUs, two at
# most. One kernel alone gets two, with half of the tests each.
# usage: vm-parts.sh VMLINUZ... [-- ARGUMENT OF socklb-kernel-tests...]
set -euo pipefail

here=$(dirname "$0")
kernels=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	kernels+=("$1")
	shift
done
[ $# = 0 ] || shift
[ ${#kernels[@]} -gt 0 ] || { sed -n '4s/^# //p' "$0" >&2; exit 64; }
processors=$(nproc)
[ "$processors" -le 2 ] || processors=2
parts=$((processors / ${#kernels[@]}))
[ "$parts" -ge 1 ] || parts=1

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

code=0
machines=$((${#kernels[@]} * parts))
for number in $(seq "$machines"); do : >"$work/$number"; done
# What all of them say, as it comes, but for their summaries.
tail -q -s 1 -n +1 -f "$work"/[0-9]* > >(grep --line-buffered -v '^kernel tests:') &
viewer=$!
running=("$viewer")

# Waits for all that run.
finish() {
	local machine
	for machine in "${running[@]:1}"; do wait "$machine" || code=$?; done
	running=("$viewer") # The others have ended, and their numbers may be somebody else's.
}

number=0
for kernel in "${kernels[@]}"; do
	name=$(basename "$kernel" | sed 's/^vmlinuz-\([0-9.]*[0-9]\).*/\1/')
	for part in $(seq "$parts"); do
		number=$((number + 1))
		"$here/vm-test.sh" "$kernel" --part "$part/$parts" "$@" \
			> >(sed -u "s/^\(ok\|FAIL\|skip\|vm:\|time:\) /\1 $name: /" >"$work/$number") 2>&1 &
		running+=($!)
		[ "$processors" -gt 1 ] || finish
	done
done
finish
sleep 2
sed -n 's/^kernel tests: \([0-9]*\) run, \([0-9]*\) skipped$/\1 \2/p' "$work"/[0-9]* \
	| awk -v machines="$machines" '
		{ run += $1; skipped += $2 }
		END { if (NR == machines) printf "kernel tests: %d run, %d skipped\n", run, skipped }'
exit "$code"
