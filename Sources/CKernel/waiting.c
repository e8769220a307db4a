// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What a command that runs until it is ended needs: signals, and whether anybody reads on. */
#define _GNU_SOURCE
#include "ckernel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

int ck_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, 0))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int ck_wait(int signals, int output, int for_room, int milliseconds)
{
	struct pollfd fds[2] = {
		{.fd = signals, .events = POLLIN},
		{.fd = output, .events = for_room ? POLLOUT : 0},
	};
	int result = 0;

	if (poll(fds, 2, milliseconds) <= 0)
		return 0;
	if (fds[0].revents)
		result |= 1;
	if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
		result |= 2;
	if (fds[1].revents & POLLOUT)
		result |= 4;
	return result;
}

long long ck_wall_clock_offset(void)
{
	struct timespec wall, monotonic;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	return (wall.tv_sec - monotonic.tv_sec) * 1000000000ll + wall.tv_nsec - monotonic.tv_nsec;
}

int ck_lock_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX)) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}
