// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "ckernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* Nothing listens there, and a UDP connect() sends nothing. */
#define PROBE_PORT 1

long ck_file_system_type(const char *path)
{
	struct statfs info;

	return statfs(path, &info) ? -1 : (long)info.f_type;
}

static __u64 cookie_of(int fd)
{
	__u64 cookie = 0;
	socklen_t length = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) ? 0 : cookie;
}

__u64 ck_netns_cookie(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	__u64 cookie;

	if (fd < 0)
		return 0;
	cookie = cookie_of(fd);
	close(fd);
	return cookie;
}

static int probe4(int fd, const void *to, void *source)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PROBE_PORT)};
	socklen_t length = sizeof(address);

	memcpy(&address.sin_addr, to, 4);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    getsockname(fd, (struct sockaddr *)&address, &length))
		return -errno;
	memcpy(source, &address.sin_addr, 4);
	return 0;
}

static int probe6(int fd, const void *to, void *source)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(PROBE_PORT)};
	socklen_t length = sizeof(address);

	memcpy(&address.sin6_addr, to, 16);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    getsockname(fd, (struct sockaddr *)&address, &length))
		return -errno;
	memcpy(source, &address.sin6_addr, 16);
	return 0;
}

static int probe(int family, const void *to, void *source, __u64 *cookie)
{
	int fd = socket(family ? family : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), result = 0;

	if (fd < 0)
		return -errno;
	*cookie = cookie_of(fd);
	if (family == AF_INET)
		result = probe4(fd, to, source);
	else if (family == AF_INET6)
		result = probe6(fd, to, source);
	close(fd);
	return result;
}

int ck_source_address(const char *path, int family, const void *to, void *source, __u64 *cookie)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int there = open(path, O_RDONLY | O_CLOEXEC);
	int result = -errno;

	if (home >= 0 && there >= 0) {
		result = setns(there, CLONE_NEWNET) ? -errno : probe(family, to, source, cookie);
		/* Back where the caller was; it cannot go on anywhere else. */
		if (setns(home, CLONE_NEWNET))
			result = -errno;
	}
	if (there >= 0)
		close(there);
	if (home >= 0)
		close(home);
	return result;
}

static int is_socket(int pid, int fd)
{
	char path[64], target[16];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	return readlink(path, target, sizeof(target)) > 7 && !memcmp(target, "socket:", 7);
}

int ck_socket_namespace(int pid, int fd, __u64 *cookie)
{
	int process, copy, result;

	/* Closing a copy of anything else might do more than close. */
	if (!is_socket(pid, fd))
		return -ENOTSOCK;
	process = syscall(SYS_pidfd_open, pid, 0);
	if (process < 0)
		return -errno;
	copy = syscall(SYS_pidfd_getfd, process, fd, 0);
	result = copy < 0 ? -errno : 0;
	if (copy >= 0) {
		*cookie = cookie_of(copy);
		result = ioctl(copy, SIOCGSKNS);
		if (result < 0)
			result = -errno;
		close(copy);
	}
	close(process);
	return result;
}

int ck_enter_namespace(int fd)
{
	return setns(fd, CLONE_NEWNET) ? -errno : 0;
}
