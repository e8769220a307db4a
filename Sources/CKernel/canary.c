// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "canary.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TCP 0
#define UDP 1
/* A child that outlives its parent's patience ends by itself. */
#define CHILD_SECONDS 20
#define STEP_MILLISECONDS 1000

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t size_of(const union address *address)
{
	return address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

/* IPv4 in an AF_INET6 socket is written ::ffff:a.b.c.d. */
static union address address_of(int socket_family, unsigned family, const __u8 *bytes, __u16 port)
{
	union address result;

	memset(&result, 0, sizeof(result));
	result.any.sa_family = socket_family;
	if (socket_family == AF_INET) {
		result.v4.sin_port = htons(port);
		memcpy(&result.v4.sin_addr, bytes, 4);
		return result;
	}
	result.v6.sin6_port = htons(port);
	if (family == 6) {
		memcpy(&result.v6.sin6_addr, bytes, 16);
	} else {
		result.v6.sin6_addr.s6_addr[10] = 0xff;
		result.v6.sin6_addr.s6_addr[11] = 0xff;
		memcpy(&result.v6.sin6_addr.s6_addr[12], bytes, 4);
	}
	return result;
}

static int is_same(const union address *a, const union address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return 0;
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_port == b->v4.sin_port &&
		       a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return a->v6.sin6_port == b->v6.sin6_port &&
	       !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr));
}

static int new_socket(int family, int which)
{
	int type = which == TCP ? SOCK_STREAM : SOCK_DGRAM;
	/* Not IPPROTO_MPTCP, which some libraries make of it. */
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK,
			which == TCP ? IPPROTO_TCP : IPPROTO_UDP);

	return fd < 0 ? -errno : fd;
}

static int bound_socket(int family, int which, const __u8 *bytes, __u16 port)
{
	int socket_family = family == 4 ? AF_INET : AF_INET6;
	union address address = address_of(socket_family, family, bytes, port);
	int fd = new_socket(socket_family, which), one = 1, error;

	if (fd < 0)
		return fd;
	if (socket_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (!bind(fd, &address.any, size_of(&address)))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

static __u16 own_port(int fd)
{
	union address address;
	socklen_t length = sizeof(address);

	if (getsockname(fd, &address.any, &length))
		return 0;
	return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

static void close_pair(int *pair)
{
	for (int which = TCP; which <= UDP; which++) {
		if (pair[which] >= 0)
			close(pair[which]);
		pair[which] = -1;
	}
}

/* The same port for TCP and UDP. */
static int open_pair(int *pair, int family, const __u8 *bytes, __u16 port)
{
	pair[TCP] = bound_socket(family, TCP, bytes, port);
	if (pair[TCP] < 0)
		return pair[TCP];
	pair[UDP] = bound_socket(family, UDP, bytes, own_port(pair[TCP]));
	if (pair[UDP] < 0) {
		int error = pair[UDP];

		close_pair(pair);
		return error;
	}
	return 0;
}

int ck_canary_open(struct ck_canary_place *place)
{
	int error;

	memset(place->held, -1, sizeof(place->held));
	memset(place->servers, -1, sizeof(place->servers));
	/* Bound and not listening: a connection is refused. */
	error = open_pair(place->held, place->family, place->vip, place->vip_port);
	for (int i = 0; !error && i < 16; i++) {
		error = open_pair(place->servers, place->family, place->backend, 0);
		if (error != -EADDRINUSE)
			break;
	}
	if (!error && listen(place->servers[TCP], 8))
		error = -errno;
	if (error)
		ck_canary_close(place);
	else
		place->backend_port = own_port(place->servers[TCP]);
	return error;
}

void ck_canary_close(struct ck_canary_place *place)
{
	close_pair(place->held);
	close_pair(place->servers);
}

/* Which of the descriptors has something to read; -1 for none in time. */
static int readable(int a, int b)
{
	struct pollfd wanted[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};

	if (poll(wanted, b < 0 ? 1 : 2, STEP_MILLISECONDS) <= 0)
		return -1;
	return wanted[0].revents ? a : b;
}

/* What one way of naming addresses comes to. */
struct way {
	const struct ck_canary_place *place;
	union address vip;
	union address backend;
	int *outcome;
};

static int judge(const struct way *way, const union address *seen)
{
	if (is_same(seen, &way->vip))
		return CK_CANARY_OK;
	return is_same(seen, &way->backend) ? CK_CANARY_UNTRANSLATED : CK_CANARY_WRONG;
}

static void try_connect(const struct way *way, int fd)
{
	struct pollfd wanted = {.fd = fd, .events = POLLOUT};
	int error = connect(fd, &way->vip.any, size_of(&way->vip)) ? errno : 0, accepted;
	socklen_t length = sizeof(error);
	union address seen;

	if (error == EINPROGRESS) {
		if (poll(&wanted, 1, STEP_MILLISECONDS) <= 0) {
			way->outcome[CK_CANARY_CONNECT] = CK_CANARY_SILENT;
			return;
		}
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length))
			error = errno;
	}
	if (error) {
		/* What holds the frontend's port refuses. */
		way->outcome[CK_CANARY_CONNECT] =
			error == ECONNREFUSED ? CK_CANARY_UNTRANSLATED : -error;
		return;
	}
	if (readable(way->place->servers[TCP], -1) < 0) {
		way->outcome[CK_CANARY_CONNECT] = CK_CANARY_SILENT;
		return;
	}
	accepted = accept(way->place->servers[TCP], NULL, NULL);
	way->outcome[CK_CANARY_CONNECT] = CK_CANARY_OK;
	length = sizeof(seen);
	way->outcome[CK_CANARY_PEER_NAME] =
		getpeername(fd, &seen.any, &length) ? -errno : judge(way, &seen);
	if (accepted >= 0)
		close(accepted);
}

static void try_datagram(const struct way *way, int fd)
{
	int server = way->place->servers[UDP], held = way->place->held[UDP], reached;
	union address from, seen;
	socklen_t length = sizeof(from);
	char data[8];

	/* What an earlier way left. */
	while (recv(server, data, sizeof(data), 0) >= 0 || recv(held, data, sizeof(data), 0) >= 0)
		;
	if (sendto(fd, "canary", 6, 0, &way->vip.any, size_of(&way->vip)) < 0) {
		way->outcome[CK_CANARY_SEND] = -errno;
		return;
	}
	reached = readable(server, held);
	if (reached != server) {
		way->outcome[CK_CANARY_SEND] =
			reached < 0 ? CK_CANARY_SILENT : CK_CANARY_UNTRANSLATED;
		return;
	}
	way->outcome[CK_CANARY_SEND] = CK_CANARY_OK;
	if (recvfrom(server, data, sizeof(data), 0, &from.any, &length) < 0 ||
	    sendto(server, "answer", 6, 0, &from.any, length) < 0 || readable(fd, -1) < 0) {
		way->outcome[CK_CANARY_RECEIVE] = CK_CANARY_SILENT;
		return;
	}
	length = sizeof(seen);
	way->outcome[CK_CANARY_RECEIVE] =
		recvfrom(fd, data, sizeof(data), 0, &seen.any, &length) < 0 ? -errno
									    : judge(way, &seen);
}

static __u64 cookie_of(int fd)
{
	__u64 cookie = 0;
	socklen_t length = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) ? 0 : cookie;
}

static void try_way(const struct ck_canary_place *place, int socket_family, int *outcome,
		    __u64 *cookies, int *sockets)
{
	struct way way = {
		.place = place,
		.vip = address_of(socket_family, place->family, place->vip, place->vip_port),
		.backend = address_of(socket_family, place->family, place->backend,
				      place->backend_port),
		.outcome = outcome,
	};

	for (int which = TCP; which <= UDP; which++) {
		int fd = new_socket(socket_family, which);

		if (fd < 0) {
			outcome[which == TCP ? CK_CANARY_CONNECT : CK_CANARY_SEND] = fd;
			continue;
		}
		sockets[which] = fd;
		cookies[which] = cookie_of(fd);
		if (which == TCP)
			try_connect(&way, fd);
		else
			try_datagram(&way, fd);
	}
}

static void run_child(int procs, const struct ck_canary_place *places, int parent)
{
	static const int families[CK_CANARY_WAYS] = {AF_INET, AF_INET6, AF_INET6};
	static const int place_of[CK_CANARY_WAYS] = {0, 1, 0};
	struct ck_canary_report report;
	int sockets[CK_CANARY_WAYS][2];
	char byte;

	memset(&report, 0, sizeof(report));
	for (int way = 0; way < CK_CANARY_WAYS; way++) {
		for (int step = 0; step < CK_CANARY_STEPS; step++)
			report.outcome[way][step] = CK_CANARY_UNTESTED;
		sockets[way][TCP] = sockets[way][UDP] = -1;
	}
	/* A socket belongs to the cgroup that it was made in: first the move, then the sockets. */
	if (write(procs, "0", 1) != 1)
		report.error = -errno;
	for (int way = 0; !report.error && way < CK_CANARY_WAYS; way++)
		if (places[place_of[way]].family)
			try_way(&places[place_of[way]], families[way], report.outcome[way],
				report.cookies[way], sockets[way]);
	if (send(parent, &report, sizeof(report), MSG_NOSIGNAL) != sizeof(report) ||
	    recv(parent, &byte, 1, 0) != 1)
		return;
	for (int way = 0; way < CK_CANARY_WAYS; way++)
		close_pair(sockets[way]);
	send(parent, &byte, 1, MSG_NOSIGNAL);
}

int ck_canary_start(struct ck_canary *canary, int procs, const struct ck_canary_place *places)
{
	int pair[2], parent = getpid(), error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	canary->pid = fork();
	error = -errno;
	if (!canary->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(CHILD_SECONDS);
		close(pair[0]);
		if (getppid() == parent)
			run_child(procs, places, pair[1]);
		_exit(0);
	}
	close(pair[1]);
	canary->socket = pair[0];
	if (canary->pid > 0)
		return 0;
	close(pair[0]);
	return error;
}

static int await(int fd, void *data, int size, int milliseconds)
{
	struct pollfd wanted = {.fd = fd, .events = POLLIN};
	int count = poll(&wanted, 1, milliseconds);

	if (count <= 0)
		return count ? -errno : -ETIMEDOUT;
	return recv(fd, data, size, 0) == size ? 0 : -ECHILD;
}

int ck_canary_report(struct ck_canary *canary, struct ck_canary_report *report, int milliseconds)
{
	return await(canary->socket, report, sizeof(*report), milliseconds);
}

int ck_canary_release(struct ck_canary *canary, int milliseconds)
{
	char byte = 0;

	if (send(canary->socket, &byte, 1, MSG_NOSIGNAL) != 1)
		return -errno;
	return await(canary->socket, &byte, 1, milliseconds);
}

void ck_canary_end(struct ck_canary *canary)
{
	kill(canary->pid, SIGKILL);
	while (waitpid(canary->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(canary->socket);
}
