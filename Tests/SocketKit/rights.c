// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "socketkit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int set_capabilities(unsigned long long capabilities)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted = data[i].inheritable =
			(unsigned)(capabilities >> 32 * i);
	}
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int sk_execute_as(int user, int group, unsigned long long capabilities, char *const arguments[])
{
	/* Opened while we may: the way there need not be open to the user. */
	int program = open(arguments[0], O_PATH | O_CLOEXEC), error;
	gid_t groups[] = {group};

	if (program < 0)
		return -errno;
	/* What is not in this set is not given to a program of root's. */
	for (int bit = 0; prctl(PR_CAPBSET_READ, bit) >= 0; bit++)
		if (!(capabilities >> bit & 1) && prctl(PR_CAPBSET_DROP, bit))
			return -errno;
	if (setgroups(1, groups) || setresgid(group, group, group))
		return -errno;
	if (prctl(PR_SET_KEEPCAPS, 1) || setresuid(user, user, user))
		return -errno;
	error = set_capabilities(capabilities);
	if (error)
		return error;
	/* Other users' programs get what is in this one. */
	for (int bit = 0; user && bit < 64; bit++)
		if (capabilities >> bit & 1 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0))
			return -errno;
	fexecve(program, arguments, environ);
	return -errno;
}
