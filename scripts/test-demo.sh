#!/bin/bash
# Runs the demo, which must pass and leave nothing behind, and three demos that must not pass.
# usage: test-demo.sh            (root; exits 77 without)
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
	echo "the demo needs root"
	exit 77
fi
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Short enough for every `make test`; `make demo` makes 2000 connects per address.
export DEMO_CONNECTS=${DEMO_CONNECTS:-600}

ok() { echo "ok $1"; }
bad() {
	echo "FAIL $1"
	tail -n 15 "$work/out" | sed 's/^/    /'
	failed=1
}

# What a demo could leave, of any demo: nothing else on this machine has these names.
leftovers() {
	local mountpoint
	mountpoint=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	ls -d "$mountpoint"/socklb-demo-* /tmp/socklb-demo.* 2>/dev/null || true
	grep socklb-demo /proc/mounts || true
	pgrep -f "^[^ ]*python3 .*/scripts/demo/backend\.py" || true
}
clean() {
	leftovers >"$work/left"
	if cmp -s "$work/left" "$work/before"; then ok "$1"; else
		cp "$work/left" "$work/out"
		bad "$1"
	fi
}
leftovers >"$work/before"

# The whole demo, as a user runs it.
status=0
timeout 120 scripts/demo.sh >"$work/out" 2>&1 || status=$?
if [ "$status" = 0 ]; then ok "the demo passes"; else bad "the demo passes (exit $status)"; fi
for text in "apply -f Examples/01-demo" "All was as said"; do
	if grep -qF -- "$text" "$work/out"; then ok "it says: $text"; else bad "it says: $text"; fi
done
clean "the demo leaves nothing behind"

# fails NAME VARIABLE TEXT: with the variable set the demo ends with 1 and says why.
fails() {
	status=0
	env "$2=1" timeout 120 scripts/demo.sh >"$work/out" 2>&1 || status=$?
	if [ "$status" = 1 ] && grep -qE -- "$3" "$work/out"; then ok "$1"; else bad "$1 (exit $status)"; fi
	clean "$1, and leaves nothing behind"
}
fails "the demo fails without attach" DEMO_WITHOUT_ATTACH 'not attached.*run .?socklb attach'
fails "the demo fails with clients outside of the cgroup" DEMO_CLIENTS_OUTSIDE \
	'NOT AS SAID: curl: .*(Failed to connect|Couldn.t connect)'

# Interrupted or killed in the middle, it still cleans up.
for signal in TERM KILL; do
	# Emptied here: the demo before said the same, and the redirection below is made later, by the
	# new process.
	: >"$work/out"
	DEMO_CONNECTS=20000 scripts/demo.sh >"$work/out" 2>&1 &
	demo=$!
	for _ in $(seq 200); do
		grep -q 'times over IPv4' "$work/out" && break
		sleep 0.1
	done
	if grep -q 'times over IPv4' "$work/out"; then
		kill "-$signal" "$demo"
		wait "$demo" 2>/dev/null || true
		# Killed, it cannot wait for the story that it started.
		for _ in $(seq 100); do
			leftovers >"$work/left"
			cmp -s "$work/left" "$work/before" && break
			sleep 0.1
		done
		clean "after SIG$signal nothing is left"
	else
		bad "after SIG$signal: the demo did not come so far"
		kill -TERM "$demo" 2>/dev/null || true
		wait "$demo" 2>/dev/null || true
	fi
done
exit "$failed"
