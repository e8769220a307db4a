/* The other side of a terminal. */
#define _GNU_SOURCE
#include "socketkit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

int sk_terminal(char *path, int size)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (grantpt(fd) || unlockpt(fd) || ptsname_r(fd, path, size)) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

int sk_resize_terminal(int fd, int rows, int columns)
{
	struct winsize size = {.ws_row = rows, .ws_col = columns};

	return ioctl(fd, TIOCSWINSZ, &size) ? -errno : 0;
}

int sk_terminal_is_raw(int fd)
{
	struct termios settings;

	return !tcgetattr(fd, &settings) && !(settings.c_lflag & (ICANON | ECHO));
}
