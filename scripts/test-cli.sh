#!/bin/bash
# Checks what every command promises to a user without any privilege.
# usage: test-cli.sh
set -euo pipefail
# shellcheck source=scripts/cli/checks.sh
. "$(dirname "$0")/cli/checks.sh"
cp -r "$(dirname "$0")/../Examples" "$work/Examples"
chmod -R a+rX "$work/Examples"
examples=Examples

check "socklb --help" 0 USAGE --help
cp "$work/out" "$work/help"
check "socklb --version" 0 '^[0-9]+\.[0-9]+\.[0-9]+|^socklb [0-9]+\.[0-9]+' --version
check "unknown option" 64 unknown-option --unknown-option
check "unknown command" 64 unknown-command unknown-command
for shell in bash zsh fish; do
	check "completions for $shell" 0 socklb --generate-completion-script "$shell"
	[ "$shell" != bash ] || bash -n "$work/out"
done

commands=$(awk '/SUBCOMMANDS:$/ { on = 1; next } on && /^  [a-z]/ { print $1 }' "$work/help")
for command in attach run upgrade detach apply delete diff dump explain trace top status doctor report history rollback verify; do
	case " $(echo "$commands" | tr '\n' ' ')" in
	*" $command "*) ok "socklb has $command" ;;
	*) bad "socklb has $command" ;;
	esac
done
for command in $commands; do
	check "socklb $command --help" 0 "USAGE: socklb $command" "$command" --help
	for option in --pin --state; do
		if grep -q -- "$option" "$work/out"; then ok "$command has $option"; else bad "$command has $option"; fi
	done
	arguments=()
	case $command in run) arguments=(--manifests /etc) ;; delete | describe) arguments=(service web) ;; explain) arguments=(web) ;; report) arguments=(-o -) ;; esac
	check "socklb $command, unknown option" 64 unknown-option "$command" "${arguments[@]}" --unknown-option
	check "socklb $command, relative --pin" 64 'absolute path' "$command" --pin here
done

# Wrong usage.
check "apply without -f" 64 '-f' apply "${place[@]}"
check "diff without -f" 64 '-f' diff "${place[@]}"
check "delete without anything" 64 '-f' delete "${place[@]}"
check "delete service without a name" 64 NAMESPACE/NAME delete service "${place[@]}"
check "delete service a/b/c" 64 'a/b/c' delete service a/b/c "${place[@]}"
check "dump of an unknown view" 64 frontends dump nonsense "${place[@]}"
check "dump sockets without privilege" 77 'CAP_BPF.*CAP_PERFMON' dump sockets "${place[@]}"
check "a filter for another view" 64 'dump sockets' dump frontends --service web "${place[@]}"
check "a filter that is no Service" 64 'NAMESPACE/NAME' dump sockets --service a/b/c "${place[@]}"
check "a filter that is no backend" 64 'ADDRESS' dump sockets --backend 10.0.0.1:http "${place[@]}"
check "a filter that is no pid" 64 'pid' dump sockets --pid init "${place[@]}"
check "trace without privilege" 77 'CAP_BPF.*CAP_PERFMON' trace "${place[@]}"
check "a trace of what is no Service" 64 'NAMESPACE/NAME' trace --service a/b/c "${place[@]}"
check "a trace of what is no backend" 64 'ADDRESS' trace --backend pod "${place[@]}"
check "explain without privilege" 77 'CAP_BPF.*CAP_PERFMON' explain 10.96.0.10:53/udp "${place[@]}"
check "explain without an address" 64 'ADDRESS:PORT' explain "${place[@]}"
check "explain of no address" 64 'target' explain 10.96.0.10:http "${place[@]}"
check "explain for two clients" 64 '--pid, --netns and --cgroup' explain web --pid 1 --netns x "${place[@]}"
check "a sample that is none" 64 '1/64' trace --sample 64 "${place[@]}"
check "a duration that is none" 64 '500ms' trace --for 10 "${place[@]}"
check "a ring of no power of two" 64 'power of two' trace --buffer 3 "${place[@]}"
check "failures without outcomes" 64 'decisions-only' trace --failures --decisions-only "${place[@]}"
check "an unknown format" 64 yaml dump -o xml "${place[@]}"
check "a generation that is none" 64 generation rollback yesterday "${place[@]}"
check "a longer history than there is" 64 keep-history apply --keep-history 200 -f - "${place[@]}"
check "a service CIDR that is none" 64 service-cidr apply --service-cidr 10.96.0.0 -f - "${place[@]}"
check "more services than there can be" 64 max-services attach --max-services 0 "${place[@]}"

# Nothing attached, nothing permitted.
cp "$work/$examples/15-no-endpoints/nobody.yaml" "$work/in"
changes=("apply -f -" "delete -f -" "delete service web" rollback "verify --repair")
for change in "${changes[@]}"; do
	# shellcheck disable=SC2086 # words
	check "$change, without privilege" 77 'needs CAP_BPF,' $change "${place[@]}"
done
if [ "$(id -u)" = 0 ]; then
	as_before=("${unprivileged[@]}") unprivileged=()
	for change in "${changes[@]}"; do
		# shellcheck disable=SC2086 # words
		check "$change, not attached" 1 'not attached.*socklb attach' $change "${place[@]}"
	done
	check "dump sockets, not attached" 1 'not attached.*socklb attach' dump sockets "${place[@]}"
	unprivileged=("${as_before[@]}")
fi
check "history of nothing" 0 '^GENERATION +AGE +STATE +COMMAND +CHANGE +DIGEST$' history "${place[@]}"
json "history of nothing, JSON" 'd == {"history": []}' history -o json "${place[@]}"
check "rollback --dry-run without a history" 1 'no earlier generation' rollback --dry-run "${place[@]}"
check "verify, not attached" 1 'socklb attach' verify "${place[@]}"
check "dump, not attached" 1 'socklb attach' dump "${place[@]}"
check "status, not attached" 1 'socklb attach' status "${place[@]}"
check "doctor, not attached" 1 'nothing is attached' doctor "${place[@]}"
# shellcheck source=scripts/cli/pages.sh
. "$(dirname "$0")/cli/pages.sh"
check "attach for an unknown group" 64 'no group' attach --group no-such-group --state "$work/state"
if [ -e "$work/state" ]; then bad "that wrote nothing"; else ok "that wrote nothing"; fi
check "detach of nothing" 0 'nothing was attached' detach "${place[@]}"
check "attach without privilege" 77 'CAP_BPF.*CAP_NET_ADMIN.*CAP_PERFMON' attach --state "$work/state"

# The ways in: standard input, a file, a directory, with what is below it.
mkdir -p "$work/tree/below"
cp "$work/$examples/08-dns/kube-dns.yaml" "$work/tree/dns.yaml"
cp "$work/$examples/12-endpoints/database.yaml" "$work/tree/below/database.yml"
echo 'this is no manifest: [' >"$work/tree/notes.txt"
chmod -R a+rX "$work/tree"
cp "$work/tree/dns.yaml" "$work/in"
check "apply --dry-run of standard input" 0 '^service/kube-dns created \(dry run\)$' \
	apply --dry-run -f - "${place[@]}"
check "apply --dry-run of a file" 0 '^service/kube-dns created' apply --dry-run -f tree/dns.yaml "${place[@]}"
json "a directory without -R" 'len(d["frontends"]) == 2' \
	apply --dry-run -o json -f tree "${place[@]}"
json "a directory with -R" 'len(d["frontends"]) == 3' apply --dry-run -o json -R -f tree "${place[@]}"
json "-f twice" 'len(d["frontends"]) == 3' \
	apply --dry-run -o json -f tree -f tree/below "${place[@]}"
check "a file that is not there" 65 nowhere.yaml apply --dry-run -f nowhere.yaml "${place[@]}"

# The shape of the table is a contract.
cp "$work/$examples"/10-dual-stack/*.yaml "$work/$examples"/14-session-affinity/*.yaml "$work/tree/below/"
chmod -R a+rX "$work/tree"
json "the keys of a frontend" 'all(set(f) >= {"address", "port", "protocol", "kind", "service",
	"portName", "sessionAffinity", "backends"} for f in d["frontends"])' \
	apply --dry-run -o json -R -f tree "${place[@]}"
json "frontends sorted, IPv4 first" '(lambda k: k == sorted(k))([(i.version, int(i), f["port"],
	f["protocol"]) for f in d["frontends"]
	for i in [__import__("ipaddress").ip_address(f["address"])]])' \
	apply --dry-run -o json -R -f tree "${place[@]}"
json "one frontend in full" '{"address": "10.96.0.10", "port": 53, "protocol": "UDP",
	"kind": "ClusterIP", "service": "kube-system/kube-dns", "portName": "dns", "sessionAffinity": None,
	"backends": [{"address": "10.244.0.2", "port": 53}, {"address": "10.244.0.3", "port": 53}]
	} in d["frontends"]' apply --dry-run -o json -R -f tree "${place[@]}"
json "session affinity" '[f["sessionAffinity"] for f in d["frontends"] if
	f["service"] == "default/carts"] == [{"timeoutSeconds": 600}]' \
	apply --dry-run -o json -R -f tree "${place[@]}"
json "an unnamed port, no backend" '[(f["portName"], f["backends"]) for f in d["frontends"]] == [("", [])]' \
	apply --dry-run -o json -f "$examples/15-no-endpoints/nobody.yaml" "${place[@]}"
json "headless and ExternalName are no frontends" 'd == {"frontends": []}' apply --dry-run -o json \
	-f "$examples/06-external-name/numbers.yaml" -f "$examples/04-headless/zookeeper.yaml" "${place[@]}"
check "the table as YAML" 0 'address: "10.96.0.10"' apply --dry-run -o yaml -R -f tree "${place[@]}"

# diff: 0 no difference, 1 differences, more an error.
check "diff with differences" 1 '^\+10\.96\.0\.10:53/UDP ClusterIP kube-system/kube-dns:dns ' \
	diff -f tree "${place[@]}"
check "diff without" 0 '' diff -f "$examples/06-external-name" "${place[@]}"
echo '{' >"$work/in"
check "diff of bad input" 65 'document 1' diff -f - "${place[@]}"

# What is not traced runs three more instructions at most.
swift=$(readlink -f "$(command -v swift)")
python3 "$(dirname "$0")/count-instructions.py" "${SOCKLB_CLANG:-$(dirname "$swift")/clang}" \
	"$(dirname "$swift")/llvm-objdump" "$(dirname "$0")/../Sources/bpf" || failed=1
exit "$failed"
