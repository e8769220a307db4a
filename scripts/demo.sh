#!/bin/bash
# From nothing to answered connections: three backends, a Service, some thousand connects.
# usage: demo.sh            (root; `make demo` builds first)
# Environment: BUILD (default .build/release), DEMO_CONNECTS (per address, default 2000).
#
# Everything happens in a network and a mount namespace and a cgroup made for it, without a route
# out. Each step is checked; the first that is not as it says ends the demo with exit code 1.
# DEMO_WITHOUT_ATTACH=1 leaves out `attach`, DEMO_CLIENTS_OUTSIDE=1 lets the clients run outside of
# the cgroup. Both must fail: scripts/test-demo.sh makes sure that the checks check something.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
binary=${BUILD:-$root/.build/release}/socklb

quit() {
	echo "demo: $2" >&2
	exit "$1"
}
[ "$(id -u)" = 0 ] || quit 77 "attaching programs to a cgroup needs root: sudo make demo"
[ -x "$binary" ] || quit 69 "there is no $binary; make build"
[ -e /proc/net/if_inet6 ] || quit 69 "this kernel has no IPv6, and the demo uses both families"
mountpoint=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$mountpoint" ] || quit 69 "no cgroup2 is mounted; mount -t cgroup2 cgroup2 /sys/fs/cgroup"

work=$(mktemp -d /tmp/socklb-demo.XXXXXX)
cgroup=$mountpoint/socklb-demo-$$
story=
# The story cleans up behind itself; what it could not (killed) goes here.
cleanup() {
	[ ! -d "$cgroup" ] || rmdir "$cgroup" || true
	rm -rf "$work"
}
trap cleanup EXIT
trap '[ -z "$story" ] || kill -TERM "$story" 2>/dev/null || true' INT TERM HUP

# Open before the story removes the directory: it writes the name of its namespace here.
: >"$work/namespace"
exec 3<"$work/namespace"

export DEMO_PARENT_NAMESPACE
DEMO_PARENT_NAMESPACE=$(readlink /proc/self/ns/net)
# Not `ip netns exec`: that mounts a new /sys, which hides the cgroups. If this shell is killed the
# story is told to end too.
setpriv --pdeathsig TERM unshare --net --mount \
	bash "$root/scripts/demo/story.sh" "$root" "$binary" "$work" "$cgroup" </dev/null 3<&- &
story=$!
status=0
wait "$story" || status=$?
# A signal ends the wait before the story has cleaned up.
while kill -0 "$story" 2>/dev/null; do wait "$story" || status=$?; done
[ "$status" = 0 ] || exit "$status"

namespace=$(cat <&3)
exec 3<&-
left=
for process in /proc/[0-9]*; do
	[ "$(readlink "$process/ns/net" 2>/dev/null)" != "$namespace" ] || left="$left ${process#/proc/}"
done
[ -z "$left" ] || quit 1 "processes are left in the namespace $namespace:$left"
[ ! -e "$cgroup" ] || quit 1 "the cgroup $cgroup is left"
[ ! -e "$work" ] || quit 1 "the directory $work is left"
echo "    The namespace is gone with its last process, and so are the cgroup and the directory."
echo
echo "All was as said, in $SECONDS s."
