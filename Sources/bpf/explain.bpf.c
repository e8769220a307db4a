// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a connect() would do, and why: loaded and run once by `socklb explain`. It decides by the
 * source that the hooks decide by, on the maps of the data plane that is attached, and leaves
 * nothing behind (lib/question.h). ARCHITECTURE.md, "Explain".
 */
#define SVC_EXPLAIN

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "lib/address.h"
#include "lib/maps.h"
#include "lib/service.h"
#include "lib/why.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Addresses are four words everywhere: the way of an AF_INET6 hook does for all of them. */
#define HOOK_FAMILY 6

static __always_inline void tell_choice(const struct request *request, const struct choice *choice)
{
	copy_words(explanation.answer.backend_be, choice->w);
	explanation.answer.backend_port_be = choice->port_be;
	explanation.answer.endpoint = choice->endpoint;
	explanation.answer.generation = choice->generation;
	explanation.answer.why = why_chosen(request, (__u32)explanation.answer.range);
}

/*
 * The steps of connect() (on_connect in socklb.bpf.c) for a socket that remembers nothing. A raw
 * tracepoint, because user space can run one once without attaching it, from Linux 5.10 on, and it
 * runs as the hooks do: inside of what a grace period waits for.
 */
SEC("raw_tp")
int explain(void *ctx __attribute__((unused)))
{
	struct request request = {};
	struct choice choice = {};
	enum verdict verdict;

	copy_words(request.to.w, explanation.question.vip_be);
	request.to.port_be = explanation.question.vip_port_be;
	explanation.answer.jiffies = bpf_jiffies64();
	explanation.answer.filter = look_into_filter(&request.to);
	verdict = find_frontend(&request.to, HOOK_FAMILY, explanation.question.protocol,
				&request.frontend);
	if (verdict == STRANGER || verdict == NOT_A_SERVICE)
		return 0;
	explanation.answer.is_service = 1;
	if (verdict == TRANSLATED) {
		explanation.answer.is_found = 1;
		explanation.answer.target = request.frontend.target;
		explanation.answer.frontend = request.frontend.index;
		explanation.answer.flags = request.frontend.flags;
		request.cookie = 1; /* any: it is asked for once a frontend is found */
		verdict = pick_backend(&explanation, request.cookie, &request.to, HOOK_FAMILY,
				       &request.frontend, 0, &choice);
	}
	if (verdict == TRANSLATED) {
		tell_choice(&request, &choice);
		return 0;
	}
	refuse(verdict);
	explanation.answer.why = why_refused(&request);
	return 0;
}
