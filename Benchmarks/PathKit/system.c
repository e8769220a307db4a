// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "pathkit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

int pk_stay_on_one_cpu(int on)
{
	static cpu_set_t all;
	cpu_set_t one;

	if (!on)
		return sched_setaffinity(0, sizeof(all), &all) ? -errno : 0;
	if (sched_getaffinity(0, sizeof(all), &all))
		return -errno;
	/* The last one: interrupts mostly go to the first. */
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		return sched_setaffinity(0, sizeof(one), &one) ? -errno : 0;
	}
	return -ESRCH;
}

int pk_undisturbed(int on)
{
	struct sched_param priority = {.sched_priority = on ? 1 : 0};

	return sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &priority) ? -errno : 0;
}

int pk_flush_conntrack(void)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg message;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			   .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.message = {.nfgen_family = AF_INET, .version = NFNETLINK_V0},
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[64];
	} answer = {};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER), error = 0;

	if (fd < 0)
		return -errno;
	if (send(fd, &request, sizeof(request), 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		error = -errno;
	else
		error = answer.header.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EPROTO;
	close(fd);
	return error;
}

int pk_conntrack_count(void)
{
	char text[32] = {};
	int fd = open("/proc/sys/net/netfilter/nf_conntrack_count", O_RDONLY | O_CLOEXEC);
	ssize_t size;

	if (fd < 0)
		return -errno;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	return size > 0 ? atoi(text) : -EIO;
}

static int write_all(int fd, const char *data, int64_t size)
{
	while (size > 0) {
		ssize_t count = write(fd, data, size);

		if (count < 0)
			return -errno;
		data += count;
		size -= count;
	}
	return 0;
}

int pk_set(const char *path, const char *value)
{
	int error, fd = open(path, O_WRONLY | O_CLOEXEC);
	int64_t size = 0;

	if (fd < 0)
		return -errno;
	while (value[size])
		size++;
	error = write_all(fd, value, size);
	close(fd);
	return error;
}

int pk_memory_file(const void *data, int64_t size)
{
	int fd = memfd_create("rules", MFD_CLOEXEC), error;

	if (fd < 0)
		return -errno;
	error = write_all(fd, data, size);
	if (!error)
		return fd;
	close(fd);
	return error;
}

static int start(char *const arguments[], int input, int output)
{
	posix_spawn_file_actions_t actions;
	pid_t pid = 0;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, 0);
	posix_spawn_file_actions_adddup2(&actions, output, 1);
	error = posix_spawn(&pid, arguments[0], &actions, 0, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error ? -error : pid;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int64_t pk_run(char *const arguments[], int input, int output, int milliseconds)
{
	int64_t before;
	struct pollfd ended = {.events = POLLIN};
	int status = 0, in_time, pid;

	if (lseek(input, 0, SEEK_SET) < 0)
		return -errno;
	before = now();
	pid = start(arguments, input, output);
	if (pid < 0)
		return pid;
	ended.fd = syscall(SYS_pidfd_open, pid, 0);
	in_time = ended.fd >= 0 && poll(&ended, 1, milliseconds) == 1;
	if (!in_time)
		kill(pid, SIGKILL);
	if (ended.fd >= 0)
		close(ended.fd);
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	if (!in_time)
		return -ETIMEDOUT;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? now() - before : -EPROTO;
}
