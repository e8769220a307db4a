#!/bin/bash
# Boots a kernel in qemu and runs the kernel tests there; exits as the tests do.
# usage: vm-test.sh VMLINUZ [ARGUMENT OF socklb-kernel-tests]...
# Environment: VM_TIMEOUT (seconds, default 2400), BUILD (default .build/release).
#
# No KVM is needed: a cloud kernel, busybox and two static programs boot in seconds under plain
# emulation. One CPU and preempt=full are the hard case: a test that only works because another
# CPU makes progress, or because the kernel is not preempted between two steps, fails here.
set -euo pipefail

[ $# -ge 1 ] || { sed -n '3s/^# //p' "$0" >&2; exit 64; }
kernel=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/.build/release}
limit=${VM_TIMEOUT:-2400}
complaint='Kernel panic|Oops|BUG:|WARNING: CPU|general protection|rcu.*(stall|self-detected)'

work=$(mktemp -d)
qemu=
cleanup() {
	if [ -n "$qemu" ]; then
		kill -KILL "$qemu" 2>/dev/null || true
		wait "$qemu" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
	echo "vm-test: $*" >&2
	if [ -s "$work/console" ]; then
		# The first complaint says what went wrong; those after it may be its consequences.
		first=$(grep -anEm1 "$complaint" "$work/console" | cut -d: -f1)
		if [ -n "$first" ]; then
			echo "--- the kernel's console from its first complaint on:" >&2
			tail -n "+$first" "$work/console" | head -n 80 | tr -d '\r' >&2
		else
			echo "--- the end of the kernel's console:" >&2
			tail -n 40 "$work/console" | tr -d '\r' >&2
		fi
	fi
	exit 1
}

# The installed busybox will do if it is static; else it is unpacked beside, because
# busybox-static cannot be installed together with Debian's busybox.
busybox=$(command -v busybox || true)
if [ -z "$busybox" ] || readelf -lW "$busybox" | grep -q INTERP; then
	busybox=$("$root/scripts/fetch-package.sh" busybox-static)/bin/busybox
fi

tree=$work/tree
mkdir -p "$tree"/{bin,etc,dev,proc,sys,run,tmp,root,var/lib}
install -m 755 "$busybox" "$tree/bin/busybox"
install -m 755 "$build/socklb" "$build/socklb-kernel-tests" "$tree/bin/"
install -m 755 "$root/scripts/vm-init.sh" "$tree/init"
# What ends sockets where there is no bpf_sock_destroy, in the order in which they are loaded; a
# kernel that has it built in has no such files.
mkdir -p "$tree/modules"
number=0
for module in inet_diag tcp_diag udp_diag; do
	number=$((number + 1))
	for file in "$(dirname "$kernel")"/../lib/modules/*/kernel/net/ipv4/$module.ko*; do
		[ -f "$file" ] || continue
		case $file in
		*.ko) cp "$file" "$tree/modules/$number-$module.ko" ;;
		*.ko.xz) xz -dc "$file" >"$tree/modules/$number-$module.ko" ;;
		esac
	done
done
echo 'root:x:0:0:root:/root:/bin/sh' >"$tree/etc/passwd"
echo 'root:x:0:' >"$tree/etc/group"
# One argument per line: a kernel command line would need quoting.
printf '%s\n' "$@" >"$tree/etc/test-arguments"
(cd "$tree" && find . | cpio --quiet -o -H newc -R 0:0) >"$work/initramfs"

# The first serial line is the kernel's console, the second belongs to the tests alone, so that
# a kernel message cannot fall into the middle of their output.
started=$(date +%s%N)
: >"$work/tests"
# The plainest CPU: what a CPU has more than it (SMAP, five-level page tables) is emulated, too, and
# takes half of the time.
qemu-system-x86_64 -accel tcg -cpu qemu64 -m 2G -smp 1 \
	-nodefaults -display none -nic none -no-reboot \
	-serial "file:$work/console" -serial "file:$work/tests" \
	-kernel "$kernel" -initrd "$work/initramfs" \
	-append "console=ttyS0 preempt=full quiet panic=-1" \
	</dev/null >"$work/qemu" 2>&1 &
qemu=$!

# Shows the output as it comes, until qemu ends (a panic ends it too) or the time is up.
timeout "$limit" tail --pid="$qemu" -s 0.2 -n +1 -f "$work/tests" \
	| sed -u 's/\r//g' | grep --line-buffered -v '^vm: \(exit\|preempt\)' &
follower=$!
wait "$follower" || true
if kill -0 "$qemu" 2>/dev/null; then
	kill -KILL "$qemu"
	wait "$qemu" 2>/dev/null || true
	qemu=
	fail "no end after $limit seconds; killed"
fi
status=0
wait "$qemu" || status=$?
qemu=
ended=$(date +%s%N)
[ "$status" = 0 ] || { cat "$work/qemu" >&2; fail "qemu exited with $status"; }

result() { tr -d '\r' <"$work/tests" | sed -n "s/^vm: $1 //p" | tail -n 1; }

if grep -aqE "$complaint" "$work/console"; then
	fail "the kernel complained"
fi
code=$(result exit)
[ -n "$code" ] || fail "the tests did not come to an end"
case $(result preempt) in
*'(full)'*) ;;
*) fail "preempt=full is not in force: $(result preempt)" ;;
esac
echo "vm: ended after $(((ended - started) / 100000000))e-1 s" | sed 's/\(.\)e-1/.\1/'
exit "$code"
