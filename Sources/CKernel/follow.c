// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "follow.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(CK_CLOSE_WRITE == IN_CLOSE_WRITE && CK_OVERFLOW == IN_Q_OVERFLOW &&
		       CK_IGNORED == IN_IGNORED && (int)CK_IS_DIRECTORY == IN_ISDIR &&
		       CK_MOVED_TO == IN_MOVED_TO && CK_MOVED_FROM == IN_MOVED_FROM,
	       "the bits are those of inotify(7)");

int ck_inotify(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A directory may be watched for several reasons; the kernel has one watch for all of them. */
static int watch(int inotify, const char *path, __u32 mask)
{
	int watch = inotify_add_watch(
		inotify, path, mask | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_MASK_ADD);

	return watch < 0 ? -errno : watch;
}

int ck_watch_directory(int inotify, const char *path)
{
	return watch(inotify, path,
		     IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE |
			     IN_MODIFY | IN_ATTRIB);
}

int ck_watch_names(int inotify, const char *path)
{
	return watch(inotify, path, IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE);
}

int ck_watch_itself(int inotify, const char *path)
{
	return watch(inotify, path, 0);
}

__u32 ck_wait_any(const int *fds, int count, long long nanoseconds)
{
	struct pollfd polled[30];
	struct timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
	__u32 result = 0;

	if (count > 30)
		count = 30;
	for (int i = 0; i < count; i++)
		polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	if (ppoll(polled, count, nanoseconds < 0 ? NULL : &time, NULL) <= 0)
		return 0;
	for (int i = 0; i < count; i++)
		if (polled[i].revents)
			result |= 1u << i;
	return result;
}

int ck_waker(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void ck_wake(int waker)
{
	/* Full only when it was woken 2^64 times. */
	(void)!eventfd_write(waker, 1);
}

void ck_slept(int waker)
{
	eventfd_t count;

	(void)!eventfd_read(waker, &count);
}

void ck_share_memory(void)
{
	mallopt(M_ARENA_MAX, 1);
}

void ck_return_memory(void)
{
	/* Set by hand, it does not grow with what was freed. */
	mallopt(M_MMAP_THRESHOLD, 1 << 18);
	malloc_trim(0);
}

int ck_notify(const char *path, const char *text, size_t length)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = strlen(path);
	int error = 0;
	int fd;

	if (size == 0 || size >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, size);
	if (path[0] == '@')
		address.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Never held up by a manager that does not read. */
	if (sendto(fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
		   offsetof(struct sockaddr_un, sun_path) + size) < 0)
		error = -errno;
	close(fd);
	return error;
}
