// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* For a command that draws on a terminal and reads keys. */
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios before;
static int has_begun;

int ck_terminal_size(int fd, unsigned int *rows, unsigned int *columns)
{
	struct winsize size = {0};

	if (ioctl(fd, TIOCGWINSZ, &size))
		return -errno;
	if (!size.ws_row || !size.ws_col)
		return -ENODATA;
	*rows = size.ws_row;
	*columns = size.ws_col;
	return 0;
}

int ck_keys_begin(int fd)
{
	struct termios raw;

	if (tcgetattr(fd, &before))
		return -errno;
	raw = before;
	raw.c_lflag &= ~(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	/* Stopped or ended by these, it could not put the screen back. */
	raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	raw.c_cc[VQUIT] = _POSIX_VDISABLE;
	if (tcsetattr(fd, TCSANOW, &raw))
		return -errno;
	has_begun = 1;
	return 0;
}

void ck_keys_end(int fd)
{
	/* What was typed meanwhile was meant for the command. */
	if (has_begun)
		tcsetattr(fd, TCSAFLUSH, &before);
	has_begun = 0;
}

int ck_wait_keys(int signals, int output, int keys, int milliseconds)
{
	struct pollfd fds[3] = {
		{.fd = signals, .events = POLLIN},
		{.fd = output},
		{.fd = keys, .events = POLLIN},
	};
	int result = 0;

	if (poll(fds, 3, milliseconds) <= 0)
		return 0;
	if (fds[0].revents)
		result |= 1;
	if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
		result |= 2;
	if (fds[2].revents)
		result |= 8;
	return result;
}
