// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "socketkit.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

int sk_notify_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

int sk_spawn(char *const arguments[], int in, int out, int error)
{
	posix_spawn_file_actions_t actions;
	int result;
	pid_t pid = 0;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, error, 2);
	/* A listener of the test that lives on in a child would go on taking connections. */
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	result = posix_spawn(&pid, arguments[0], &actions, 0, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	return result ? -result : pid;
}

int sk_wait_child(int pid, int milliseconds)
{
	long end = sk_milliseconds() + milliseconds;
	int status;

	for (;;) {
		pid_t ended = waitpid(pid, &status, WNOHANG);

		if (ended < 0 && errno != EINTR)
			return -errno;
		if (ended == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (sk_milliseconds() >= end)
			return -EAGAIN;
		sk_sleep(2);
	}
}

long sk_milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sk_sleep(int milliseconds)
{
	struct timespec time = {.tv_sec = milliseconds / 1000,
				.tv_nsec = milliseconds % 1000 * 1000000L};

	nanosleep(&time, 0);
}

static volatile sig_atomic_t caught;

static void catch_signal(int number)
{
	caught = number;
}

void sk_catch_signals(void)
{
	struct sigaction action = {.sa_handler = catch_signal};

	sigaction(SIGINT, &action, 0);
	sigaction(SIGTERM, &action, 0);
	sigaction(SIGHUP, &action, 0);
}

int sk_caught_signal(void)
{
	return caught;
}

int sk_die_with_parent(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) ? -errno : 0;
}

int sk_fork_idle(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid)
		return pid;
	sk_die_with_parent();
	/* The parent may have ended before. */
	while (getppid() != 1)
		sk_sleep(1000);
	_exit(0);
}

int sk_fork(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid)
		sk_die_with_parent();
	return pid;
}

int sk_signal(int pid, int number)
{
	return kill(pid, number) ? -errno : 0;
}

int sk_child_of(int pid)
{
	char path[64];
	FILE *file;
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	if (fscanf(file, "%d", &child) != 1)
		child = 0;
	fclose(file);
	return child;
}
