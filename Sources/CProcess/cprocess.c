// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <nss.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "cprocess.h"

static int start(const char *command, char *const *arguments, char *const *environment, int output,
		 int messages, int *pid)
{
	const short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	error = posix_spawn_file_actions_init(&actions);
	if (error)
		return error;
	error = posix_spawnattr_init(&attributes);
	if (error) {
		posix_spawn_file_actions_destroy(&actions);
		return error;
	}
	error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (!error)
		error = posix_spawn_file_actions_adddup2(&actions, output, 1);
	if (!error)
		error = posix_spawn_file_actions_adddup2(&actions, messages, 2);
	if (!error)
		error = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (!error)
		error = posix_spawnattr_setsigmask(&attributes, &none);
	if (!error)
		error = posix_spawnattr_setsigdefault(&attributes, &all);
	if (!error)
		error = posix_spawnattr_setpgroup(&attributes, 0);
	if (!error)
		error = posix_spawnattr_setflags(&attributes, flags);
	if (!error)
		error = posix_spawnp(pid, command, &actions, &attributes, arguments, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* Not 1 or 2, which closed standard streams would leave to it: dup2() would keep its O_CLOEXEC. */
static int make_pipe(int ends[2])
{
	int i, error;

	if (pipe2(ends, O_CLOEXEC))
		return errno;
	for (i = 0; i < 2; i++) {
		int moved;

		if (ends[i] > 2)
			continue;
		moved = fcntl(ends[i], F_DUPFD_CLOEXEC, 3);
		error = errno;
		close(ends[i]);
		ends[i] = moved;
		if (moved < 0) {
			close(ends[0] >= 0 ? ends[0] : ends[1]);
			return error;
		}
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	return 0;
}

int cp_start(const char *command, char *const *arguments, char *const *environment,
	     struct cp_child *child)
{
	int output[2], messages[2];
	int error = make_pipe(output);

	if (error)
		return error;
	error = make_pipe(messages);
	if (error) {
		close(output[0]);
		close(output[1]);
		return error;
	}
	error = start(command, arguments, environment, output[1], messages[1], &child->pid);
	close(output[1]);
	close(messages[1]);
	if (error) {
		close(output[0]);
		close(messages[0]);
		return error;
	}
	child->output = output[0];
	child->messages = messages[0];
	return 0;
}

void cp_plain_name_lookup(void)
{
	__nss_configure_lookup("hosts", "files dns");
}
