/// What `make test` runs on every kernel: on this one, and in virtual machines on the oldest that is
/// supported and on the newest.
///
/// A test belongs here when it is the one that would fail on a kernel that lacks something or does
/// something else: a hook, a helper, an iterator, a verifier's limit, how programs are attached and
/// replaced, who waits for whom. What follows from the table alone does not; nor a second test of the same
/// thing, except for the other family. An emulated processor needs six seconds for one, and the list is to
/// be done in eight minutes. `make soak` runs all in virtual machines that `inVM` does not leave out.
enum EveryKernel {
  static let names = Set(all.flatMap(\.tests))

  /// What is looked at, and by which tests.
  static let all: [(what: String, tests: [String])] = [
    (
      "each hook, for each way to name an address",
      [
        "connect4_tcp_reaches_a_backend", "connect4_udp_connected_shows_the_vip",
        "connect6_tcp_reaches_a_backend", "connect6_udp_connected_shows_the_vip",
        "connect6_mapped_udp_connected_shows_the_vip",
        "sendmsg4_sendto_reaches_a_backend_and_the_reply_comes_from_the_vip",
        "sendmsg6_sendmsg_reaches_a_backend_and_the_reply_comes_from_the_vip",
        "sendmsg4_mapped_sendto_reaches_a_backend_and_the_reply_comes_from_the_vip",
        "connected_v4_udp_socket_that_names_its_vip_is_answered",
      ]
    ),
    (
      "errors that a hook may return",
      [
        "no_backend_refuses_connect_v4_tcp", "no_backend_refuses_connect_v6_udp",
        "no_backend_refuses_sendto_v4", "guard_v4_refuses_other_ports_of_a_clusterip",
        "drop_v4_is_no_route_at_once", "drop_v6_is_no_route_at_once",
        "source_ranges_v6_know_what_routing_would_choose",
      ]
    ),
    (
      "records of sockets, and what the kernel does to a socket that connects again",
      [
        "sendto_v4_moves_when_its_backend_goes_and_not_before",
        "udp_v6_disconnected_shows_a_pod_as_itself",
        "udp_v6_keeps_its_peer_through_connects_that_the_kernel_refuses",
        "udp_mapped_shows_the_vips_of_former_peers_that_answer_after_it_disconnected",
        "replies_v4_that_come_late_are_of_no_vip_that_came_later",
        "cilium_42649_v6_tables_are_as_empty_as_before_after_2_000_sockets",
        "cilium_42658_v4_3_000_sockets_at_once_and_none_is_evicted",
      ]
    ),
    (
      "protocols that take a way of their own",
      [
        "tcp_v4_fast_open_reaches_a_backend",
        "cilium_21541_v4_mptcp_that_is_spoken_shows_the_vip",
      ]
    ),
    (
      "time, cookies and cgroups of a client",
      [
        "affinity_ends_after_its_timeout_and_is_refreshed_by_use",
        "affinity_knows_network_namespaces_apart",
        "affinity_on_the_host_network_can_go_by_cgroup",
      ]
    ),
    (
      "counters",
      [
        "tallies_v4_are_what_backends_got", "tallies_v6_of_datagrams_of_one_socket",
        "tallies_are_kept_over_growth_upgrade_and_migration",
      ]
    ),
    (
      "who waits for whom, on one processor with preempt=full",
      [
        "grace_period_ends_after_the_programs_that_were_running",
        "sendto_from_several_threads_on_one_socket_never_mixes_services",
        "torture_3_000_connects_and_200_changes",
        "torture_without_grace_periods_is_caught",
      ]
    ),
    (
      "attaching, links, pins, and what they are when a cgroup goes",
      [
        "life_detach_leaves_no_pin_link_or_program",
        "life_a_removed_cgroup_is_shown_as_dead", "nested_cgroups_are_attached_to_once",
        "place_a_nested_attach_is_found",
        "access_by_lookups_reads_the_same_as_by_memory",
        "capabilities_of_each_command_are_the_least",
      ]
    ),
    (
      "maps: their types, their sizes, writing and reading many at once",
      [
        "layout_of_structs_in_the_kernel_is_that_of_swift",
        "layout_of_map_elements_is_that_of_swift",
        "capacity_v6_full_table_replaced_by_other_services",
        "manifest_apply_then_connect_v4", "verify_mends_much_at_once",
      ]
    ),
    (
      "programs and maps that are replaced while they are used",
      [
        "upgrade_by_the_command_keeps_what_sockets_and_services_have",
        "growth_v4_keeps_what_sockets_and_services_have",
        "migration_a_few_times_while_clients_connect",
      ]
    ),
    (
      "iterators: sockets, processes, and how sockets are ended",
      [
        "dump_sockets_v4_shows_every_kind_of_socket", "dump_sockets_v6_shows_every_kind_of_socket",
        "dump_sockets_shows_all_processes_that_share_a_socket",
        "termination_udp_v4_ends_exactly_those_of_the_backend_that_went",
        "termination_tcp_v6_is_by_policy", "termination_by_sock_diag",
        "termination_says_so_where_there_is_no_way",
        "termination_finds_sockets_in_all_namespaces",
        "termination_finds_sockets_without_a_record",
        "termination_sweep_frees_records_of_sockets_that_are_gone",
      ]
    ),
    (
      "programs that only watch",
      [
        "trace_v4_says_how_a_backend_was_chosen",
        "trace_v4_says_what_became_of_a_connection",
        "trace_v6_says_what_became_of_a_connection", "trace_counts_what_it_loses",
        "trace_by_a_killed_reader_is_off", "top_v4_counts_connections_by_backend",
        "top_v6_counts_what_comes_to_nothing",
        "explain_v4_says_how_a_backend_is_chosen",
      ]
    ),
    (
      "what is said of the kernel",
      [
        "doctor_finds_nothing_wrong_and_leaves_nothing_behind",
        "doctor_probes_tell_what_is_there_from_what_is_not",
      ]
    ),
    (
      "following files",
      [
        "live_serves_what_is_there_and_what_comes"
      ]
    ),
  ]
}

/// Of the list itself.
let everyKernelTests: [KernelTest] = [
  KernelTest("every_kernel_is_a_list_of_tests_that_there_are", inVM: false) { _ in
    let listed = EveryKernel.all.flatMap(\.tests)
    try checkEqual(listed.count, EveryKernel.names.count, "names without those that come twice")
    let inVM = Set(allTests.filter(\.runsInVM).map(\.name))
    try checkEqual(
      listed.filter { !inVM.contains($0) }, [], "names of tests that no virtual machine runs")
    // Each hook has a test here whose name begins with it.
    for hook in ["connect4", "connect6", "sendmsg4", "sendmsg6"] {
      try check(listed.contains { $0.hasPrefix(hook) }, "no test of \(hook)")
    }
  }
]
