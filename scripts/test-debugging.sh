#!/bin/bash
# Runs the stories of docs/debugging.md, with real sockets, and compares what they print.
# usage: test-debugging.sh [--write]      (root)     --write puts what was printed into the document
# Environment: BUILD (default .build/release), PAGE (where the page of `report` is copied to).
#
# Everything happens in a network and a mount namespace and a cgroup of its own, without a route out.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
binary=$(realpath "${BUILD:-$root/.build/release}/socklb")
[ "$(id -u)" = 0 ] || { echo "the stories need root: sudo scripts/test-debugging.sh"; exit 77; }
command -v curl >/dev/null || { echo "curl is missing: scripts/install-deps.sh --for demo"; exit 77; }
mountpoint=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$mountpoint" ] || { echo "no cgroup2 is mounted"; exit 69; }

work=$(mktemp -d)
cgroup=$mountpoint/socklb-debugging-$$
mkdir "$cgroup"
cleanup() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -d "$cgroup" ] || break
		xargs -r kill -KILL <"$cgroup/cgroup.procs" 2>/dev/null || true
		rmdir "$cgroup" 2>/dev/null || sleep 0.1
	done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 143' INT TERM HUP
mkdir "$work/bin"
ln -s "$binary" "$work/bin/socklb"
printf '127.0.0.1 localhost\n172.30.0.1 web.shop.svc\n' >"$work/hosts"

export DEBUGGING_PARENT_NAMESPACE
DEBUGGING_PARENT_NAMESPACE=$(readlink /proc/self/ns/net)
status=0
# shellcheck disable=SC2016 # expanded by the inner shell
setpriv --pdeathsig KILL unshare --net --mount bash -euc '
	root=$1 work=$2 cgroup=$3
	shift 3
	[ "$(readlink /proc/self/ns/net)" != "$DEBUGGING_PARENT_NAMESPACE" ]
	# The places that commands use when none is given, and names, for this mount namespace alone.
	mount -t bpf bpf /sys/fs/bpf
	mount -t tmpfs tmpfs /var/lib
	mkdir /var/lib/socklb
	mount --bind "$work/hosts" /etc/hosts
	ip link set lo up
	for i in 1 2 3; do ip address add "10.0.0.$i/32" dev lo; done
	echo $$ >"$cgroup/cgroup.procs"
	export PATH=$work/bin:$PATH
	cd "$work"
	socklb attach --cgroup "$cgroup" >/dev/null 2>&1
	status=0
	python3 "$root/scripts/debugging/run.py" "$root/docs/debugging.md" "$@" </dev/null || status=$?
	if [ -f report.html ]; then
		python3 "$root/scripts/debugging/check_page.py" report.html || status=$?
	fi
	socklb detach >/dev/null 2>&1
	[ -z "${PAGE:-}" ] || cp report.html "$PAGE"
	exit "$status"' bash "$root" "$work" "$cgroup" "$@" || status=$?
exit "$status"
