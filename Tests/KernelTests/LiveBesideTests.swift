import Glibc
import ServiceMaps
import SocketKit

/// What `socklb run` offers beside its work.
let liveBesideTests: [KernelTest] = [
  KernelTest("live_metrics_say_what_happens", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    try sandbox.put(Manifest.service("mail", vip: mail), "mail.yaml")
    let run = try LiveCommand(
      sandbox, ["--metrics-bind-address", "127.0.0.1", "--metrics-per-service"])
    let first = try page()
    for (name, value) in [
      ("socklb_objects{kind=\"Service\"}", 2.0), ("socklb_objects{kind=\"EndpointSlice\"}", 1),
      ("socklb_map_entries{map=\"services\",ip_family=\"IPv4\"}", 2),
      ("socklb_map_entries{map=\"backends\",ip_family=\"IPv4\"}", 1),
      ("socklb_manifest_files", 2), ("socklb_manifest_files_broken", 0), ("socklb_trouble", 0),
      ("socklb_connections_total{ip_family=\"IPv4\"}", 0), ("socklb_whole_syncs_total", 1),
      ("socklb_listener_up{listener=\"metrics\",address=\"127.0.0.1:10249\"}", 1),
      ("socklb_kernel_read_errors", 0), ("socklb_series_omitted", 0),
    ] {
      try checkEqual(first[name], value, name)
    }
    try check((first["process_resident_memory_bytes"] ?? 0) > 1e6, "\(first.values)")
    try check((first["process_open_fds"] ?? 0) > 5, "open files")
    try check((first["kubeproxy_sync_proxy_rules_last_timestamp_seconds"] ?? 0) > 1.7e9, "time")
    for _ in 0..<7 { _ = try whoAnswers(web, pods) }
    for _ in 0..<3 { try checkEqual(Socket(.v4, SK_TCP).connectError(mail), refused, "mail") }
    let labels = "{namespace=\"shop\",service=\"web\",port=\"http\",protocol=\"TCP\""
    let second = try awaitPage { $0["socklb_connections_total{ip_family=\"IPv4\"}"] == 7 }
    for (name, value) in [
      ("socklb_refused_total{ip_family=\"IPv4\"}", 3.0),
      ("socklb_connections_total{ip_family=\"IPv6\"}", 0),
      ("socklb_service_connections_total\(labels)}", 7),
      ("socklb_backend_connections_total\(labels),backend=\"\(pods.places[0].address):8080\"}", 7),
    ] {
      try checkEqual(second[name], value, name)
    }
    // A change is counted once; a Service that goes takes nothing of the sums with it.
    let endpointChanges = "kubeproxy_sync_proxy_rules_endpoint_changes_total"
    let syncs = "kubeproxy_sync_proxy_rules_duration_seconds_count"
    try sandbox.put(Manifest.both("web", vip: web, pods.places), "web.yaml")
    let third = try awaitPage {
      $0["socklb_map_entries{map=\"backends\",ip_family=\"IPv4\"}"] == 2
    }
    try checkEqual(third[endpointChanges], (second[endpointChanges] ?? 0) + 1, endpointChanges)
    try checkEqual(third[syncs], (second[syncs] ?? 0) + 1, syncs)
    unlink(sandbox.manifests + "/web.yaml")
    let fourth = try awaitPage { $0["socklb_objects{kind=\"Service\"}"] == 1 }
    try checkEqual(fourth["socklb_connections_total{ip_family=\"IPv4\"}"], 7, "after its end")
    try checkEqual(fourth["socklb_service_connections_total\(labels)}"], nil, "its own")
    try sandbox.put("{", "broken.yaml")
    _ = try awaitPage { $0["socklb_manifest_files_broken"] == 1 }
    // As others ask.
    let open = try HTTPClient.get(
      "/metrics", at: metrics,
      ["Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"])
    try check(open.headers["content-type"]?.hasPrefix("application/openmetrics") == true, "type")
    _ = try MetricsPage(open.body, isOpenMetrics: true)
    try checkEqual(try HTTPClient.get("/metrics", at: metrics, method: "HEAD").body, "", "HEAD")
    try checkEqual(try HTTPClient.get("/metrics", at: metrics, method: "POST").code, 405, "POST")
    try checkEqual(try HTTPClient.get("/", at: metrics).code, 404, "another path")
    try checkEqual(try HTTPClient.get("/proxyMode", at: metrics).body, "socklb", "mode")
    try run.end()
  },
  KernelTest("live_health_says_how_it_is", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...1)
    try sandbox.put(Manifest.both("web", vip: Variant.v4.vip(1), pods.places), "web.yaml")
    let options = ["--healthz-bind-address", "0.0.0.0:10256", "--node-name", "node-1"]
    // The start has to wait: alive, and not ready.
    let lock = try hold(sandbox)
    let run = try LiveCommand(sandbox, options, waits: false)
    let early = try HTTPClient.await("/readyz", at: health, "early") { _ in true }
    try checkEqual(early.code, 503, early.body)
    try check(early.body.contains("[-]table failed: the table is not in force yet\n"), early.body)
    try checkEqual(try HTTPClient.get("/livez", at: health).code, 200, "livez at the start")
    close(lock)
    try run.waitFor("following \(sandbox.manifests)")
    try checkEqual(try HTTPClient.get("/readyz", at: health).body, "ok", "readyz")
    let verbose = try HTTPClient.get("/readyz?verbose", at: health)
    try check(verbose.body.hasPrefix("[+]ping ok\n[+]table ok\n"), verbose.body)
    try check(verbose.body.hasSuffix("\nreadyz check passed\n"), verbose.body)
    for place in [health, Place("::1", 10256)] {
      let healthz = try HTTPClient.get("/healthz", at: place)
      try checkEqual(healthz.code, 200, healthz.body)
      try checkEqual(healthz.headers["content-type"], "application/json", "type")
      try check(healthz.body.contains("\"nodeEligible\":true,\"healthy\":true"), healthz.body)
    }
    // A file that cannot be used.
    try sandbox.put("{", "broken.yaml")
    let broken = try HTTPClient.await("/readyz", at: health, "broken") { $0.code == 503 }
    try check(broken.body.contains("[-]files failed: 1 cannot be used"), broken.body)
    try checkEqual(try HTTPClient.get("/readyz?exclude=files", at: health).body, "ok", "without")
    try checkEqual(try HTTPClient.get("/readyz/files", at: health).code, 503, "only these")
    try checkEqual(try HTTPClient.get("/readyz/table", at: health).code, 200, "only this")
    try checkEqual(try HTTPClient.get("/healthz", at: health).code, 200, "healthz of a broken file")
    unlink(sandbox.manifests + "/broken.yaml")
    _ = try HTTPClient.await("/readyz", at: health, "mended") { $0.code == 200 }
    // Somebody holds the lock of the state directory for long.
    let other = try awaitLock(sandbox)
    try sandbox.put(Manifest.both("mail", vip: Variant.v4.vip(2), pods.places), "mail.yaml")
    let waiting = try HTTPClient.await("/readyz", at: health, "waiting") { $0.code == 503 }
    try check(waiting.body.contains("[-]changes failed: changes wait"), waiting.body)
    try checkEqual(try HTTPClient.get("/livez", at: health).code, 200, "livez while it waits")
    close(other)
    _ = try HTTPClient.await("/readyz", at: health, "after the wait") { $0.code == 200 }
    // The node is about to go: traffic should go elsewhere, and the process stays.
    for (node, code) in [
      ("spec: {taints: [{key: ToBeDeletedByClusterAutoscaler, effect: NoSchedule}]}", 503),
      ("spec: {taints: [{key: other, effect: NoSchedule}]}", 200),
    ] {
      try sandbox.put(
        "apiVersion: v1\nkind: Node\nmetadata: {name: node-1}\n\(node)\n", "node.yaml")
      let answer = try HTTPClient.await("/healthz", at: health, "\(code)") { $0.code == code }
      try check(
        answer.body.contains("\"nodeEligible\":\(code == 200),\"healthy\":true"), answer.body)
      try checkEqual(try HTTPClient.get("/livez", at: health).code, 200, "livez")
    }
    Disk.remove(sandbox.manifests)
    let gone = try HTTPClient.await("/readyz", at: health, "gone") { $0.code == 503 }
    try check(gone.body.contains("[-]trouble failed: "), gone.body)
    try run.end()
    try check(try HTTPClient.isRefused(health), "it listens after its end")
  },
  KernelTest("live_health_check_node_ports_follow_services", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let (first, second) = (Place("127.0.0.1", 30100), Place("127.0.0.1", 30101))
    func put(_ port: Int, _ policy: String = "Local") throws {
      try sandbox.put(loadBalancer(port, policy), "web.yaml")
    }
    func put(_ endpoints: [String]) throws {
      try sandbox.put(slice(endpoints), "slice.yaml")
    }
    func expect(_ count: Int, at place: Place) throws {
      let answer = try HTTPClient.await("/any/path", at: place, "\(count) endpoints") {
        $0.headers["x-load-balancing-endpoint-weight"] == "\(count)"
      }
      try checkEqual(answer.code, count > 0 ? 200 : 503, "code")
      try checkEqual(answer.headers["content-type"], "application/json", "type")
      try checkEqual(answer.headers["x-content-type-options"], "nosniff", "options")
      try checkEqual(
        answer.body,
        "{\n\t\"service\": {\n\t\t\"namespace\": \"shop\",\n\t\t\"name\": \"web\"\n\t},\n"
          + "\t\"localEndpoints\": \(count),\n\t\"serviceProxyHealthy\": true\n}", "body")
    }
    try put(30100)
    let here = "nodeName: node-1"
    let (ready, elsewhere) = (
      "{addresses: [\(pods.places[0].address)], \(here)}",
      "{addresses: [\(pods.places[1].address)], nodeName: node-2}"
    )
    try put([ready, elsewhere])
    let run = try LiveCommand(sandbox, ["--node-name", "node-1"])
    try expect(1, at: first)
    try expect(1, at: Place("::1", 30100))
    let third = "{addresses: [\(pods.places[2].address)], \(here)}"
    try put([ready, third])
    try expect(2, at: first)
    // What terminates counts no more, though it still serves.
    try put([
      "{addresses: [\(pods.places[0].address)], \(here), "
        + "conditions: {ready: false, serving: true, terminating: true}}", elsewhere,
    ])
    try expect(0, at: first)
    try put([elsewhere])
    try expect(0, at: first)
    try put([ready])
    try expect(1, at: first)
    // Another port, another policy, and gone.
    try put(30101)
    try expect(1, at: second)
    try check(try HTTPClient.isRefused(first), "the former port is served still")
    try put(30101, "Cluster")
    try awaitRefused(second)
    try put(30101)
    try expect(1, at: second)
    unlink(sandbox.manifests + "/web.yaml")
    try sandbox.put(Manifest.service("mail", vip: Variant.v4.vip(2)), "mail.yaml")
    try awaitRefused(second)
    try run.end()
  },
  KernelTest("live_a_port_that_is_taken_is_tried_again", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...1)
    var taken: [Socket] = []
    for place in [metrics, Place("127.0.0.1", 30100)] {
      let socket = try Socket(.v4, SK_TCP)
      try socket.bind(place)
      try socket.listen()
      taken.append(socket)
    }
    try sandbox.put(Manifest.both("mail", vip: Variant.v4.vip(2), pods.places), "mail.yaml")
    try sandbox.put(loadBalancer(30100), "web.yaml")
    try sandbox.put(
      slice(["{addresses: [\(pods.places[0].address)], nodeName: node-1}"]), "slice.yaml")
    let run = try LiveCommand(
      sandbox, ["--node-name", "node-1", "--metrics-bind-address", "127.0.0.1:10249"])
    _ = try whoAnswers(Variant.v4.vip(2), pods)
    try run.waitFor("metrics cannot be served at 127.0.0.1:10249: another process has this port")
    try run.waitFor("health-check cannot be served at *:30100: another process has this port")
    sk_sleep(6000)
    // It is said once.
    try run.waitFor("cannot be served", times: 2)
    try checkEqual(
      run.messages.split(separator: "\n").count { $0.contains("cannot be served") }, 2, "said")
    taken.removeFirst()
    _ = try awaitPage {
      $0["socklb_listener_up{listener=\"health-check\",address=\"*:30100\"}"] == 0
    }
    taken = []
    _ = try HTTPClient.await("/", at: Place("127.0.0.1", 30100), "served") { $0.code == 200 }
    let last = try awaitPage {
      $0["socklb_listener_up{listener=\"health-check\",address=\"*:30100\"}"] == 1
    }
    try check((last["socklb_listen_failures_total"] ?? 0) >= 3, "failures")
    try run.end()
  },
  KernelTest("live_slow_scrapers_delay_nobody", inVM: false, timeLimit: 120) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let web = Variant.v4.vip(1)
    try sandbox.put(Manifest.both("web", vip: web, [pods.places[0]]), "web.yaml")
    // A page that no socket takes at once.
    var many = ""
    for number in 0..<8000 {
      let name = "s\(number)-with-a-name-that-makes-the-page-as-long-as-it-can"
      many += Manifest.service(name, vip: Variant.v4.vip(number + 10))
    }
    try sandbox.put(many, "many.yaml")
    let run = try LiveCommand(
      sandbox,
      [
        "--metrics-bind-address", "127.0.0.1:10249", "--metrics-per-service",
        "--metrics-series", "100000", "--healthz-bind-address", "127.0.0.1:10256",
      ], capacity: [])
    var slow: [Socket] = []
    for number in 0..<200 {
      let socket = try HTTPClient.ask("/metrics", at: metrics)
      slow.append(socket)
      guard number % 20 == 0 else { continue }
      let start = sk_milliseconds()
      let pod = pods.places[(number / 20 + 1) % 2]
      try sandbox.put(Manifest.both("web", vip: web, [pod]), "web.yaml")
      try awaitAnswer(web, pods, pod)
      try checkEqual(try HTTPClient.get("/livez", at: health).code, 200, "livez")
      let time = sk_milliseconds() - start
      try check(time < 5000, "with \(number) who do not read it took \(time) ms")
    }
    // Of so many, the first ones are let go.
    let (first, last) = (drain(slow[0]), drain(slow[199]))
    try check(last > 3_000_000, "the last one got \(last) bytes")
    try check(first < last, "the first one got \(first) bytes, the last one \(last)")
    // What does not fit is left out, and that is said.
    slow = []
    try run.end()
    let limited = try LiveCommand(
      sandbox,
      ["--metrics-bind-address", "127.0.0.1", "--metrics-per-service", "--metrics-series", "100"],
      name: "limited", capacity: [])
    let small = try page()
    try check((small["socklb_series_omitted"] ?? 0) > 1500, "omitted")
    let series = small.values.keys.count {
      $0.hasPrefix("socklb_service_") || $0.hasPrefix("socklb_backend_")
    }
    try check((90...100).contains(series), "\(series) series")
    try limited.end()
  },
  KernelTest("live_nothing_is_opened_that_nobody_asked_for", inVM: false) { sandbox in
    try sandbox.put(loadBalancer(30100), "web.yaml")
    let run = try LiveCommand(
      sandbox, ["--no-health-check-node-ports", "--metrics-bind-address", "0"])
    for port in [10249, 10256, 30100] {
      try check(try HTTPClient.isRefused(Place("127.0.0.1", port)), "port \(port)")
    }
    // Those that write to disk come and go.
    func threads() -> Int { Disk.list("/proc/\(run.process.pid)/task").count }
    for _ in 0..<500 where threads() > 1 { sk_sleep(20) }
    try checkEqual(threads(), 1, "threads")
    try run.end()
    let wrong = try sandbox.run([
      "run", "--manifests", sandbox.manifests, "--metrics-bind-address", "there",
    ])
    try checkEqual(wrong.code, 64, wrong.all)
  },
]

private let metrics = Place("127.0.0.1", 10249)
private let health = Place("127.0.0.1", 10256)

private func page() throws -> MetricsPage {
  let reply = try HTTPClient.get("/metrics", at: metrics)
  try checkEqual(reply.code, 200, "the page: \(reply.body)")
  try checkEqual(
    reply.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8", "type")
  return try MetricsPage(reply.body)
}

private func awaitPage(
  line: Int = #line, _ isWanted: (MetricsPage) -> Bool
) throws -> MetricsPage {
  var last: MetricsPage?
  for _ in 0..<150 {
    if let page = try? page() {
      if isWanted(page) { return page }
      last = page
    }
    sk_sleep(100)
  }
  throw Failure("metrics are not as wanted (line \(line)): \(last?.values ?? [:])")
}

private func awaitRefused(_ place: Place, line: Int = #line) throws {
  for _ in 0..<500 {
    if try HTTPClient.isRefused(place) { return }
    sk_sleep(20)
  }
  throw Failure("\(place) is served still (line \(line))")
}

/// The lock of the state directory, until the descriptor is closed.
private func hold(_ sandbox: Sandbox) throws -> Int32 {
  mkdir(sandbox.state, 0o755)
  let lock = open(sandbox.state + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
  try CallFailed.check(lock < 0 ? -errno : 0, "the lock")
  try CallFailed.check(flock(lock, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno, "locking")
  return lock
}

/// The same, once `run` has given it back.
private func awaitLock(_ sandbox: Sandbox) throws -> Int32 {
  for _ in 0..<500 {
    if let lock = try? hold(sandbox) { return lock }
    sk_sleep(20)
  }
  throw Failure("the lock is not given back")
}

/// Everything that comes until the end, however it ends.
private func drain(_ socket: Socket) -> Int {
  var count = 0
  while let part = try? socket.receive(within: 10_000), !part.text.isEmpty {
    count += part.text.utf8.count
  }
  return count
}

private func loadBalancer(_ port: Int, _ policy: String = "Local") -> String {
  """
  apiVersion: v1
  kind: Service
  metadata: {name: web, namespace: shop}
  spec:
    type: LoadBalancer
    clusterIP: \(Variant.v4.vip(1).address)
    externalTrafficPolicy: \(policy)
    healthCheckNodePort: \(port)
    ports: [{name: http, port: 80}]

  """
}

private func slice(_ endpoints: [String]) -> String {
  """
  apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
  addressType: IPv4
  endpoints: [\(endpoints.joined(separator: ", "))]
  ports: [{name: http, port: 8080}]

  """
}
