import Glibc
import SocketKit

// Real name servers and real clients: what DNS does in a cluster, whose Service is the one that
// every pod uses.

let dnsTests: [KernelTest] = [
  KernelTest("dns_is_served_to_all_kinds_of_clients", inVM: false) { sandbox in
    let (cluster, dns) = try start(sandbox)
    let replicas = try (0..<3).map { _ in try dns.startReplica() }
    try cluster.apply(dns.service(), dns.slices(replicas))
    let clients = try startClients(cluster, in: [cluster.node, try cluster.livingPod("client")])
    sk_sleep(2000)
    let answers = Set(replicas.map(\.answer))
    for client in clients {
      let lookups = try client.stop()
      try check(lookups.count >= 5, "\(client.name): \(lookups.count) lookups in 2 s")
      for lookup in lookups {
        try check(answers.contains(lookup.answer), "\(client.name): \(lookup.answer)")
      }
    }
  },
  KernelTest("dns_answers_that_do_not_fit_into_a_datagram_come_by_tcp", inVM: false) { sandbox in
    let (cluster, dns) = try start(sandbox)
    try cluster.apply(dns.service(), dns.slices([try dns.startReplica()]))
    let client = try cluster.livingPod("client")
    for server in [KubeDNS.vip, KubeDNS.vip6] {
      let said = try dig(cluster, client, server, [KubeDNS.longQuestion, "TXT"])
      try checkEqual(said.code, 0, said.text)
      try check(said.text.contains("SERVER: \(server)#53(\(server)) (TCP)"), said.text)
      try check(said.text.contains("status: NOERROR"), said.text)
      try checkEqual(said.text.count { $0 == "x" } >= 2000, true, said.text)
      try check(!said.text.contains("unexpected source"), said.text)
    }
  },
  KernelTest("dns_without_replicas_is_refused_at_once_and_comes_back", inVM: false) { sandbox in
    let (cluster, dns) = try start(sandbox)
    let replica = try dns.startReplica()
    let client = try cluster.livingPod("client")
    for round in 0..<2 {
      try cluster.apply(dns.service(), dns.slices([]))
      for option in ["+notcp", "+tcp"] {
        let start = sk_milliseconds()
        let said = try dig(cluster, client, KubeDNS.vip, [option, KubeDNS.question])
        try check(said.code != 0 && said.text.contains("refused"), said.text)
        let took = sk_milliseconds() - start
        try check(took < 1500, "dig \(option) needed \(took) ms to hear that nobody is there")
      }
      try cluster.apply(dns.slices([replica]))
      for option in ["+notcp", "+tcp"] {
        let said = try dig(cluster, client, KubeDNS.vip, [option, KubeDNS.question])
        try check(said.code == 0 && said.text.contains(replica.answer), "\(round): \(said.text)")
      }
    }
  },
  // Terminating replicas go on serving for a while, as CoreDNS does (lameduck): nobody notices.
  KernelTest(
    "dns_rollout_that_lets_old_replicas_serve_a_while_fails_no_lookup", inVM: false, timeLimit: 120
  ) { sandbox in
    let (cluster, dns) = try start(sandbox)
    var replicas = try (0..<3).map { _ in try dns.startReplica() }
    try cluster.apply(dns.service(), dns.slices(replicas))
    let clients = try startClients(cluster, in: [try cluster.livingPod("client")])
    try awaitLookups(clients)
    var gone: [(answer: String, since: Int)] = []
    for _ in 0..<3 {
      let old = replicas.removeFirst()
      replicas.append(try dns.startReplica())
      try cluster.apply(dns.slices(replicas, [old], .terminating))
      // Whoever asked it before that has an answer by then.
      sk_sleep(300)
      try cluster.apply(dns.slices(replicas, [old], .terminatingNotServing))
      gone.append((old.answer, sk_milliseconds()))
      try cluster.apply(dns.slices(replicas))
      old.process.kill()
      try awaitLookups(clients)
    }
    for client in clients {
      let lookups = try client.stop()
      for lookup in lookups {
        try check(!lookup.hasFailed, "\(client.name): \(lookup)")
        for (answer, since) in gone where lookup.start > since {
          try check(
            lookup.answer != answer, "\(client.name): \(lookup), which is gone since \(since)")
        }
      }
      try check(
        replicas.map(\.answer).contains(lookups.last?.answer ?? ""),
        "\(client.name): \(String(describing: lookups.last))")
    }
  },
  // A replica hangs, or its node is lost. Nothing can be done for who asks it before the endpoint
  // goes; once that is gone, nobody may hang.
  KernelTest(
    "dns_lookups_that_start_after_a_hanging_replica_was_removed_succeed", inVM: false,
    timeLimit: 120
  ) { sandbox in
    // glibc waits for ever for an answer by TCP: this Service wants its connections ended, too.
    try replaceReplicas(sandbox, annotations: "socklb.io/terminate: \"tcp,udp\"") {
      kill($0.process.pid, SIGSTOP)
    }
  },
  KernelTest(
    "dns_lookups_that_start_after_a_killed_replica_was_removed_succeed", inVM: false,
    timeLimit: 120
  ) { sandbox in
    try replaceReplicas(sandbox) { $0.process.kill() }
  },
]

/// Replicas break one after the other, and are replaced then.
private func replaceReplicas(
  _ sandbox: Sandbox, annotations: String = "", _ breakIt: (KubeDNS.Replica) -> Void
) throws {
  let (cluster, dns) = try start(sandbox)
  var replicas = try (0..<3).map { _ in try dns.startReplica() }
  try cluster.apply(dns.service(annotations: annotations), dns.slices(replicas))
  let clients = try startClients(cluster, in: [try cluster.livingPod("client")])
  try awaitLookups(clients)
  /// While one was broken and in the table.
  var bad: [ClosedRange<Int>] = []
  for _ in 0..<3 {
    let old = replicas.removeFirst()
    replicas.append(try dns.startReplica())
    let start = sk_milliseconds()
    breakIt(old)
    // Nearly all who have a socket of their own have asked it by now.
    sk_sleep(100)
    try cluster.apply(dns.slices(replicas))
    bad.append(start...sk_milliseconds())
    try awaitLookups(clients)
    old.process.kill()
  }
  for client in clients {
    let lookups = try client.stop()
    for lookup in lookups where lookup.hasFailed {
      // It was under way before the table was right again.
      try check(
        bad.contains { lookup.start <= $0.upperBound && lookup.end >= $0.lowerBound },
        "\(client.name): \(lookup), but replicas were broken only in \(bad)")
    }
    for lookup in lookups where client.isConnected {
      // Who waits for it is woken, and need not wait for his own time-out of 2 s.
      for range in bad where range.contains(lookup.start) {
        try check(
          lookup.end < range.upperBound + 1000,
          "\(client.name): \(lookup) hangs on after \(range.upperBound)")
      }
    }
  }
}

private func start(_ sandbox: Sandbox) throws -> (Cluster, KubeDNS) {
  let cluster = try Cluster(sandbox)
  return (cluster, try KubeDNS(cluster))
}

/// All kinds of clients in each of the pods, and one that speaks IPv6.
private func startClients(_ cluster: Cluster, in pods: [ClusterPod]) throws -> [DNSClient] {
  try pods.flatMap { pod in
    try DNSClient.Kind.allCases.map { try DNSClient($0, in: pod, of: cluster, server: KubeDNS.vip) }
      + [.sendto, .resolved].map {
        try DNSClient($0, in: pod, of: cluster, server: KubeDNS.vip6)
      }
  }
}

/// Each of them makes a few lookups that start from now on.
private func awaitLookups(_ clients: [DNSClient]) throws {
  let now = sk_milliseconds()
  for client in clients {
    for _ in 0..<400 where try client.lookups().count(where: { $0.start > now }) < 3 {
      sk_sleep(25)
    }
    try check(
      try client.lookups().count { $0.start > now } >= 3, "\(client.name) makes no lookups")
  }
}

/// Runs dig in a pod.
private func dig(
  _ cluster: Cluster, _ pod: ClusterPod, _ server: String, _ arguments: [String]
) throws -> (code: Int32?, text: String) {
  let output = cluster.sandbox.directory + "/dig"
  let process = try pod.run(
    [try Tool.dig.path(), "+tries=1", "+time=3", "@" + server] + arguments, output: output)
  let code = process.wait(seconds: 10)
  return (code, try Disk.read(output))
}
