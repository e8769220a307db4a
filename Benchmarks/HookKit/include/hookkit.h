/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What `socklb-bench hooks` does while the clock runs: system calls on sockets, and what the
 * kernel has to say of the programs that they run. Every function returns -errno on failure.
 */
#ifndef SOCKLB_HOOKKIT_H
#define SOCKLB_HOOKKIT_H

#include <netinet/in.h>
#include <stdint.h>

/* programs.c */

/* The hooks on a cgroup that a socket's life may run; a name for each, or null behind the last. */
const char *hk_hook_name(int number);
/* One program on one hook of a cgroup. */
struct hk_program {
	int hook;
	int program;
	int link;
};
/*
 * The programs that are on a cgroup itself or, if effective, on those above it too; how many. The
 * descriptors are the caller's.
 */
int hk_programs_on(const char *cgroup, int effective, struct hk_program *programs, int room);
/* Loads a program of the same type for the same hook, which does nothing but say "go on". */
int hk_load_empty(const struct hk_program *like, struct hk_program *empty);
int hk_attach(const char *cgroup, struct hk_program *programs, int count);
void hk_detach(struct hk_program *programs, int count);

struct hk_times {
	uint64_t nanoseconds;
	uint64_t runs;
};
int hk_times_of(const struct hk_program *program, struct hk_times *times);
/* The kernel keeps times for as long as the descriptor is open. */
int hk_enable_times(void);
/* Loaded programs on hooks like these that are not among these: somebody else's. */
int hk_count_strangers(const struct hk_program *programs, int count);

/* traffic.c */

struct hk_place {
	union {
		sa_family_t family;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};
int hk_place_at(struct hk_place *place, const char *address, int port);

/* Servers at 10.0.0.1…5 and fd00::1…5, TCP and UDP. They belong to the cgroup they are made in. */
#define HK_SERVERS 5
#define HK_PORT 8080
struct hk_servers {
	int listener[2];
	int udp[2][HK_SERVERS];
};
int hk_start_servers(struct hk_servers *servers);

enum hk_kind {
	HK_CONNECTION,	/* TCP: socket, connect, close */
	HK_CONNECT,	/* UDP: connect, on one socket */
	HK_NEW_CONNECT, /* UDP: socket, connect, close */
	HK_SEND,	/* sendto, on one socket */
	HK_NEW_SEND,	/* socket, sendto, close */
	HK_RECEIVE,	/* recvfrom, on one socket */
	HK_PEER_NAME,	/* getpeername, on one connected UDP socket */
	HK_SOCKET,	/* socket, close */
};

struct hk_traffic {
	enum hk_kind kind;
	/* AF_INET6 for a place of IPv4: the socket is an AF_INET6 one. */
	const struct hk_place *to;
	int to_count;
	/* A destination that the one socket talked to before; or null. */
	const struct hk_place *before;
	int client;
	int server;
	int next;
	int check; /* whether getpeername is right, beside what is measured */
};
/*
 * Makes what the traffic needs, and makes sure that it goes where it should: the server got it,
 * the client sees the address it asked for. Returns the number of the server, from 0.
 */
int hk_open(const struct hk_servers *servers, struct hk_traffic *traffic);
/* Does it so many times; the CPU time of this thread in its system calls. */
int64_t hk_run(const struct hk_servers *servers, struct hk_traffic *traffic, int times);
void hk_close(struct hk_traffic *traffic);
/* The step that failed last. */
const char *hk_failed_step(void);
/* No other process comes between while the clock runs; 0, or -errno when that is not allowed. */
int hk_undisturbed(int on);

#endif
