#!/bin/bash
# The demo itself; started by demo.sh in namespaces of its own.
# usage: story.sh ROOT BINARY WORK-DIRECTORY CGROUP
# shellcheck disable=SC2034 # used by the parts that are read in
set -euo pipefail
root=$1 binary=$2 work=$3 cgroup=$4 bpf=$3/bpf
# shellcheck source=scripts/demo/checks.sh
. "$root/scripts/demo/checks.sh"

namespace=$(readlink /proc/self/ns/net)
if [ "$namespace" = "${DEMO_PARENT_NAMESPACE:?}" ]; then
	echo "demo: this is no network namespace of its own; stopped before anything was done" >&2
	exit 69
fi
echo "$namespace" >"$work/namespace"

backends=()
cleanup() {
	local i
	trap '' INT TERM
	if [ "${#backends[@]}" -gt 0 ]; then
		kill -KILL "${backends[@]}" 2>/dev/null || true
		wait "${backends[@]}" 2>/dev/null || true
	fi
	if [ -e "$bpf/socklb" ]; then socklb detach >/dev/null 2>&1 || true; fi
	# Clients that still run, each started by this demo; an ended one may stay for a moment.
	for i in 1 2 3 4 5 6 7 8 9 10; do
		[ -d "$cgroup" ] || break
		xargs -r kill -KILL <"$cgroup/cgroup.procs" 2>/dev/null || true
		rmdir "$cgroup" 2>/dev/null || sleep 0.1
	done
	umount "$bpf" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 143' INT TERM HUP

python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)
count=${DEMO_CONNECTS:-2000}
tcp=0 udp=0 refused=0

echo "socklb: Kubernetes Services at the socket"
step "A machine of its own"
mkdir "$cgroup" || broken "no cgroup can be made there; in a container it has to be writable"
mkdir "$bpf"
mount -t bpf bpf "$bpf"
# Some kernels put files of their own into each bpffs.
pins() { find "$bpf" -mindepth 1 | sort; }
pins_before=$(pins)
ip link set lo up
for i in 1 2 3; do
	ip address add "10.244.$i.10/32" dev lo
	ip address add "fd00:10:244:$i::10/128" dev lo nodad
done
say "This runs in a new network namespace with nothing but a loopback interface: no route leads" \
	"out. The clients run in a new cgroup; the backends do not."
[ -z "$(ip route show default; ip -6 route show default)" ] || broken "there is a default route"

step "Three small servers play the Pods web-1, web-2 and web-3"
for i in 1 2 3; do
	setpriv --pdeathsig KILL "$python" "$root/scripts/demo/backend.py" "web-$i" 8080 7007 \
		"10.244.$i.10" "fd00:10:244:$i::10" >"$work/web-$i" 2>&1 &
	backends+=($!)
done
for i in 1 2 3; do
	for _ in $(seq 100); do
		grep -q listening "$work/web-$i" && break
		sleep 0.1
	done
	grep -q listening "$work/web-$i" || broken "web-$i does not start: $(cat "$work/web-$i")"
	say "web-$i listens at 10.244.$i.10 and fd00:10:244:$i::10, HTTP on 8080, UDP echo on 7007."
done

step "Attach"
if [ "${DEMO_WITHOUT_ATTACH:-0}" = 1 ]; then
	say "(Left out, because DEMO_WITHOUT_ATTACH is set.)"
else
	shown socklb attach --cgroup "$cgroup"
fi

step "Make a Service known: no clusterIP given, two ports, two families, three Pods"
shown socklb apply -f "$root/Examples/01-demo"
vip4=$(address 4 default/web:http) vip6=$(address 6 default/web:http)
[ -n "$vip4" ] && [ -n "$vip6" ] || broken "the Service has no clusterIP of each family"
say "It was given the addresses $vip4 and $vip6. No interface has them and no route leads there."

# shellcheck source=scripts/demo/traffic.sh
. "$root/scripts/demo/traffic.sh"

step "Detach"
shown socklb detach
say "The addresses mean nothing any more:"
fails_with unreachable "$vip4" 80
fails_with unreachable "$vip6" 80

step "Nothing is left"
[ "$(pins)" = "$pins_before" ] || broken "pins are left: $(pins)"
kill -TERM "${backends[@]}"
wait "${backends[@]}" 2>/dev/null || true
backends=()
rmdir "$cgroup" || broken "the cgroup cannot be removed"
umount "$bpf" || broken "the bpffs cannot be unmounted"
say "No pin, so no program, no link and no map: the kernel keeps them only while something refers" \
	"to them."
