// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Fails to compile when a shared struct has implicit padding or another size or
// offset than the layout version says.
#pragma GCC diagnostic error "-Wpadded"
#include "service_abi.h"

#include <stddef.h>

#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)
#define AT(type, field, offset) \
	_Static_assert(offsetof(struct type, field) == (offset), #type "." #field)

SIZE(svc_key_bucket, 64);
SIZE(svc_frontend4, 24);
AT(svc_frontend4, port_be, 4);
AT(svc_frontend4, protocol, 6);
AT(svc_frontend4, target, 8);
AT(svc_frontend4, flags, 16);
SIZE(svc_frontend6, 32);
AT(svc_frontend6, port_be, 16);
AT(svc_frontend6, protocol, 18);
AT(svc_frontend6, flags, 20);
AT(svc_frontend6, target, 24);
SIZE(svc_slot4, 16);
AT(svc_slot4, endpoint, 8);
AT(svc_slot4, generation, 12);
SIZE(svc_slot6, 32);
AT(svc_slot6, endpoint, 20);
AT(svc_slot6, generation, 24);
SIZE(svc_endpoint, 8);
AT(svc_endpoint, service, 4);
SIZE(svc_kept4, 12);
AT(svc_kept4, addr_be, 4);
AT(svc_kept4, port_be, 8);
SIZE(svc_kept6, 24);
AT(svc_kept6, addr_be, 4);
AT(svc_kept6, port_be, 20);
SIZE(svc_service, 64);
AT(svc_service, affinity_timeout, 4);
AT(svc_service, text, 12);
SIZE(svc_names_key, 8);
SIZE(svc_names, 192);
AT(svc_names, port_name, 128);
SIZE(svc_policy, 16);
AT(svc_policy, next, 8);
SIZE(svc_affinity_key, 16);
AT(svc_affinity_key, service, 8);
SIZE(svc_affinity, 24);
AT(svc_affinity, endpoint, 8);
AT(svc_affinity, position, 16);
SIZE(svc_guard4, 4);
SIZE(svc_guard6, 16);
SIZE(svc_guard_parameters, 16);
SIZE(svc_guard_bucket4, 64);
SIZE(svc_guard_bucket6, 256);
SIZE(svc_range4, 12);
AT(svc_range4, addr_be, 8);
SIZE(svc_range6, 24);
AT(svc_range6, addr_be, 8);
SIZE(svc_source, 20);
AT(svc_source, addr6_be, 4);
SIZE(svc_counters, 8);
SIZE(svc_totals, 40);
AT(svc_totals, refused, 24);
SIZE(svc_header, 64);
AT(svc_header, host_netns, 32);
AT(svc_header, options, 40);
AT(svc_header, grown_at, 48);
AT(svc_header, generation, 8);
AT(svc_header, instance_high, 16);
SIZE(svc_flow, 56);
AT(svc_flow, backend_be, 16);
AT(svc_flow, vip_port_be, 32);
AT(svc_flow, backend_port_be, 34);
AT(svc_flow, service, 36);
AT(svc_flow, generation, 44);
AT(svc_flow, since, 52);
SIZE(svc_socket, 64);
AT(svc_socket, flow, 0);
AT(svc_socket, cookie, 56);
SIZE(svc_socket_tags, 8);
SIZE(svc_more_flows, SVC_MORE_FLOWS * 60 + 56);
AT(svc_more_flows, used, SVC_MORE_FLOWS * 56);
AT(svc_more_flows, record_used, SVC_MORE_FLOWS * 60);
AT(svc_more_flows, vip_tags, SVC_MORE_FLOWS * 60 + 8);
AT(svc_more_flows, recency, SVC_MORE_FLOWS * 60 + 40);
AT(svc_more_flows, connected, SVC_MORE_FLOWS * 60 + 48);
SIZE(svc_ending, 16);
AT(svc_ending, result, 12);
SIZE(svc_located, 56);
AT(svc_located, cookie, 32);
AT(svc_located, device, 44);
SIZE(svc_socket_user, 120);
AT(svc_socket_user, cookie, 56);
AT(svc_socket_user, local_be, 72);
AT(svc_socket_user, command, 96);
AT(svc_socket_user, state, 114);
SIZE(svc_clocks, 16);
SIZE(svc_tracer, 272);
AT(svc_tracer, cgroup, 16);
AT(svc_tracer, pid, 36);
AT(svc_tracer, owner, 40);
AT(svc_tracer, service, 60);
AT(svc_tracer, address_be, 188);
AT(svc_tracer, backend_be, 252);
AT(svc_tracer, backend_port_be, 268);
SIZE(svc_tracing, 8 + SVC_TRACERS * 272);
AT(svc_tracing, tracer, 8);
SIZE(svc_trace_event, 104);
AT(svc_trace_event, command, 32);
AT(svc_trace_event, vip_be, 48);
AT(svc_trace_event, service, 84);
AT(svc_trace_event, protocol, 96);
SIZE(svc_outcome_settings, 8);
SIZE(svc_trace_outcome, 152);
AT(svc_trace_outcome, time, 104);
AT(svc_trace_outcome, result, 136);
SIZE(svc_question, 104);
AT(svc_question, affinity, 16);
AT(svc_question, netns, 40);
AT(svc_question, vip_be, 64);
AT(svc_question, vip_port_be, 96);
SIZE(svc_answer, 88);
AT(svc_answer, target, 16);
AT(svc_answer, backend_be, 40);
AT(svc_answer, endpoint, 56);
AT(svc_answer, backend_port_be, 72);
AT(svc_answer, error, 80);
SIZE(svc_explanation, 192);
