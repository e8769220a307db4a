#!/bin/bash
# What is delivered besides the binary: the unit, the Debian package, the container file, deploy/.
# usage: test-package.sh                                                              (as root: all of it)
# Environment: BUILD (default .build/release).
#
# The unit is started twice: by a stand-in for systemd that has the same rights and listens to what it
# says, and by systemd itself as pid 1 of namespaces of its own, from the installed package.
set -euo pipefail
export LC_ALL=C.UTF-8
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
export BUILD=${BUILD:-.build/release} PYTHONDONTWRITEBYTECODE=1
binary=$(realpath "$BUILD/socklb")
unit=deploy/systemd/socklb.service
failed=0
ok() { echo "ok $1"; }
bad() {
	echo "FAIL $1"
	[ ! -s "$work/out" ] || sed 's/^/    /' "$work/out"
	failed=1
}
# check NAME COMMAND...: its output is shown when it fails.
check() {
	local name=$1
	shift
	if "$@" >"$work/out" 2>&1; then ok "$name"; else bad "$name"; fi
}
missing=
for tool in systemd-analyze dpkg-deb lintian kubectl python3; do
	command -v "$tool" >/dev/null || missing="$missing $tool"
done
python3 -c 'import yaml' 2>/dev/null || missing="$missing python3-yaml"
if [ -n "$missing" ]; then
	echo "missing:$missing; scripts/install-deps.sh --for test"
	exit 77
fi
work=$(mktemp -d)
cgroups=()
cleanup() {
	local cgroup i
	for cgroup in "${cgroups[@]}"; do
		for ((i = 0; i < 30; i++)); do
			[ -d "$cgroup" ] || break
			find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
		done
	done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 143' INT TERM HUP
chmod 755 "$work"

# The unit by itself. Where it is verified, the command and its manual are not installed yet.
mkdir "$work/unit"
sed -e "s,/usr/bin/socklb,$binary," -e '/^Documentation=/d' "$unit" >"$work/unit/socklb.service"
check "systemd-analyze verify" systemd-analyze verify --man=no "$work/unit/socklb.service"
if [ -s "$work/out" ]; then bad "without a complaint"; else ok "without a complaint"; fi
check "systemd-analyze security: at most 3.5" \
	systemd-analyze security --offline=true --threshold=35 "$work/unit/socklb.service"
grep -o 'exposure level.*[0-9]' "$work/out" || true

# The package: made twice, the same bytes.
package=
for round in 1 2; do
	OUT=$work/deb$round LEVEL=0 scripts/make-deb.sh >"$work/out" 2>&1 || bad "make-deb.sh"
	package=$(echo "$work/deb$round"/*.deb)
done
if cmp "$work"/deb[12]/*.deb; then ok "the same bytes each time"; else bad "the same bytes each time"; fi
check "lintian" lintian --fail-on error,warning --allow-root "$package"
if [ -s "$work/out" ]; then bad "without a complaint"; else ok "without a complaint"; fi
dpkg-deb -c "$package" | awk '{ print $1, $2, $6 }' >"$work/list"
for line in '-rwxr-xr-x root/root ./usr/bin/socklb' '-rw-r--r-- root/root ./etc/default/socklb' \
	'-rw-r--r-- root/root ./lib/systemd/system/socklb.service' \
	'-rw-r--r-- root/root ./usr/share/man/man1/socklb.run.1.gz' \
	'drwxr-xr-x root/root ./etc/socklb/services/' \
	'-rw-r--r-- root/root ./usr/share/bash-completion/completions/socklb'; do
	if grep -qxF -- "$line" "$work/list"; then ok "has ${line##* }"; else bad "has $line"; fi
done
# shellcheck source=scripts/package/deploy.sh
. scripts/package/deploy.sh

mountpoint=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
if [ "$(id -u)" != 0 ] || [ -z "$mountpoint" ]; then
	[ "$failed" = 0 ] || exit 1
	echo "starting the unit needs root and a cgroup2"
	exit 77
fi
export PACKAGE_PARENT_NAMESPACE
PACKAGE_PARENT_NAMESPACE=$(readlink /proc/self/ns/net)
for name in service container beside machine; do
	mkdir "$mountpoint/socklb-$name-$$" "$work/$name"
	cgroups+=("$mountpoint/socklb-$name-$$")
done

# sandbox SCRIPT ARGUMENT...: as pid 1 of namespaces without a way out, and with pins of its own.
sandbox() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc bash -euc '
		mount -t bpf bpf /sys/fs/bpf
		ip link set lo up
		ip address add 10.0.0.1/32 dev lo
		exec timeout 120 python3 "$@"' bash "$@" </dev/null || failed=1
}
echo "== the unit's rights, and what it says to a service manager"
sandbox scripts/package/service.py "$binary" "$unit" "$work/service" "${cgroups[0]}"
echo "== the container of the DaemonSet"
sandbox scripts/package/container.py "$binary" "$work/deploy.yaml" "$work/container" "${cgroups[1]}"
echo "== socklb beside the rules of kube-proxy"
sandbox scripts/package/beside.py "$binary" "$work/beside" "${cgroups[2]}"

echo "== the package, beside systemd"
(
	echo 0 >"${cgroups[3]}/cgroup.procs"
	exec setpriv --pdeathsig KILL unshare --cgroup --pid --fork --kill-child --mount --net --uts --ipc \
		bash scripts/package/machine.sh "$work/machine" "$package" "$root/scripts/package"
) </dev/null >"$work/machine.log" 2>&1 &
outer=$!
inside() { nsenter -t "$systemd" -m -p -n -C -u -i -r "$@"; }
state=none
for ((i = 0; i < 300; i++)); do
	sleep 0.1
	systemd=$(pgrep -P "$outer") || continue
	state=$(inside systemctl is-system-running 2>/dev/null) || true
	[ "$state" != running ] || break
done
cp "$work/machine.log" "$work/out"
if [ "$state" = running ]; then ok "systemd runs"; else bad "systemd runs: $state"; fi
if [ "$state" = running ]; then
	inside timeout 200 python3 /opt/installed.py /opt/socklb.deb </dev/null || failed=1
fi
{
	kill -KILL "$outer" && wait "$outer"
} 2>/dev/null || true
exit "$failed"
