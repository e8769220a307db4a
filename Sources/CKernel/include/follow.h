/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a process needs that follows a directory for months: inotify, waiting, systemd's notify. */
#ifndef SOCKLB_FOLLOW_H
#define SOCKLB_FOLLOW_H

#include <stddef.h>
#include <linux/types.h>

/* An inotify descriptor that does not block; -errno. */
int ck_inotify(void);

/* What `ck_watch_*` ask for, and what events say; the bits of inotify(7). */
enum ck_happening {
	CK_MODIFY = 0x2,
	CK_ATTRIB = 0x4,
	CK_CLOSE_WRITE = 0x8,
	CK_MOVED_FROM = 0x40,
	CK_MOVED_TO = 0x80,
	CK_CREATE = 0x100,
	CK_DELETE = 0x200,
	CK_DELETE_SELF = 0x400,
	CK_MOVE_SELF = 0x800,
	CK_UNMOUNT = 0x2000,
	CK_OVERFLOW = 0x4000,
	CK_IGNORED = 0x8000,
	CK_IS_DIRECTORY = 0x40000000,
};

/* Everything that happens to names in a directory, and to itself: a watch, or -errno. */
int ck_watch_directory(int inotify, const char *path);
/* Only that names come and go in it, and that itself is moved or removed. */
int ck_watch_names(int inotify, const char *path);
/* Only that it is moved or removed itself: costs nothing, however much happens in it. */
int ck_watch_itself(int inotify, const char *path);

/*
 * Waits until one of up to 30 descriptors can be read, or so many nanoseconds have passed
 * (negative: for ever): a bit for each, 0 when the time is up.
 */
__u32 ck_wait_any(const int *fds, int count, long long nanoseconds);

/* A descriptor by which one thread wakes another (eventfd); -errno. */
int ck_waker(void);
void ck_wake(int waker);
/* Forgets that it was woken. */
void ck_slept(int waker);

/* From now on large pieces of memory go back to the system when they are free, and others now. */
void ck_return_memory(void);

/* One heap for all threads: what one has freed, another one uses. Before any thread is made. */
void ck_share_memory(void);

/* A message to the socket in NOTIFY_SOCKET, "@" for an abstract one (sd_notify(3)): 0 or -errno. */
int ck_notify(const char *path, const char *text, size_t length);

#endif
