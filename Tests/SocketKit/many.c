// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Loops over thousands of sockets: some thousand lives from socket() to close(), each of which
 * does one of the things that an application may do with a socket, and asks who its peer is.
 */
#define _GNU_SOURCE
#include "socketkit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int sk_many_connect(int *fds, int count, enum sk_family family, enum sk_type type,
		    const char *from, const char *to, int port)
{
	for (int i = 0; i < count; i++) {
		int error = 0, fd = sk_socket(family, type);

		if (fd >= 0 && from)
			error = sk_bind(fd, from, 0);
		if (fd >= 0 && !error)
			error = sk_connect(fd, to, port);
		if (fd < 0 || (error && error != -EINPROGRESS)) {
			sk_many_close(fds, i);
			if (fd >= 0)
				close(fd);
			return fd < 0 ? fd : error;
		}
		fds[i] = fd;
	}
	return count;
}

static int has_peer(int fd, const char *address, int port)
{
	struct sk_name name = {};

	return !sk_peer_name(fd, &name) && name.port == port && !strcmp(name.address, address);
}

int sk_many_wrong_peers(const int *fds, int count, const char *address, int port)
{
	int wrong = 0;

	for (int i = 0; i < count; i++)
		wrong += !has_peer(fds[i], address, port);
	return wrong;
}

void sk_many_close(const int *fds, int count)
{
	for (int i = 0; i < count; i++)
		close(fds[i]);
}

int sk_pass(int fd, int between[2])
{
	char byte = 'x';
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	union {
		char data[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control = {};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.data,
		.msg_controllen = sizeof(control.data),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, between))
		return -errno;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(between[0], &message, 0) == 1 ? 0 : -errno;
}

int sk_take(int between)
{
	char byte;
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	union {
		char data[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control = {};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.data,
		.msg_controllen = sizeof(control.data),
	};
	int fd;

	if (recvmsg(between, &message, MSG_CMSG_CLOEXEC) != 1)
		return -errno;
	if (!CMSG_FIRSTHDR(&message))
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static int is(int fd, const struct sk_place *place)
{
	return has_peer(fd, place->address, place->port);
}

static int to(int fd, const struct sk_place *place)
{
	int error = sk_connect(fd, place->address, place->port);

	return error == -EINPROGRESS ? sk_wait(fd, 1, 5000) == 1 && !sk_error(fd) : !error;
}

static int passed_on(int fd, const struct sk_world *world, int is_lost)
{
	int between[2], taken = -1, ok;

	ok = to(fd, &world->vip[0]) && !sk_pass(fd, between);
	if (!ok)
		return 0;
	/* From here on the socket is nowhere but in the message. */
	close(fd);
	if (!is_lost) {
		taken = sk_take(between[1]);
		ok = taken >= 0 && is(taken, &world->vip[0]);
	}
	close(between[0]);
	close(between[1]);
	if (taken >= 0)
		close(taken);
	return ok;
}

static int inherited(int fd, const struct sk_world *world)
{
	int status, ok = to(fd, &world->vip[0]);
	pid_t child = fork();

	if (child < 0)
		return 0;
	if (!child) {
		/* The parent's close() comes before or after: it is one socket. */
		ok = is(fd, &world->vip[0]) && to(fd, &world->vip[1]) && is(fd, &world->vip[1]);
		_exit(ok ? 0 : 1);
	}
	close(fd);
	return waitpid(child, &status, 0) == child && ok && !status;
}

static int duplicated(int fd, const struct sk_world *world)
{
	int ok = to(fd, &world->vip[0]), copy = dup(fd);

	close(fd);
	ok = ok && copy >= 0 && is(copy, &world->vip[0]) && to(copy, &world->vip[1]) &&
	     is(copy, &world->vip[1]);
	if (copy >= 0)
		close(copy);
	return ok;
}

/* Datagrams to two VIPs; the servers need not take them. */
static int sends(int fd, const struct sk_world *world)
{
	for (int i = 0; i < 4; i++)
		if (sk_send_to(fd, "x", 1, world->vip[i & 1].address, world->vip[i & 1].port) != 1)
			return 0;
	return 1;
}

static int disconnects(int fd, const struct sk_world *world, const struct sk_place *then)
{
	struct sk_name name;

	return to(fd, &world->vip[0]) && is(fd, &world->vip[0]) && !sk_disconnect(fd) &&
	       sk_peer_name(fd, &name) == -ENOTCONN && (!then || (to(fd, then) && is(fd, then)));
}

static int resets(int fd, const struct sk_world *world, const struct sk_place *place)
{
	return !sk_close_at_once(fd) && to(fd, place) && is(fd, &world->vip[0]);
}

static void drain(const struct sk_world *world)
{
	for (int i = 0; i < world->listeners; i++) {
		int fd;

		while ((fd = sk_accept(world->listener[i])) >= 0)
			close(fd);
	}
}

static const char *const ways[] = {
	"udp connected",
	"udp connected to one VIP, then to another",
	"udp connected, then connect(AF_UNSPEC)",
	"udp connected, connect(AF_UNSPEC), then to a pod itself",
	"udp connected, connect(AF_UNSPEC), then to another VIP",
	"udp connected, then at once to the pod itself",
	"udp unconnected to two VIPs",
	"udp unconnected, then connected",
	"udp connected, dup",
	"udp connected, passed on by SCM_RIGHTS",
	"udp connected, lost in SCM_RIGHTS",
	"udp to a service without endpoints",
	"udp that uses no service",
	"tcp connected and reset",
	"tcp to a service without endpoints",
	"tcp connected, connect(AF_UNSPEC), to another VIP, reset",
	"tcp refused by the pod",
	"udp connected, fork",
};

enum { TCP_FIRST = 13, TCP_LAST = 16, FORK = 17, WAYS = 18 };

const char *sk_way(int way)
{
	return way >= 0 && way < WAYS ? ways[way] : "";
}

static int live(int fd, int way, const struct sk_world *world)
{
	const struct sk_place *vip = world->vip;

	switch (way) {
	case 0: return to(fd, &vip[0]) && is(fd, &vip[0]);
	case 1: return to(fd, &vip[0]) && to(fd, &vip[1]) && is(fd, &vip[1]);
	case 2: return disconnects(fd, world, 0);
	case 3: return disconnects(fd, world, &world->pod);
	case 4: return disconnects(fd, world, &vip[1]);
	case 5: return to(fd, &vip[0]) && to(fd, &world->pod) && is(fd, &world->pod);
	case 6: return sends(fd, world);
	case 7: return sends(fd, world) && to(fd, &vip[1]) && is(fd, &vip[1]);
	case 8: return duplicated(fd, world);
	case 9: return passed_on(fd, world, 0);
	case 10: return passed_on(fd, world, 1);
	case 11:
	case 14: return sk_connect(fd, world->empty.address, world->empty.port) == -ECONNREFUSED;
	case 12: return to(fd, &world->pod) && is(fd, &world->pod);
	case 13: return resets(fd, world, &vip[0]);
	case 15:
		return resets(fd, world, &vip[0]) && !sk_disconnect(fd) && to(fd, &vip[1]) &&
		       is(fd, &vip[1]);
	case 16: return !to(fd, &world->closed);
	case FORK: return inherited(fd, world);
	}
	return 0;
}

/* These have closed the socket themselves. */
static int closes(int way)
{
	return (way >= 8 && way <= 10) || way == FORK;
}

int sk_hold(const struct sk_world *world, int count)
{
	int ready[2];
	char byte = 1;
	pid_t child;

	if (pipe(ready))
		return -errno;
	child = fork();
	if (!child) {
		sk_die_with_parent();
		for (int i = 0; i < count && byte; i++)
			byte = to(sk_socket(world->family, SK_UDP), &world->vip[i & 1]);
		if (write(ready[1], &byte, 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	if (child > 0 && (read(ready[0], &byte, 1) != 1 || !byte)) {
		kill(child, SIGKILL);
		waitpid(child, 0, 0);
		child = -1;
		errno = ECHILD;
	}
	close(ready[0]);
	return child < 0 ? -errno : child;
}

int sk_live(const struct sk_world *world, int lives, unsigned *bad_ways)
{
	int bad = 0;

	*bad_ways = 0;

	for (int i = 0; i < lives; i++) {
		/* fork() is dear, and enough of it is soon done. */
		int way = i % 500 == 499 ? FORK : i % (WAYS - 1);
		int is_tcp = way >= TCP_FIRST && way <= TCP_LAST;
		int fd = sk_socket(world->family, is_tcp ? SK_TCP : SK_UDP);

		if (fd < 0)
			return fd;
		if (!live(fd, way, world)) {
			bad++;
			*bad_ways |= 1u << way;
		}
		if (!closes(way))
			close(fd);
		if (is_tcp)
			drain(world);
	}
	return bad;
}

/* A process with a part of a crowd, because one may not open so many files. */

enum { CROWD_PEERS, CROWD_REPLACE, CROWD_END };

static int replace_every_other(int *fds, int count, const struct sk_world *world, const char *from)
{
	const struct sk_place *vip = &world->vip[0];

	for (int i = 0; i < count; i += 2)
		close(fds[i]);
	for (int i = 0; i < count; i += 2) {
		int result = sk_many_connect(&fds[i], 1, world->family, SK_UDP, from, vip->address,
					     vip->port);

		if (result < 0)
			return result;
	}
	return 0;
}

static void crowd_member(int pipe, const struct sk_world *world, const char *from, int count)
{
	const struct sk_place *vip = &world->vip[0];
	int *fds = calloc(count, sizeof(*fds));
	int result = -ENOMEM, wish;

	sk_die_with_parent();
	sk_raise_file_limit();
	if (fds)
		result = sk_many_connect(fds, count, world->family, SK_UDP, from, vip->address,
					 vip->port);
	while (write(pipe, &result, sizeof(result)) == sizeof(result) && result >= 0 &&
	       read(pipe, &wish, sizeof(wish)) == sizeof(wish)) {
		if (wish == CROWD_PEERS)
			result = sk_many_wrong_peers(fds, count, vip->address, vip->port);
		else if (wish == CROWD_REPLACE)
			result = replace_every_other(fds, count, world, from);
		else
			break;
	}
	_exit(0);
}

static int told(struct sk_crowd *crowd)
{
	int result;

	return read(crowd->pipe, &result, sizeof(result)) == sizeof(result) ? result : -EPIPE;
}

int sk_crowd_start(struct sk_crowd *crowd, const struct sk_world *world, const char *from,
		   int count)
{
	int between[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, between))
		return -errno;
	crowd->pid = fork();
	if (!crowd->pid) {
		close(between[0]);
		crowd_member(between[1], world, from, count);
	}
	close(between[1]);
	crowd->pipe = between[0];
	return crowd->pid < 0 ? -errno : told(crowd);
}

static int wish(struct sk_crowd *crowd, int what)
{
	return write(crowd->pipe, &what, sizeof(what)) == sizeof(what) ? told(crowd) : -EPIPE;
}

int sk_crowd_wrong_peers(struct sk_crowd *crowd)
{
	return wish(crowd, CROWD_PEERS);
}

int sk_crowd_replace(struct sk_crowd *crowd)
{
	return wish(crowd, CROWD_REPLACE);
}

/* Members that were made later have a copy of the pipe: its end would not be seen. */
void sk_crowd_end(struct sk_crowd *crowd)
{
	int end = CROWD_END;

	if (write(crowd->pipe, &end, sizeof(end)) != sizeof(end))
		kill(crowd->pid, SIGKILL);
	close(crowd->pipe);
	waitpid(crowd->pid, 0, 0);
}
