#!/bin/bash
# Checks that bad input is refused as a whole, with file, document and field in the message, and
# that what real clusters hold is not refused.
# usage: test-input.sh
set -euo pipefail
# shellcheck source=scripts/cli/checks.sh
. "$(dirname "$0")/cli/checks.sh"

try=(apply --dry-run -f bad.yaml "${place[@]}")
refused() { cat >"$work/bad.yaml"; check "refused: $1" 65 "^error: bad\.yaml.*$2" "${try[@]}"; }
accepted() { cat >"$work/bad.yaml"; check "accepted: $1" 0 "$2" "${try[@]}"; }

# service FIELD...: a Service with these lines below `spec`.
service() {
	printf 'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n'
	printf '  %s\n' "$@"
}
ports='ports: [{port: 80}]'
# slice ADDRESS PORTS: an EndpointSlice of that Service.
slice() {
	printf 'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n'
	printf 'metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}\n'
	printf 'addressType: IPv4\nendpoints: [{addresses: [%s]}]\nports: %s\n' "$1" "$2"
}

# The text.
refused "malformed YAML" 'document 1' <<<'kind: Service: x'
refused "a tab" 'document 1' < <(printf 'kind: Service\nspec:\n\tports: []\n')
refused "a truncated file" 'document 1' < <(service "$ports" | head -c -3)
refused "an empty file" '' </dev/null
refused "a file of comments" '' <<<'# nothing'
refused "a plain word" 'document 1' <<<'hello'
refused "a key twice" 'document 1.*spec\.ports' < <(service "$ports" "$ports")
refused "a bomb of anchors" 'document 1' < <(
	printf 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n'
	for i in 1 2 3 4 5 6 7 8 9; do
		printf 'a%d: &a%d [%s]\n' "$i" "$i" "$(printf "*a$((i - 1)),%.0s" 1 2 3 4 5 6 7 8 9 10)"
	done
)
refused "an anchor in itself" 'document 1' <<<'a: &a [*a]'
refused "lists without end" 'document 1' < <(head -c 1000000 /dev/zero | tr '\0' '[')
refused "100 MB of junk" '' < <(head -c 100000000 /dev/urandom)
refused "100 MB of one letter" '' < <(head -c 100000000 /dev/zero | tr '\0' a)
rm "$work/bad.yaml"
printf '{"apiVersion": "v1", "kind": "Service",' >"$work/bad.json"
check "refused: malformed JSON" 65 '^error: bad\.json.*document 1' \
	apply --dry-run -f bad.json "${place[@]}"
mkdir "$work/closed"
chmod 000 "$work/closed"
check "refused: a directory that may not be read" 65 '^error: closed' \
	apply --dry-run -f closed "${place[@]}"
rmdir "$work/closed"
mkdir "$work/empty"
check "refused: a directory without manifests" 65 '^error: empty' \
	apply --dry-run -f empty "${place[@]}"

# The objects.
refused "no kind" 'document 1.*kind' <<<'apiVersion: v1'
refused "no name" 'document 1.*metadata\.name' < <(service "$ports" | sed '/metadata/s/name: web//')
refused "a name that is no label" 'document 1.*metadata\.name' < <(service "$ports" | sed 's/web/Web_1/')
for port in 0 65536 -1 http '"80"' 80.5 '[]'; do
	refused "port $port" 'document 1.*spec\.ports\[0\]\.port: ' < <(service "ports: [{port: $port}]")
done
refused "ports that are no list" 'document 1.*spec\.ports' < <(service 'ports: 80')
refused "an unknown protocol" 'spec\.ports\[0\]\.protocol' < <(service 'ports: [{port: 80, protocol: tcp}]')
refused "two ports without names" 'spec\.ports\[[01]\]' < <(service 'ports: [{port: 80}, {port: 81}]')
refused "an unknown type" 'spec\.type' < <(service 'type: Ingress' "$ports")
refused "a clusterIP that is no address" 'spec\.clusterIP' < <(service 'clusterIP: 10.96.0.256' "$ports")
refused "a wrong type deep inside" 'document 1.*spec\.selector' < <(service 'selector: {app: 1}' "$ports")
refused "an endpoint that is no address" 'endpoints\[0\]\.addresses\[0\]' < <(slice pod-1 '[{port: 80}]')
refused "a slice port out of range" 'document 1.*ports\[0\]\.port' < <(slice 10.244.0.1 '[{port: 99999}]')
refused "one clusterIP in two Services" '10\.96\.0\.9' < <(
	service 'clusterIP: 10.96.0.9' "$ports"
	echo ---
	service 'clusterIP: 10.96.0.9' "$ports" | sed 's/name: web/name: other/'
)
refused "one object twice, with different content" 'document 2.*twice' < <(
	service "$ports"
	echo ---
	service 'ports: [{port: 81}]'
)
refused "a problem in the second document" 'document 2.*spec\.ports\[1\]\.port' < <(
	service "$ports"
	echo ---
	service 'ports: [{name: a, port: 80}, {name: b, port: 0}]' | sed 's/name: web/name: other/'
)
refused "a problem inside of a List" 'document 1.*items\[0\]\.spec\.ports\[0\]\.port' <<'Y'
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 0}]}}
Y
# Every problem in one report.
refused "two problems: the first" 'spec\.clusterIP' < <(service 'clusterIP: x' 'ports: [{port: 0}]')
if grep -q 'spec\.ports\[0\]\.port' "$work/err"; then ok "and the second"; else bad "and the second"; fi

# What real clusters hold.
accepted "one object twice, the same" 'web created' < <(service "$ports"; echo ---; service "$ports")
accepted "another kind" 'note: .*Deployment' <<<'{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}'
accepted "an unusable external IP" '(warning|note): .*spec\.externalIPs' < <(
	service 'externalIPs: [300.1.1.1, "", 192.168.0.9]' "$ports")
accepted "an ingress IP that is none" '(warning|note): .*status\.loadBalancer' < <(
	service 'type: LoadBalancer' "$ports"
	echo 'status: {loadBalancer: {ingress: [{ip: nowhere}]}}')
accepted "a source range that is none" '(warning|note): .*loadBalancerSourceRanges' < <(
	service 'type: LoadBalancer' 'loadBalancerSourceRanges: [everywhere]' "$ports")
accepted "a nodePort out of range" 'web created' < <(service 'type: NodePort' 'ports: [{port: 80, nodePort: 8081}]')
accepted "a clusterIP outside of the range" 'note: .*192\.0\.2\.1' < <(service 'clusterIP: 192.0.2.1' "$ports")
accepted "a slice without ports" 'web-1 created' < <(slice 10.244.0.1 null)
accepted "a slice port without a number" 'web-1 created' < <(slice 10.244.0.1 '[{name: ""}]')
accepted "a loopback endpoint" 'warning: .*127\.0\.0\.1' < <(slice 127.0.0.1 '[{port: 80}]')
accepted "a slice of no known Service" 'note: .*web-1' < <(slice 10.244.0.1 '[{port: 80}]')
accepted "two Services at one address and port" 'warning: .*Service default/web.*default/older' < <(
	service 'externalIPs: [192.168.0.9]' "$ports"
	echo ---
	service 'externalIPs: [192.168.0.9]' "$ports" | sed 's/name: web/&2/; s/web2/older/;
		s/older/&, creationTimestamp: "2020-01-01T00:00:00Z"/')
# Where it comes from.
truncate -s 3G "$work/huge.yaml"
check "refused: a file of 3 GiB, unread" 65 '^error: huge\.yaml.*too large' \
	apply --dry-run -f huge.yaml "${place[@]}"
rm "$work/huge.yaml"
mkdir -p "$work/tree/below"
service "$ports" >"$work/tree/below/web.yaml"
ln -s .. "$work/tree/below/up"
ln -s .. "$work/tree/below/again"
check "accepted: -R does not follow links that lead back up" 0 'service/web created' \
	apply --dry-run -R -f tree "${place[@]}"
printf 'kind: "a\\u001b[31m\\nerror: forged"\napiVersion: v1\n' >"$work/forged.yaml"
run apply --dry-run -f forged.yaml "${place[@]}"
if grep -q '^error: forged' "$work/all" || grep -q "$(printf '\033')" "$work/all"; then
	bad "a name forges no line and no colour"
else
	ok "a name forges no line and no colour"
fi

exit "$failed"
