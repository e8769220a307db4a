// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What becomes of TCP connections to services: loaded and attached by one `socklb trace`, for as
 * long as that runs. It works on the maps of the data plane that is attached, and on a ring and a
 * table of its own. ARCHITECTURE.md, "Trace".
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/address.h"
#include "lib/connection.h"
#include "lib/kernel.h"
#include "lib/maps.h"
#include "lib/trace.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct svc_outcome_settings settings;

/* A connection that the reader wants to know of. */
struct watched {
	struct svc_trace_event decision;
	__u64 established; /* 0: not yet */
};

HASH_MAP(connections, __u64, struct watched, BPF_F_NO_PREALLOC, 262144);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4194304);
} outcomes SEC(".maps");

/* Outcomes that were lost: the ring was full, or the table of connections. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} outcomes_lost SEC(".maps");

static __always_inline void count_lost(__u32 which)
{
	__u64 *lost = bpf_map_lookup_elem(&outcomes_lost, &which);

	if (lost)
		__sync_fetch_and_add(lost, 1);
}

static __always_inline struct svc_tracer *reader(void)
{
	return &tracing.tracer[settings.reader % SVC_TRACERS];
}

static __always_inline int wants_failures_only(void)
{
	return reader()->flags & SVC_TRACE_FAILURES;
}

/* enum sock_flags of the kernel: the peer has sent a FIN. */
#define SOCK_DONE 1

/*
 * A connection to a service begins, in the process that called connect().
 *
 * - Returns: 1 when the reader wants to know of it.
 */
static __always_inline int begin(struct sock *sk, __u64 cookie, const struct endpoint_address *peer,
				 struct watched *watched)
{
	const struct svc_flow *flow = flow_of(sk, cookie, peer);

	if (!flow)
		return 0;
	watched->decision.time = bpf_ktime_get_ns();
	watched->decision.cookie = cookie;
	watched->decision.cgroup = bpf_get_current_cgroup_id();
	copy_words(watched->decision.vip_be, flow->vip_be);
	copy_words(watched->decision.backend_be, flow->backend_be);
	watched->decision.vip_port_be = flow->vip_port_be;
	watched->decision.backend_port_be = flow->backend_port_be;
	watched->decision.service = service_of(flow);
	watched->decision.why = flow->service >> SVC_FLOW_WHY_SHIFT & SVC_FLOW_WHY_MASK;
	watched->decision.protocol = IPPROTO_TCP;
	watched->decision.hook =
		sk->__sk_common.skc_family == AF_INET ? SVC_TRACE_CONNECT4 : SVC_TRACE_CONNECT6;
	watched->decision.pid = bpf_get_current_pid_tgid() >> 32;
	watched->decision.netns = sk->__sk_common.skc_net.net->net_cookie;
	bpf_get_current_comm(watched->decision.command, sizeof(watched->decision.command));
	return wants(reader(), &watched->decision);
}

static __always_inline void report(struct sock *sk, const struct watched *watched, __u32 result,
				   __u32 error)
{
	struct svc_trace_outcome outcome = {.result = result, .error = error};
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	outcome.decision = watched->decision;
	outcome.time = bpf_ktime_get_ns();
	outcome.nanoseconds =
		outcome.time - (watched->established && result != SVC_RESULT_ESTABLISHED
					? watched->established
					: watched->decision.time);
	if (tcp) {
		outcome.retransmissions = tcp->total_retrans;
		outcome.sent = tcp->bytes_sent - tcp->bytes_retrans;
		/* It counts the peer's FIN, which sets this flag. */
		outcome.received =
			tcp->bytes_received - (sk->__sk_common.skc_flags >> SOCK_DONE & 1);
	}
	if (bpf_ringbuf_output(&outcomes, &outcome, sizeof(outcome), BPF_RB_NO_WAKEUP))
		count_lost(0);
}

static __always_inline int end(struct sock *sk, __u64 cookie, struct watched *watched)
{
	if (!watched->established)
		report(sk, watched, SVC_RESULT_FAILED, sk->sk_err);
	else if (sk->sk_err)
		report(sk, watched, SVC_RESULT_RESET, sk->sk_err);
	else if (settings.follow_close)
		report(sk, watched, SVC_RESULT_CLOSED, 0);
	bpf_map_delete_elem(&connections, &cookie);
	return 0;
}

/* The first SYN is about to be sent. */
static __always_inline int on_syn(struct sock *sk, __u64 cookie)
{
	struct watched watched = {};
	struct endpoint_address peer;

	read_peer(&sk->__sk_common, &peer);
	if (begin(sk, cookie, &peer, &watched) &&
	    bpf_map_update_elem(&connections, &cookie, &watched, BPF_ANY))
		count_lost(1);
	return 0;
}

/* Arguments: the socket, its state before, its state from now on. */
SEC("tp_btf/inet_sock_set_state")
int on_state(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct watched *watched;
	__u64 cookie;
	int state = ctx[2];

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	cookie = cookie_of(&sk->__sk_common);
	if (!cookie)
		return 0;
	if (state == BPF_TCP_SYN_SENT)
		return on_syn(sk, cookie);
	watched = bpf_map_lookup_elem(&connections, &cookie);
	if (!watched)
		return 0;
	if (state == BPF_TCP_CLOSE)
		return end(sk, cookie, watched);
	if (state == BPF_TCP_ESTABLISHED && !watched->established) {
		watched->established = bpf_ktime_get_ns();
		if (!wants_failures_only())
			report(sk, watched, SVC_RESULT_ESTABLISHED, 0);
	}
	return 0;
}
