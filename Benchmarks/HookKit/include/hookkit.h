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
void hk_close_programs(struct hk_program *programs, int count);

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
/* family: 4, 6, or 46 for the IPv4 address in `low` as an AF_INET6 socket writes it. */
void hk_place_of(struct hk_place *place, int family, uint64_t high, uint64_t low, int port);
int hk_same_place(const struct hk_place *a, const struct hk_place *b);

/*
 * Every address of 10.0.0.0/8 and fd00:8::/32 is this network namespace's own, and one server for
 * TCP and one for UDP of each family listen at all of them. They belong to the cgroup they are
 * made in.
 */
#define HK_PORT 8080
struct hk_servers {
	int listener[2];
	int udp[2];
};
int hk_own_addresses(void);
int hk_start_servers(struct hk_servers *servers);

enum hk_kind {
	HK_CONNECTION,	  /* TCP: socket, connect, close */
	HK_CONNECT,	  /* UDP: connect, on one socket */
	HK_AFTER_CONNECT, /* UDP: connect, on sockets that were connected to `before` once */
	HK_NEW_CONNECT,	  /* UDP: socket, connect, close */
	HK_SEND,	  /* sendto, on one socket */
	HK_NEW_SEND,	  /* socket, sendto, close */
	HK_RECEIVE,	  /* recvfrom, on one socket */
	HK_PEER_NAME,	  /* getpeername, on one connected UDP socket */
	HK_SOCKET,	  /* socket, close */
};

struct hk_traffic {
	enum hk_kind kind;
	/* AF_INET6 for a place of IPv4: the socket is an AF_INET6 one. */
	const struct hk_place *to;
	int to_count;
	/* A destination that a socket talked to before; or null. */
	const struct hk_place *before;
	/* 0: nobody turns addresses back, so the client sees the server's own. */
	int two_way;
	int client;
	struct hk_place reached; /* where the first of it came to */
	int next;
	int check; /* whether getpeername is right, beside what is measured */
	/* HK_AFTER_CONNECT: programs, and what of their time is not to be counted; or null. */
	const struct hk_program *watched;
	int watched_count;
	struct hk_times *aside;
};
/*
 * Makes what the traffic needs, and makes sure that it goes where it should: a server got it, the
 * client sees the address it asked for (or, when not two_way, that of the server).
 */
int hk_open(const struct hk_servers *servers, struct hk_traffic *traffic);
/* Does it so many times; the CPU time of this thread in its system calls. */
int64_t hk_run(const struct hk_servers *servers, struct hk_traffic *traffic, int times);
void hk_close(struct hk_traffic *traffic);
/*
 * Each traffic in a thread of its own on a CPU of its own, all at once; `warm` operations before
 * the clock runs. Only HK_CONNECT and HK_NEW_CONNECT. `spent`: what each thread took.
 */
int hk_run_at_once(const struct hk_servers *servers, struct hk_traffic *traffics, int count,
		   int warm, int times, int64_t *spent);
/* How many CPUs this process may use. */
int hk_cpus(void);
/* The step that failed last. */
const char *hk_failed_step(void);
/* No other process comes between while the clock runs; 0, or -errno when that is not allowed. */
int hk_undisturbed(int on);

#endif
