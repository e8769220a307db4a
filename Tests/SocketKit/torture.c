// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Where a connect came to is asked of the kernel in a way that no program changes: a socket that
 * connects to an address of its own host gets that address as its own (getsockname has no hook).
 * Besides, a part of the sockets sends something, and the server makes sure that it is meant.
 */
#define _GNU_SOURCE
#include "torture.h"

#include "socketkit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Rows that are kept: a client that is not run for so many changes does not know any more. */
#define ROWS 1024
#define CLIENTS 16
#define NOBODY 255

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct row {
	uint8_t owner[SK_TORTURE_BACKENDS];
	uint8_t state[SK_TORTURE_SERVICES];
};

struct sk_torture {
	long begun, done;
	int stopped, services, backends, clients, has_error;
	char error[256];
	union address vip[SK_TORTURE_SERVICES];
	union address backend[2][SK_TORTURE_BACKENDS];
	struct row rows[ROWS];
	/* One for each process: nobody waits for a cache line. */
	struct sk_torture_totals totals[CLIENTS] __attribute__((aligned(128)));
};

struct datagram {
	int service;
	long oldest;
};

struct sk_torture *sk_torture_new(void)
{
	struct sk_torture *torture = mmap(0, sizeof(*torture), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return torture == MAP_FAILED ? 0 : torture;
}

static int parse(union address *address, const char *text, int port)
{
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
		address->v4.sin_family = AF_INET;
		address->v4.sin_port = htons(port);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) != 1)
		return -EINVAL;
	address->v6.sin6_family = AF_INET6;
	address->v6.sin6_port = htons(port);
	return 0;
}

static socklen_t length_of(const union address *address)
{
	return address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

int sk_torture_set_vip(struct sk_torture *torture, int service, const char *address, int port)
{
	if (service >= torture->services)
		torture->services = service + 1;
	return parse(&torture->vip[service], address, port);
}

int sk_torture_set_backend(struct sk_torture *torture, int backend, const char *v4, const char *v6,
			   int port)
{
	int error = parse(&torture->backend[0][backend], v4, port);

	if (backend >= torture->backends)
		torture->backends = backend + 1;
	return error ? error : parse(&torture->backend[1][backend], v6, port);
}

void sk_torture_set_owner(struct sk_torture *torture, long version, int backend, int service)
{
	torture->rows[version % ROWS].owner[backend] = service < 0 ? NOBODY : service;
}

void sk_torture_set_state(struct sk_torture *torture, long version, int service,
			  enum sk_torture_state state)
{
	torture->rows[version % ROWS].state[service] = state;
}

void sk_torture_begin(struct sk_torture *torture, long version)
{
	__atomic_store_n(&torture->begun, version, __ATOMIC_SEQ_CST);
}

void sk_torture_done(struct sk_torture *torture, long version)
{
	__atomic_store_n(&torture->done, version, __ATOMIC_SEQ_CST);
}

long sk_torture_begun_version(const struct sk_torture *torture)
{
	return __atomic_load_n(&torture->begun, __ATOMIC_SEQ_CST);
}

long sk_torture_done_version(const struct sk_torture *torture)
{
	return __atomic_load_n(&torture->done, __ATOMIC_SEQ_CST);
}

void sk_torture_stop(struct sk_torture *torture)
{
	__atomic_store_n(&torture->stopped, 1, __ATOMIC_SEQ_CST);
}

static int goes_on(const struct sk_torture *torture)
{
	return !__atomic_load_n(&torture->stopped, __ATOMIC_RELAXED);
}

const char *sk_torture_first_error(const struct sk_torture *torture)
{
	return torture->error;
}

void sk_torture_totals(const struct sk_torture *torture, struct sk_torture_totals *totals)
{
	unsigned long *sum = (unsigned long *)totals;

	memset(totals, 0, sizeof(*totals));
	for (int client = 0; client < CLIENTS; client++) {
		const unsigned long *part = (const unsigned long *)&torture->totals[client];

		for (unsigned i = 0; i < sizeof(*totals) / sizeof(*sum); i++)
			sum[i] += __atomic_load_n(&part[i], __ATOMIC_RELAXED);
	}
}

__attribute__((format(printf, 2, 3))) static void say(struct sk_torture *torture,
						      const char *format, ...)
{
	va_list arguments;

	if (__atomic_exchange_n(&torture->has_error, 1, __ATOMIC_SEQ_CST))
		return;
	va_start(arguments, format);
	vsnprintf(torture->error, sizeof(torture->error), format, arguments);
	va_end(arguments);
}

/* What could be in force from `oldest` on until now. */
enum answer { NO, YES, UNKNOWN };

static enum answer was_owner(const struct sk_torture *torture, long oldest, int backend,
			     int service)
{
	long newest = sk_torture_begun_version(torture);
	enum answer answer = NO;

	for (long version = oldest; version <= newest && newest - oldest < ROWS / 2; version++)
		if (torture->rows[version % ROWS].owner[backend] == service)
			answer = YES;
	/* A row that was written anew meanwhile says nothing. */
	if (sk_torture_begun_version(torture) - oldest >= ROWS / 2)
		return UNKNOWN;
	return answer;
}

static enum answer was_state(const struct sk_torture *torture, long oldest, int service,
			     enum sk_torture_state state)
{
	long newest = sk_torture_begun_version(torture);
	enum answer answer = NO;

	for (long version = oldest; version <= newest && newest - oldest < ROWS / 2; version++)
		if (torture->rows[version % ROWS].state[service] == state)
			answer = YES;
	if (sk_torture_begun_version(torture) - oldest >= ROWS / 2)
		return UNKNOWN;
	return answer;
}

/* The number of the backend with this address; -1 when it is none. */
static int number_of(const struct sk_torture *torture, const union address *address)
{
	for (int i = 0; i < torture->backends; i++) {
		const union address *v4 = &torture->backend[0][i], *v6 = &torture->backend[1][i];

		if (address->any.sa_family == AF_INET &&
		    address->v4.sin_addr.s_addr == v4->v4.sin_addr.s_addr)
			return i;
		if (address->any.sa_family == AF_INET6 &&
		    !memcmp(&address->v6.sin6_addr, &v6->v6.sin6_addr, 16))
			return i;
	}
	return -1;
}

static void judge_backend(struct sk_torture *torture, struct sk_torture_totals *mine, long oldest,
			  int backend, int service, const char *how)
{
	enum answer answer = backend < 0 ? NO : was_owner(torture, oldest, backend, service);

	if (answer == UNKNOWN)
		mine->unknown++;
	if (answer != NO)
		return;
	mine->wrong++;
	say(torture, "%s to service %d reached backend %d, which is not its own in %ld to %ld", how,
	    service, backend, oldest, sk_torture_begun_version(torture));
}

static void judge_error(struct sk_torture *torture, struct sk_torture_totals *mine, long oldest,
			int error, int service, const char *how)
{
	int is_refused = error == ECONNREFUSED, is_untranslated = error == ENETUNREACH;
	enum answer answer = NO;

	if (is_refused || is_untranslated)
		answer = was_state(torture, oldest, service, is_refused ? SK_EMPTY : SK_ABSENT);
	if (answer == UNKNOWN)
		mine->unknown++;
	if (answer == YES && is_refused)
		mine->refused_rightly++;
	if (answer == YES && is_untranslated)
		mine->untranslated_rightly++;
	if (answer != NO)
		return;
	if (is_refused)
		mine->refused++;
	else if (is_untranslated)
		mine->untranslated++;
	else
		mine->failed++;
	say(torture, "%s to service %d: %s, in %ld to %ld", how, service, strerror(error), oldest,
	    sk_torture_begun_version(torture));
}

/* Where a connected socket leads. */
static int reached(const struct sk_torture *torture, int fd)
{
	union address own;
	socklen_t length = sizeof(own);

	return getsockname(fd, &own.any, &length) ? -1 : number_of(torture, &own);
}

static void send_number(int fd, int service, long oldest, const union address *to)
{
	struct datagram datagram = {.service = service, .oldest = oldest};

	/* Without room it is not sent; nothing is lost but a look. */
	sendto(fd, &datagram, sizeof(datagram), MSG_DONTWAIT, to ? &to->any : 0,
	       to ? length_of(to) : 0);
}

static void udp_once(struct sk_torture *torture, struct sk_torture_totals *mine, int service)
{
	const union address *vip = &torture->vip[service];
	long oldest = sk_torture_done_version(torture);
	int fd = socket(vip->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (connect(fd, &vip->any, length_of(vip))) {
		judge_error(torture, mine, oldest, errno, service, "a UDP connect");
	} else {
		judge_backend(torture, mine, oldest, reached(torture, fd), service,
			      "a UDP connect");
		if (mine->udp % 16 == 0)
			send_number(fd, service, oldest, 0);
	}
	close(fd);
	mine->udp++;
}

static void sendto_once(struct sk_torture *torture, struct sk_torture_totals *mine, int service)
{
	const union address *vip = &torture->vip[service];
	struct datagram datagram = {.service = service,
				    .oldest = sk_torture_done_version(torture)};
	int fd = socket(vip->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (sendto(fd, &datagram, sizeof(datagram), 0, &vip->any, length_of(vip)) < 0)
		judge_error(torture, mine, datagram.oldest, errno, service, "a sendto()");
	close(fd);
	mine->sendto++;
}

static void tcp_once(struct sk_torture *torture, struct sk_torture_totals *mine, int service)
{
	const union address *vip = &torture->vip[service];
	long oldest = sk_torture_done_version(torture);
	struct linger at_once = {.l_onoff = 1};
	struct timeval patience = {.tv_sec = 20};
	int fd = socket(vip->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint8_t number = NOBODY;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, &vip->any, length_of(vip))) {
		judge_error(torture, mine, oldest, errno, service, "a TCP connect");
	} else {
		int backend = reached(torture, fd);

		judge_backend(torture, mine, oldest, backend, service, "a TCP connect");
		/* The server says its number, and that is what it is about. */
		if (recv(fd, &number, 1, 0) == 1) {
			mine->datagrams++;
			if (number != backend) {
				mine->wrong++;
				say(torture, "backend %d answered for backend %d", number, backend);
			}
		} else if (goes_on(torture)) {
			judge_error(torture, mine, oldest, errno ? errno : EPIPE, service,
				    "the answer of a TCP connection");
		}
	}
	close(fd);
	mine->tcp++;
}

static int join(const char *cgroup)
{
	char path[512];
	int fd, result;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	result = write(fd, "0\n", 2) == 2 ? 0 : -errno;
	close(fd);
	return result;
}

int sk_torture_connect(struct sk_torture *torture, enum sk_torture_client kind, const char *cgroup,
		       int is_slow, int rest)
{
	struct sk_torture_totals *mine = &torture->totals[torture->clients];
	uint64_t random = 0x9e3779b97f4a7c15ull * ++torture->clients;
	pid_t pid;

	if (torture->clients >= CLIENTS)
		return -E2BIG;
	pid = fork();
	if (pid)
		return pid < 0 ? -errno : pid;
	sk_die_with_parent();
	if (cgroup && join(cgroup)) {
		say(torture, "a client could not join %s", cgroup);
		_exit(1);
	}
	while (goes_on(torture)) {
		int service;

		/* xorshift64 */
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		service = (random >> 32) % torture->services;
		if (kind == SK_TORTURE_TCP)
			tcp_once(torture, mine, service);
		else if (kind == SK_TORTURE_UDP)
			udp_once(torture, mine, service);
		else
			sendto_once(torture, mine, service);
		mine->slow += is_slow;
		if (rest)
			usleep(rest);
	}
	_exit(0);
}

/* Servers: one process, which knows by the socket which backend it is. */

static int listen_at(const union address *address, int type)
{
	int fd = socket(address->any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int room = 1 << 20;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(fd, &address->any, length_of(address)) ||
	    (type == SOCK_STREAM && listen(fd, 4096))) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

static void take_datagrams(struct sk_torture *torture, struct sk_torture_totals *mine, int fd,
			   int backend)
{
	struct datagram datagram;

	while (recv(fd, &datagram, sizeof(datagram), 0) == sizeof(datagram)) {
		mine->datagrams++;
		judge_backend(torture, mine, datagram.oldest, backend, datagram.service,
			      "a datagram");
	}
}

static void take_connections(int fd, int backend)
{
	uint8_t number = backend;
	int connection;

	while ((connection = accept4(fd, 0, 0, SOCK_CLOEXEC)) >= 0) {
		if (send(connection, &number, 1, MSG_NOSIGNAL) < 0) {
			/* The client has gone. */
		}
		close(connection);
	}
}

static int watch(struct sk_torture *torture, int epoll, int descriptors[][2])
{
	int count = 0;

	for (int family = 0; family < 2; family++)
		for (int i = 0; i < torture->backends; i++)
			for (int type = 0; type < 2; type++) {
				int fd = listen_at(&torture->backend[family][i],
						   type ? SOCK_STREAM : SOCK_DGRAM);
				struct epoll_event event = {.events = EPOLLIN, .data.u32 = count};

				if (fd < 0)
					return fd;
				descriptors[count][0] = fd;
				descriptors[count++][1] = i | type << 16;
				if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
					return -errno;
			}
	return 0;
}

int sk_torture_serve(struct sk_torture *torture)
{
	static int descriptors[SK_TORTURE_BACKENDS * 4][2];
	struct sk_torture_totals *mine = &torture->totals[CLIENTS - 1];
	struct epoll_event events[64];
	int epoll = epoll_create1(EPOLL_CLOEXEC), error;
	pid_t pid;

	/* Bound before the first client connects. */
	error = epoll < 0 ? -errno : watch(torture, epoll, descriptors);
	if (error)
		return error;
	pid = fork();
	if (pid)
		return pid < 0 ? -errno : pid;
	sk_die_with_parent();
	while (goes_on(torture)) {
		int count = epoll_wait(epoll, events, 64, 100);

		for (int i = 0; i < count; i++) {
			const int *descriptor = descriptors[events[i].data.u32];

			if (descriptor[1] >> 16)
				take_connections(descriptor[0], descriptor[1] & 0xffff);
			else
				take_datagrams(torture, mine, descriptor[0],
					       descriptor[1] & 0xffff);
		}
	}
	_exit(0);
}
