/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sockets and namespaces for the kernel tests. Addresses are text, written as the socket's family
 * writes them: 10.0.0.1, fd00::1, ::ffff:10.0.0.1. Ports are in host order. Every function returns
 * a descriptor, a length or 0, and -errno on failure; no socket blocks before sk_block().
 */
#ifndef SOCKLB_SOCKETKIT_H
#define SOCKLB_SOCKETKIT_H

#define SK_TEXT 64

enum sk_family {
	SK_IPV4 = 4,
	SK_IPV6 = 6,
};

enum sk_type {
	SK_TCP,
	SK_UDP,
	/* TCP to the application; the connections below belong to the kernel. */
	SK_MPTCP,
};

struct sk_name {
	char address[SK_TEXT];
	int port;
};

/* sockets.c */
int sk_socket(enum sk_family family, enum sk_type type);
int sk_block(int fd);
int sk_bind(int fd, const char *address, int port);
int sk_listen(int fd, int backlog);
int sk_accept(int fd);
/* -EINPROGRESS while a TCP connection is being made. */
int sk_connect(int fd, const char *address, int port);
/* connect(AF_UNSPEC) */
int sk_disconnect(int fd);
/* The outcome of a connection that was in progress: 0 or -errno. */
int sk_error(int fd);
/* Waits until the descriptor can be read or written; 1, or 0 when the time is up. */
int sk_wait(int fd, int to_write, int milliseconds);
int sk_send(int fd, const void *data, int size);
int sk_send_to(int fd, const void *data, int size, const char *address, int port);
int sk_send_message(int fd, const void *data, int size, const char *address, int port);
/* sendto(MSG_FASTOPEN) */
int sk_send_fast_open(int fd, const void *data, int size, const char *address, int port);
/* `from`: the sender. `to`: where the datagram was sent, after sk_want_destination(). */
int sk_receive(int fd, void *data, int size, struct sk_name *from, struct sk_name *to);
int sk_want_destination(int fd);
/* close() resets the connection instead of leaving a port in TIME_WAIT. */
int sk_close_at_once(int fd);
int sk_peer_name(int fd, struct sk_name *name);
int sk_own_name(int fd, struct sk_name *name);
/* SO_COOKIE; 0 when the kernel does not say. */
unsigned long long sk_cookie(int fd);
void sk_close(int fd);

/* many.c */
/* So many sockets, connected; each bound to `from` unless that is null. `count` or -errno. */
int sk_many_connect(int *fds, int count, enum sk_family family, enum sk_type type,
		    const char *from, const char *to, int port);
/* How many of them have another peer than this one, or none. */
int sk_many_wrong_peers(const int *fds, int count, const char *address, int port);
void sk_many_close(const int *fds, int count);
/* Puts a descriptor into a message (SCM_RIGHTS) between two new sockets, and takes it out. */
int sk_pass(int fd, int between[2]);
int sk_take(int between);

struct sk_place {
	char address[SK_TEXT];
	int port;
};

struct sk_world {
	enum sk_family family;
	/* Services for UDP and TCP. */
	struct sk_place vip[2];
	/* A service without endpoints, and one whose endpoint refuses. */
	struct sk_place empty;
	struct sk_place closed;
	/* A backend of both VIPs. */
	struct sk_place pod;
	/* Connections that come in here are closed. */
	int listener[16];
	int listeners;
};

/* So many sockets, one after the other, live and end; how many were not as they should be, and
 * how those had lived. */
int sk_live(const struct sk_world *world, int lives, unsigned *bad_ways);
/* What they did, by the number of the bit: the name of a way to live. */
const char *sk_way(int way);
/* A process that has so many sockets connected to the VIPs, until it is killed; its pid. */
int sk_hold(const struct sk_world *world, int count);

/*
 * A process with so many sockets bound to `from` and connected to the world's first VIP. It closes
 * every other one and makes as many anew, and says how many have another peer than the VIP.
 */
struct sk_crowd {
	int pid;
	int pipe;
};
int sk_crowd_start(struct sk_crowd *crowd, const struct sk_world *world, const char *from,
		   int count);
int sk_crowd_wrong_peers(struct sk_crowd *crowd);
int sk_crowd_replace(struct sk_crowd *crowd);
void sk_crowd_end(struct sk_crowd *crowd);

/* namespaces.c */
int sk_new_namespaces(void);
/* The network namespace that the calling thread is in. */
int sk_own_network(void);
/* Another network namespace; the calling thread stays where it is. */
int sk_new_network(void);
/* The sockets made before stay in the namespace they were made in. */
int sk_enter_network(int fd);
int sk_loopback_up(void);
/* Makes an address, or with a shorter prefix a range, one of this host's own. */
int sk_add_address(const char *address, int prefix);
int sk_mount_bpf(const char *directory);
/* Puts a file in the place of another one, for this mount namespace. */
int sk_mount_file(const char *file, const char *at);
/* Raises the limit of open files as far as it goes; the new limit. */
int sk_raise_file_limit(void);

/* processes.c */
/* Starts a program; its standard streams are the given descriptors. */
int sk_spawn(char *const arguments[], int in, int out, int error);
/* The exit code of a child, 128 + the signal that ended it, or -EAGAIN when the time is up. */
int sk_wait_child(int pid, int milliseconds);
/* From now on SIGINT, SIGTERM and SIGHUP are only remembered. */
void sk_catch_signals(void);
int sk_caught_signal(void);
int sk_die_with_parent(void);
/*
 * Replaces this process with a program that runs as this user and group, and has no capability but
 * those in `capabilities` (a bit each). -errno if that fails.
 */
int sk_execute_as(int user, int group, unsigned long long capabilities, char *const arguments[]);
/* A child that has all the descriptors of its parent, and waits to be killed. */
int sk_fork_idle(void);
/* fork(), which Swift does not have; the child ends with its parent. -errno, 0 in the child. */
int sk_fork(void);
/* kill(), and the first child of a process; -errno or 0 when there is none. */
int sk_signal(int pid, int number);
int sk_child_of(int pid);
/* A socket that a service manager would read (NOTIFY_SOCKET); a descriptor or -errno. */
int sk_notify_socket(const char *path);
long sk_milliseconds(void);
void sk_sleep(int milliseconds);

/* slow_program.c: a connect4 program on a cgroup that copies a megabyte `rounds` times. */
struct sk_slow {
	int link;
	unsigned long long *progress;
};
int sk_slow_start(struct sk_slow *slow, const char *cgroup, int rounds);
void sk_slow_stop(struct sk_slow *slow);
void sk_slow_reset(struct sk_slow *slow);
int sk_slow_started(const struct sk_slow *slow);
int sk_slow_ended(const struct sk_slow *slow);

/*
 * releases.c: writes down which sockets of a cgroup the kernel runs sock_release programs for, up
 * to `most`, as long as this process lives; returns what to ask, or -errno. Then 1, 0 or -errno.
 */
int sk_watch_releases(const char *cgroup, int most);
int sk_was_released(int cookies, unsigned long long cookie);

/* frozen_map.c: from now on every write to the map by a system call fails with EPERM. */
int sk_freeze_map(int fd);

/* A new terminal: what a person sees and types; -errno. `path` is what programs open. */
int sk_terminal(char *path, int size);
int sk_resize_terminal(int fd, int rows, int columns);
/* Keys are neither shown nor gathered to lines. */
int sk_terminal_is_raw(int fd);

#endif
