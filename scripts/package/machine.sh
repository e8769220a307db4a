#!/bin/bash
# Becomes systemd, in a root directory with nothing but /usr in it, so that the package can be
# installed and the unit started as on a machine.
# usage: machine.sh DIRECTORY PACKAGE SCRIPTS     as pid 1 of namespaces of all kinds, in a cgroup made
#        for it, which the cgroup namespace makes the root; /test is DIRECTORY in there
#
# What is written goes to a tmpfs; settings of the kernel can be read only.
set -euo pipefail
work=$1 package=$2 scripts=$3
root=$work/root
mount --make-rprivate /
[ "$(readlink /proc/self/ns/net)" != "$PACKAGE_PARENT_NAMESPACE" ]
# In the first cgroup there is no cgroup.type: this one is another.
mkdir "$root"
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p .upper .work usr etc/default proc sys dev run tmp home root opt work var/lib/dpkg/info \
	var/lib/dpkg/updates var/lib/dpkg/triggers var/log
for directory in bin sbin lib lib64; do
	[ ! -L "/$directory" ] || ln -s "usr/$directory" "$directory"
done
mount -t overlay -o "lowerdir=/usr,upperdir=$root/.upper,workdir=$root/.work" overlay usr

# A machine of tests may forbid that packages start anything.
rm -f usr/sbin/policy-rc.d

# Only units that bring a machine up to nothing at all.
units=$work/units
mkdir "$units"
for unit in basic sysinit sockets timers paths slices multi-user shutdown umount final local-fs \
	network-online network emergency rescue exit; do
	cp -L "/usr/lib/systemd/system/$unit.target" "$units/"
done
mount --bind "$units" usr/lib/systemd/system

printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
echo 'NAME=test' >etc/os-release
: >etc/fstab
: >etc/machine-id
touch var/lib/dpkg/status var/lib/dpkg/available
cp "$package" opt/socklb.deb
cp "$scripts"/*.py opt/

mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
[ -e sys/fs/cgroup/cgroup.type ]
mount -t bpf bpf sys/fs/bpf
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
	touch "dev/$device"
	mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs run
mount --bind "$work" work

ip link set lo up
ip address add 10.0.0.1/32 dev lo
mkdir .old
pivot_root . .old
cd /
umount -l /.old
exec env -i container=test PATH=/usr/sbin:/usr/bin /usr/lib/systemd/systemd --system \
	--unit=multi-user.target --log-target=null
