#!/bin/busybox sh
# shellcheck shell=dash
# The first process of the virtual machine that vm-test.sh boots. What it reports goes to the
# second serial line; lines that begin with `vm: ` are read by vm-test.sh.
export PATH=/bin HOME=/root
/bin/busybox --install -s /bin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
ln -s /proc/self/fd /dev/fd
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t debugfs debugfs /sys/kernel/debug
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run

# raw: otherwise the line's own echo and newline handling would change the output.
stty -F /dev/ttyS1 raw -echo
exec </dev/null >/dev/ttyS1 2>&1

read -r uptime _ </proc/uptime
echo "vm: Linux $(uname -r), booted in $uptime s"
echo "vm: preempt $(cat /sys/kernel/debug/sched/preempt)"
ip link set lo up
for module in /modules/*; do
	[ ! -f "$module" ] || insmod "$module"
done

set --
while read -r argument; do
	[ -z "$argument" ] || set -- "$@" "$argument"
done </etc/test-arguments

socklb-kernel-tests --vm --socklb /bin/socklb "$@"
code=$?

# Warnings are below the console's level (`quiet`); vm-test.sh looks for them afterwards.
dmesg >/dev/ttyS0
echo "vm: exit $code"
sync
poweroff -f
