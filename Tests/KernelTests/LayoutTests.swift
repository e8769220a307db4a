import BPFLoader
import CServiceABI
import ServiceDataplane
import ServiceMaps

/// C, Swift and the loaded object agree on the layout of everything they share.
let layoutTests: [KernelTest] = [
  KernelTest("layout_of_structs_in_the_kernel_is_that_of_swift") { sandbox in
    try sandbox.attach()
    let map = try BPFMap(pinned: sandbox.pin + "/header")
    var found: [String: BTFStruct] = [:]
    for structure in try map.structs() where structure.name.hasPrefix("svc_") {
      found[structure.name] = structure
    }
    for expected in layouts {
      try checkEqual(found[expected.name], expected, "struct \(expected.name)")
    }
    try checkEqual(found.keys.sorted(), layouts.map(\.name).sorted(), "structs")
  },
  KernelTest("layout_of_map_elements_is_that_of_swift") { sandbox in
    let dataplane = try sandbox.attach(
      capacities: Capacities(services: 11, frontends: 22, backends: 33))
    try checkEqual(dataplane.tables.capacities.v4.services, 11, "room for service ports")
    try checkEqual(dataplane.tables.capacities.v6.frontends, 22, "room for frontends")
    try checkEqual(dataplane.tables.capacities.v4.backends, 33, "room for backends")
    for (name, key, value) in elements {
      let path = name == "header" ? "/header" : "/maps/" + name
      let map = try BPFMap(pinned: sandbox.pin + path)
      // A variable of the programs: its section is the name.
      try checkEqual(map.name, name == "trace" ? ".data.trace" : name, "the name of \(path)")
      try checkEqual([map.keySize, map.valueSize], [key, value], "key and value of \(name)")
    }
    try checkEqual(
      Disk.list(sandbox.pin + "/maps"), elements.map(\.name).filter { $0 != "header" }.sorted(),
      "maps")
  },
]

private let elements: [(name: String, key: Int, value: Int)] = [
  ("header", 4, size(svc_header.self)),
  ("keys4", 4, size(svc_key_bucket.self)), ("keys6", 4, size(svc_key_bucket.self)),
  ("frontends4", 4, size(svc_frontend4.self)), ("frontends6", 4, size(svc_frontend6.self)),
  ("lists4", 4, 8), ("lists6", 4, 8),
  ("slots4", 4, size(svc_slot4.self)), ("slots6", 4, size(svc_slot6.self)),
  ("endpoints4", 4, size(svc_endpoint.self)), ("endpoints6", 4, size(svc_endpoint.self)),
  ("kept4", size(svc_kept4.self), 4), ("kept6", size(svc_kept6.self), 4),
  ("counters4", 4, size(svc_counters.self)), ("counters6", 4, size(svc_counters.self)),
  ("totals4", 4, size(svc_totals.self)), ("totals6", 4, size(svc_totals.self)),
  ("tallies4", 4, 8), ("tallies6", 4, 8),
  ("full_tallies4", size(svc_tally_key.self), 8), ("full_tallies6", size(svc_tally_key.self), 8),
  ("past4", size(svc_past_key.self), size(svc_past.self)),
  ("past6", size(svc_past_key.self), size(svc_past.self)),
  ("services4", 4, size(svc_service.self)), ("services6", 4, size(svc_service.self)),
  ("names4", size(svc_names_key.self), size(svc_names.self)),
  ("names6", size(svc_names_key.self), size(svc_names.self)),
  ("policies4", 4, size(svc_policy.self)), ("policies6", 4, size(svc_policy.self)),
  ("guards4", 4, size(svc_guard_bucket4.self)), ("guards6", 4, size(svc_guard_bucket6.self)),
  ("ranges4", size(svc_range4.self), 4), ("ranges6", size(svc_range6.self), 4),
  ("address_filter", 4, 8),
  ("affinities", size(svc_affinity_key.self), size(svc_affinity.self)),
  ("sources", 8, size(svc_source.self)),
  ("sockets", 4, size(svc_socket.self)), ("socket_tags", 4, size(svc_socket_tags.self)),
  ("more_flows", 4, size(svc_more_flows.self)), ("events", 4, 8),
  ("trace", 4, size(svc_tracing.self)), ("trace_logs", 4, 4),
]

private func size<T: BitwiseCopyable>(_ type: T.Type) -> Int {
  // An element of an array in C is as long as its stride; without padding the two are the same.
  MemoryLayout<T>.size == MemoryLayout<T>.stride ? MemoryLayout<T>.size : -1
}

private func layout<T: BitwiseCopyable>(
  _ type: T.Type, _ members: [(String, PartialKeyPath<T>)]
) -> BTFStruct {
  BTFStruct(
    name: "\(type)", size: size(type),
    members: members.map { name, path in
      BTFStruct.Member(name: name, offset: MemoryLayout<T>.offset(of: path) ?? -1)
    })
}

/// As Swift sees them. abi_check.c asserts the same of C when it is compiled.
private let layouts: [BTFStruct] = [
  layout(svc_key_bucket.self, [("way", \.way)]),
  layout(
    svc_frontend4.self,
    [
      ("addr_be", \.addr_be), ("port_be", \.port_be), ("protocol", \.protocol),
      ("zero_key", \.zero_key), ("target", \.target), ("flags", \.flags), ("zero", \.zero),
    ]),
  layout(
    svc_frontend6.self,
    [
      ("addr_be", \.addr_be), ("port_be", \.port_be), ("protocol", \.protocol),
      ("zero_key", \.zero_key), ("flags", \.flags), ("target", \.target),
    ]),
  layout(
    svc_slot4.self,
    [
      ("addr_be", \.addr_be), ("port_be", \.port_be), ("zero", \.zero), ("endpoint", \.endpoint),
      ("generation", \.generation),
    ]),
  layout(
    svc_slot6.self,
    [
      ("addr_be", \.addr_be), ("port_be", \.port_be), ("zero", \.zero), ("endpoint", \.endpoint),
      ("generation", \.generation), ("zero2", \.zero2),
    ]),
  layout(svc_endpoint.self, [("generation", \.generation), ("service", \.service)]),
  layout(
    svc_service.self,
    [
      ("protocol", \.protocol), ("namespace_length", \.namespace_length),
      ("name_length", \.name_length), ("port_length", \.port_length),
      ("affinity_timeout", \.affinity_timeout), ("affinity", \.affinity),
      ("algorithm", \.algorithm), ("terminate", \.terminate), ("zero", \.zero), ("text", \.text),
    ]),
  layout(
    svc_names_key.self, [("prefix_length", \.prefix_length), ("service", \.service)]),
  layout(
    svc_names.self,
    [("namespace_name", \.namespace_name), ("name", \.name), ("port_name", \.port_name)]),
  layout(
    svc_kept4.self,
    [
      ("service", \.service), ("addr_be", \.addr_be), ("port_be", \.port_be), ("zero", \.zero),
    ]),
  layout(
    svc_kept6.self,
    [
      ("service", \.service), ("addr_be", \.addr_be), ("port_be", \.port_be), ("zero", \.zero),
    ]),
  layout(
    svc_policy.self,
    [
      ("affinity_timeout", \.affinity_timeout), ("algorithm", \.algorithm), ("next", \.next),
    ]),
  layout(
    svc_affinity_key.self,
    [("client", \.client), ("service", \.service), ("family", \.family)]),
  layout(
    svc_affinity.self,
    [
      ("last_used", \.last_used), ("endpoint", \.endpoint), ("generation", \.generation),
      ("position", \.position), ("by_cgroup", \.by_cgroup),
    ]),
  layout(svc_guard4.self, [("addr_be", \.addr_be)]),
  layout(svc_guard6.self, [("addr_be", \.addr_be)]),
  layout(svc_guard_bucket4.self, [("way", \.way)]),
  layout(svc_guard_bucket6.self, [("way", \.way)]),
  layout(
    svc_range4.self,
    [
      ("prefix_length", \.prefix_length), ("frontend", \.frontend), ("addr_be", \.addr_be),
    ]),
  layout(
    svc_range6.self,
    [
      ("prefix_length", \.prefix_length), ("frontend", \.frontend), ("addr_be", \.addr_be),
    ]),
  layout(svc_source.self, [("addr4_be", \.addr4_be), ("addr6_be", \.addr6_be)]),
  layout(svc_counters.self, [("translated", \.translated)]),
  layout(
    svc_totals.self,
    [("refused", \.refused), ("denied", \.denied)]),
  layout(
    svc_tally_key.self, [("prefix_length", \.prefix_length), ("endpoint", \.endpoint)]),
  layout(
    svc_past_key.self,
    [("prefix_length", \.prefix_length), ("kind", \.kind), ("id", \.id)]),
  layout(
    svc_past.self,
    [("translated", \.translated), ("refused", \.refused), ("denied", \.denied)]),
  layout(
    svc_header.self,
    [
      ("layout_version", \.layout_version), ("grace_pending", \.grace_pending),
      ("generation", \.generation), ("instance_high", \.instance_high),
      ("instance_low", \.instance_low), ("host_netns", \.host_netns), ("options", \.options),
      ("map_set", \.map_set), ("grown_at", \.grown_at), ("version", \.version),
      ("switching", \.switching), ("tally_lock", \.tally_lock), ("zero", \.zero),
    ]),
  layout(
    svc_flow.self,
    [
      ("vip_be", \.vip_be), ("backend_be", \.backend_be), ("vip_port_be", \.vip_port_be),
      ("backend_port_be", \.backend_port_be), ("service", \.service), ("endpoint", \.endpoint),
      ("generation", \.generation), ("netns", \.netns), ("since", \.since),
    ]),
  layout(svc_socket.self, [("flow", \.flow), ("cookie", \.cookie)]),
  layout(svc_socket_tags.self, [("way", \.way), ("was_full", \.was_full)]),
  layout(
    svc_more_flows.self,
    [
      ("flow", \.flow), ("used", \.used), ("record_used", \.record_used), ("clock", \.clock),
      ("vip_tags", \.vip_tags), ("backend_tags", \.backend_tags), ("recency", \.recency),
      ("connected", \.connected), ("zero", \.zero),
    ]),
  layout(
    svc_tracing.self,
    [
      ("until", \.until), ("reader_until", \.reader_until), ("zero", \.zero),
      ("tracer", \.tracer), ("lane", \.lane),
    ]),
  layout(
    svc_trace_lane.self,
    [
      ("head", \.head), ("lost", \.lost), ("base", \.base), ("mask", \.mask), ("zero", \.zero),
      ("tail", \.tail), ("zero2", \.zero2),
    ]),
  layout(
    svc_tracer.self,
    [
      ("lane_mask", \.lane_mask), ("owner", \.owner), ("cgroup", \.cgroup), ("netns", \.netns),
      ("cgroup_level", \.cgroup_level), ("pid", \.pid), ("flags", \.flags), ("sample", \.sample),
      ("services", \.services), ("addresses", \.addresses),
      ("service", \.service), ("address_be", \.address_be), ("backend_be", \.backend_be),
      ("backend_port_be", \.backend_port_be), ("zero", \.zero), ("zero2", \.zero2),
    ]),
  layout(
    svc_trace_event.self,
    [
      ("time", \.time), ("cookie", \.cookie), ("cgroup", \.cgroup), ("netns", \.netns),
      ("command", \.command), ("vip_be", \.vip_be), ("backend_be", \.backend_be),
      ("vip_port_be", \.vip_port_be),
      ("backend_port_be", \.backend_port_be), ("service", \.service), ("pid", \.pid),
      ("candidates", \.candidates), ("protocol", \.protocol), ("hook", \.hook), ("why", \.why),
      ("zero", \.zero), ("zero2", \.zero2),
    ]),
]
