#!/bin/bash
# Shows that socklb is one static file: it runs in a root directory that holds only it and /proc.
# usage: test-static.sh
# Without root a user namespace is used; exits 77 where that is not allowed.
set -euo pipefail
binary=${BUILD:-$(dirname "$0")/../.build/release}/socklb
failed=0
ok() { echo "ok $1"; }
bad() { echo "FAIL $1"; failed=1; }

if readelf -lW "$binary" | grep -q INTERP; then bad "no interpreter"; else ok "no interpreter"; fi
if readelf -dW "$binary" | grep -q NEEDED; then bad "no shared libraries"; else ok "no shared libraries"; fi
echo "size: $(($(stat -Lc %s "$binary") / 1000)) kB"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/service.yaml" <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  clusterIP: 172.30.0.10
  ports: [{port: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1]}]
ports: [{name: "", port: 8080, protocol: TCP}]
YAML

# The mounts live in a private namespace and vanish with the last process in it.
namespace=(unshare --mount --pid --fork)
if [ "$(id -u)" != 0 ]; then
	namespace+=(--map-root-user)
	if ! "${namespace[@]}" true 2>/dev/null; then
		echo "the chroot test needs root or user namespaces"
		exit 77
	fi
fi
in_chroot() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	"${namespace[@]}" sh -euc '
		root=$1 binary=$2
		shift 2
		mount -t tmpfs -o mode=755 tmpfs "$root"
		mkdir "$root/proc"
		mount -t proc proc "$root/proc"
		cp -L "$binary" "$root/socklb"
		exec chroot "$root" /socklb "$@"' sh "$work/root" "$(realpath "$binary")" "$@"
}
mkdir "$work/root"

# check NAME EXPECTED COMMAND...: the output of the command contains the expected text.
check() {
	local name=$1 expected=$2 status=0
	shift 2
	in_chroot "$@" <"$work/service.yaml" >"$work/out" 2>&1 || status=$?
	if [ "$status" = 0 ] && grep -qF -- "$expected" "$work/out"; then
		ok "chroot: $name"
	else
		bad "chroot: $name (exit $status)"
		sed 's/^/    /' "$work/out"
	fi
}

check --help USAGE --help
if grep -q -- --version "$work/out"; then check --version . --version; fi
if grep -q '^  apply ' <(in_chroot --help </dev/null); then
	check "apply --dry-run" 172.30.0.10 apply --dry-run -o json -f -
fi
exit "$failed"
