# shellcheck shell=bash disable=SC2034 # used by those that read this file
# For test-cli.sh and test-input.sh: runs socklb as a user without any privilege and looks at how it
# ends and what it says. Sets `work`, a directory that this user may write to, and `failed`.

failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Another user must be able to reach the binary; the checkout may lie in a closed directory.
chmod 777 "$work"
install -m 755 "${BUILD:-$(dirname "$0")/../.build/release}/socklb" "$work/socklb"
: >"$work/in"

unprivileged=()
if [ "$(id -u)" = 0 ]; then
	unprivileged=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all)
fi
# A place of its own: what this machine has applied must not show.
place=(--pin "$work/pin" --state "$work/state")

ok() { echo "ok $1"; }
bad() {
	echo "FAIL $1"
	cut -c 1-300 "$work/all" | head -n 20 | sed 's/^/    /'
	failed=1
}

# run ARGUMENT...: `status`; standard output and error in $work/out, $work/err, both in $work/all.
run() {
	status=0
	(cd "$work" && timeout 120 "${unprivileged[@]}" ./socklb "$@") \
		<"$work/in" >"$work/out" 2>"$work/err" || status=$?
	cat "$work/err" "$work/out" >"$work/all"
}

# check NAME EXIT-CODE PATTERN ARGUMENT...: standard input comes from $work/in.
check() {
	local name=$1 expected=$2 pattern=$3
	shift 3
	run "$@"
	if [ "$status" = "$expected" ] && grep -qE -- "$pattern" "$work/all"; then
		ok "$name"
	else
		bad "$name: exit $status, expected $expected and a line like $pattern"
	fi
}

# json NAME EXPRESSION ARGUMENT...: the command ends with 0, and the expression about its output,
# `d` in Python, is true.
json() {
	local name=$1 expression=$2
	shift 2
	run "$@"
	if [ "$status" = 0 ] && python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
sys.exit(not eval(sys.argv[2]))' "$work/out" "$expression" 2>>"$work/all"; then
		ok "$name"
	else
		bad "$name: exit $status, or not $expression"
	fi
}
