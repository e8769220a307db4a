/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What programs and `socklb trace` share: who wants to see which decisions, and how they are
 * written down. Part of the one header, service_abi.h, whose rules hold here too.
 */
#ifndef SOCKLB_TRACE_ABI_H
#define SOCKLB_TRACE_ABI_H

/* How many readers there may be at a time. */
#define SVC_TRACERS 4
/* Of a reader; processors of higher numbers share them. A power of two. */
#ifndef SVC_TEST_LAYOUT
#define SVC_TRACE_LANES 64
#else
#define SVC_TRACE_LANES 32
#endif
#define SVC_TRACE_SERVICES 32
#define SVC_TRACE_ADDRESSES 4

/* svc_tracer.flags */
enum svc_trace_flags {
	/* What is refused, and TCP connections that fail; these are reported by outcomes.bpf.c. */
	SVC_TRACE_FAILURES = 1 << 0,
	/* Only decisions for one of `service` and `address_be`. */
	SVC_TRACE_BY_SERVICE = 1 << 1,
	SVC_TRACE_BY_BACKEND = 1 << 2,
	/* There is something that does not let everything through. */
	SVC_TRACE_FILTERED = 1 << 3,
};

/* In svc_tracer.service: an id of services6, not of services4. */
#define SVC_TRACE_V6 0x80000000u

/* A reader: what it wants to see. What is 0 lets everything through. */
struct svc_tracer {
	__u64 lane_mask; /* how many lanes it has, a power of two, less one */
	__u64 owner;	 /* process id of the reader; 0: nobody has the place */
	__u64 cgroup;
	__u64 netns;	    /* cookie */
	__u32 cgroup_level; /* how deep it lies; the root is 0 */
	__u32 pid;
	__u32 flags;  /* enum svc_trace_flags */
	__u32 sample; /* one of so many sockets; 0: all */
	__u32 services;
	__u32 addresses;
	__u32 service[SVC_TRACE_SERVICES];
	/* Addresses of the services, for what is refused because the port is none of theirs. */
	__be32 address_be[SVC_TRACE_ADDRESSES][4];
	__be32 backend_be[4];
	__be16 backend_port_be; /* 0: any */
	__u16 zero;
	__u32 zero2;
};

/*
 * Where one reader and the programs of one processor meet: `head` counts what was written into the
 * lane, `tail` what was taken out. A program that finds it full counts what it loses, and goes on.
 * What programs write and what the reader writes are apart.
 */
struct svc_trace_lane {
	__u64 head;
	__u64 lost;
	__u32 base; /* the first of its records, in the log of the reader */
	__u32 mask; /* how many records it has, a power of two, less one */
	__u64 zero[5];
	__u64 tail;
	__u64 zero2[7];
};

/*
 * The variable `tracing` of the programs (map .data.trace, mmapped). `until` is the latest of all
 * readers' and the one word that is looked at when nobody traces; a program sets it to 0 when it
 * finds that no reader is left.
 *
 * `reader_until` is how long each of them lives: CLOCK_MONOTONIC, nanoseconds; 0: nobody. A reader
 * writes all else first and this last, and raises it for as long as it lives: programs forget
 * one that is late, so a reader that was killed costs nothing more.
 */
struct svc_tracing {
	__u64 until;
	__u64 reader_until[SVC_TRACERS];
	__u64 zero[3];
	struct svc_tracer tracer[SVC_TRACERS];
	struct svc_trace_lane lane[SVC_TRACERS][SVC_TRACE_LANES];
};

/* svc_trace_event.hook */
enum svc_trace_hook {
	SVC_TRACE_CONNECT4 = 1,
	SVC_TRACE_CONNECT6 = 2,
	SVC_TRACE_SENDMSG4 = 3,
	SVC_TRACE_SENDMSG6 = 4,
};

/* svc_trace_event.why: how the backend was chosen, or why the call was refused. */
enum svc_trace_why {
	SVC_WHY_UNKNOWN = 0,
	SVC_WHY_RANDOM = 1,
	SVC_WHY_ROUND_ROBIN = 2,
	SVC_WHY_ONLY_ONE = 3,
	SVC_WHY_AFFINITY = 4, /* the client's, remembered */
	SVC_WHY_STICKY = 5,   /* the socket's, from before */
	SVC_WHY_REFUSED = 8,  /* this one and those above: no backend */
	SVC_WHY_NO_ENDPOINTS = 8,
	SVC_WHY_POLICY = 9,
	SVC_WHY_SOURCE_RANGES = 10,
	SVC_WHY_GUARDED = 11,
	SVC_WHY_NO_MEMORY = 12,
};

/* With svc_flow_flags above the service: `why`, where a reader asked for it. */
#define SVC_FLOW_WHY_SHIFT 28
#define SVC_FLOW_WHY_MASK 0x7u

/* One decision. */
struct svc_trace_event {
	__u64 time; /* CLOCK_MONOTONIC */
	__u64 cookie;
	__u64 cgroup;
	__u64 netns;	  /* cookie */
	__u64 command[2]; /* 16 bytes of text */
	__be32 vip_be[4]; /* IPv4 is ::ffff:a.b.c.d */
	__be32 backend_be[4];
	__be16 vip_port_be;
	__be16 backend_port_be; /* 0: refused */
	__u32 service;		/* in the tables of the VIP's family; means nothing when guarded */
	__u32 pid;		/* in the first pid namespace */
	__u32 candidates;	/* how many endpoints the list had */
	__u8 protocol;
	__u8 hook; /* enum svc_trace_hook */
	__u8 why;  /* enum svc_trace_why */
	__u8 zero;
	__u32 zero2;
};

/*
 * The log of a reader: ARRAY, mmapped, an element of trace_logs: the records of its lanes, those of
 * one after those of another.
 */
struct svc_trace_record {
	__u64 number; /* how many came before it in its lane, and 1; written last of all */
	struct svc_trace_event event;
	__u64 zero[2];
};

/* svc_trace_outcome.result */
enum svc_trace_result {
	SVC_RESULT_ESTABLISHED = 1,
	/* `error` says why: ECONNREFUSED, ETIMEDOUT; 0: the application gave up. */
	SVC_RESULT_FAILED = 2,
	/* It was established, and `error` ended it. */
	SVC_RESULT_RESET = 3,
	SVC_RESULT_CLOSED = 4,
};

/* The constant `settings` of outcomes.bpf.c: which reader it is for. */
struct svc_outcome_settings {
	__u32 reader;	    /* of svc_tracing.tracer */
	__u32 follow_close; /* 1: the end of a connection that nothing was wrong with is reported */
};

/* What became of a TCP connection: written by outcomes.bpf.c into a ring of its own. */
struct svc_trace_outcome {
	struct svc_trace_event decision; /* as far as it is known from the socket */
	__u64 time;
	__u64 nanoseconds; /* since SYN; of RESET and CLOSED since it was established */
	__u64 sent;	   /* bytes of the application, repeated ones once */
	__u64 received;
	__u32 result; /* enum svc_trace_result */
	__u32 error;
	__u32 retransmissions;
	__u32 zero;
};

#endif
