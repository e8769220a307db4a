#!/bin/bash
# Checks what every command promises to a user without any privilege.
# usage: test-cli.sh
set -euo pipefail
binary=${BUILD:-$(dirname "$0")/../.build/release}/socklb
failed=0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Another user must be able to reach the binary; the checkout may lie in a closed directory.
chmod 755 "$work"
install -m 755 "$binary" "$work/socklb"

unprivileged=()
if [ "$(id -u)" = 0 ]; then
	unprivileged=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all)
fi

# check NAME EXIT-CODE PATTERN COMMAND...: standard input comes from $work/in.
check() {
	local name=$1 expected=$2 pattern=$3 status=0
	shift 3
	(cd "$work" && timeout 60 "${unprivileged[@]}" ./socklb "$@") \
		<"$work/in" >"$work/out" 2>&1 || status=$?
	if [ "$status" = "$expected" ] && grep -qE -- "$pattern" "$work/out"; then
		echo "ok $name"
	else
		echo "FAIL $name: exit $status, expected $expected and output like $pattern"
		sed 's/^/    /' "$work/out" | head -n 20
		failed=1
	fi
}
has() { grep -qE "^  $1( |\$)" "$work/help"; }

: >"$work/in"
check "socklb --help" 0 USAGE --help
cp "$work/out" "$work/help"
if grep -q -- '--version' "$work/help"; then
	check "socklb --version" 0 '[0-9]+\.[0-9]+' --version
fi
check "unknown option" 64 unknown-option --unknown-option
check "unknown command" 64 unknown-command unknown-command

for shell in bash zsh fish; do
	check "completions for $shell" 0 socklb --generate-completion-script "$shell"
	[ "$shell" != bash ] || bash -n "$work/out"
done

commands=$(awk '/SUBCOMMANDS:$/ { on = 1; next } on && /^  [a-z]/ { print $1 }' "$work/help")
for command in $commands; do
	check "socklb $command --help" 0 "USAGE: socklb $command" "$command" --help
	check "socklb $command, unknown option" 64 unknown-option "$command" --unknown-option
done

if has attach; then
	check "attach without privilege" 77 CAP_BPF attach --pin "$work/pin" --state "$work/state"
fi
if has apply; then
	apply=(apply --dry-run --pin "$work/pin" --state "$work/state")
	check "empty input" 65 . "${apply[@]}" -f -
	printf 'kind: Service\nspec: [' >"$work/in"
	check "truncated input" 65 . "${apply[@]}" -f -
	printf 'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 65536}]}\n' \
		>"$work/in"
	check "port out of range" 65 'spec\.ports\[0\]\.port' "${apply[@]}" -f -
	sed -i 's/65536/80/' "$work/in"
	check "a Service without a clusterIP" 0 '"frontends"' "${apply[@]}" -o json -f -
fi
exit "$failed"
