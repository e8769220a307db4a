# shellcheck shell=bash
# For parts that attach: whoever sources it goes on in network and mount namespaces of its own, with
# a bpffs and a cgroup that are removed at the end. `socklb` is the command, there.
build=$(realpath "$(dirname "$0")/../..")/.build/release

if [ "${SOCKLB_BENCH_INSIDE:-}" != "$(readlink /proc/self/ns/net)" ]; then
	[ "$(id -u)" = 0 ] || { echo "$0 needs root" >&2; exit 77; }
	[ -z "${SOCKLB_BENCH_INSIDE:-}" ] || { echo "no namespace of its own" >&2; exit 1; }
	# shellcheck disable=SC2016 # expanded inside
	exec unshare --net --mount --propagation private -- bash -c \
		'SOCKLB_BENCH_INSIDE=$(readlink /proc/self/ns/net) exec bash "$@"' bash "$0" "$@"
fi

cgroup_root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
cgroup=$cgroup_root/socklb-bench-$$
work=$(mktemp -d)
results=$work/results
socklb() { "$build/socklb" "$@" --pin "$work/bpf/socklb" --state "$work/state"; }
cleanup() {
	socklb detach >/dev/null 2>&1 || true
	umount "$work/bpf" 2>/dev/null || true
	rmdir "$cgroup" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
mkdir "$cgroup" "$work/bpf" "$results"
mount -t bpf bpf "$work/bpf"

# attach_empty: another life of the data plane, without objects.
attach_empty() {
	rm -rf "$work/state"
	socklb attach --cgroup "$cgroup" --max-services 131072 2>/dev/null
}
