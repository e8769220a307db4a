// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "socketkit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int sk_new_namespaces(void)
{
	struct stat before = {}, after = {};

	if (stat("/proc/self/ns/net", &before))
		return -errno;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		return -errno;
	if (stat("/proc/self/ns/net", &after))
		return -errno;
	/* Whatever unshare() said: no test may go on in the namespace of the host. */
	if (before.st_ino == after.st_ino)
		return -ENOTUNIQ;
	return mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) ? -errno : 0;
}

int sk_own_network(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int sk_enter_network(int fd)
{
	return setns(fd, CLONE_NEWNET) ? -errno : 0;
}

int sk_new_network(void)
{
	int old = sk_own_network(), made, error;

	if (old < 0)
		return old;
	made = unshare(CLONE_NEWNET) ? -errno : sk_own_network();
	error = sk_enter_network(old);
	close(old);
	return error ? error : made;
}

static int loopback_request(int family, unsigned long request, void *data)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	error = ioctl(fd, request, data) ? -errno : 0;
	close(fd);
	return error;
}

int sk_loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	return loopback_request(AF_INET, SIOCSIFFLAGS, &request);
}

static int add_ipv4(struct in_addr address, int prefix)
{
	static int number;
	struct ifreq request = {};
	struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
	int error;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "lo:%d", ++number);
	in->sin_family = AF_INET;
	in->sin_addr = address;
	error = loopback_request(AF_INET, SIOCSIFADDR, &request);
	if (error)
		return error;
	in->sin_addr.s_addr = htonl(prefix ? ~0U << (32 - prefix) : 0);
	return loopback_request(AF_INET, SIOCSIFNETMASK, &request);
}

int sk_add_address(const char *address, int prefix)
{
	struct in6_ifreq request = {.ifr6_prefixlen = prefix, .ifr6_ifindex = 1};
	struct in_addr ipv4;

	if (inet_pton(AF_INET, address, &ipv4) == 1)
		return add_ipv4(ipv4, prefix);
	if (inet_pton(AF_INET6, address, &request.ifr6_addr) != 1)
		return -EINVAL;
	return loopback_request(AF_INET6, SIOCSIFADDR, &request);
}

int sk_mount_bpf(const char *directory)
{
	return mount("bpf", directory, "bpf", 0, "mode=0700") ? -errno : 0;
}

int sk_mount_file(const char *file, const char *at)
{
	return mount(file, at, 0, MS_BIND, 0) ? -errno : 0;
}

int sk_raise_file_limit(void)
{
	struct rlimit limit = {.rlim_cur = 1 << 18, .rlim_max = 1 << 18};

	if (setrlimit(RLIMIT_NOFILE, &limit) && getrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	return (int)limit.rlim_cur;
}
