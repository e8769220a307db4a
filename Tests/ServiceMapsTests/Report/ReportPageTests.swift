import ServiceMaps
import Testing

/// The page that `socklb report` writes.
@Suite struct ReportPageTests {
  private static let manifests = """
    apiVersion: v1
    kind: Service
    metadata: {name: web, namespace: shop, annotations: {socklb.io/algorithm: round-robin}}
    spec: {clusterIP: 10.96.0.10, ports: [{name: dns, port: 53, protocol: UDP}]}
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
    addressType: IPv4
    ports: [{name: dns, port: 53, protocol: UDP}]
    endpoints:
    - {addresses: [10.0.0.1]}
    - {addresses: [10.0.0.3]}
    - {addresses: [10.0.0.4], conditions: {ready: false}}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: empty, namespace: shop}
    spec: {clusterIP: 10.96.0.11, ports: [{port: 80}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: outside, namespace: shop}
    spec: {type: ExternalName, externalName: example.com}
    """

  private static func services(
    _ text: String = manifests, _ counters: [ServicePortName: ServiceCounters] = [:]
  ) -> [ServiceDescription] {
    let decoded = decodeManifests([ManifestFile(name: "f", bytes: Array(text.utf8))])
    #expect(!decoded.hasErrors, "\(decoded.diagnostics)")
    var known = KnownObjects()
    let changes = known.merge(
      decoded.objects, cidrs: cidrs("10.96.0.0/16"), nodePorts: right(NodePortRange("30123-30123")))
    #expect(!changes.isRefused, "\(changes.diagnostics)")
    return ServiceDescription.all(in: known, counters: counters)
  }

  private static func page(
    _ services: [ServiceDescription] = services(), findings: [Finding] = [], node: String = "n1"
  ) -> ReportPage {
    ReportPage(
      node: node, kernel: "6.1.0", version: "0.1.0", made: UTCTime(seconds: 1_800_000_000),
      pin: "/sys/fs/bpf/socklb", generation: 7, attachments: ["/sys/fs/cgroup (9 of 9 hooks)"],
      findings: findings, services: services, history: [])
  }

  private static func text(_ page: ReportPage) -> String {
    String(decoding: page.render(), as: UTF8.self)
  }

  private static func web(_ name: String = "shop/web", port: String = "dns") -> ServicePortName {
    ServicePortName(service: ServiceMapsTests.name(name), port: port, transport: .udp)
  }

  // MARK: What is said

  @Test func servicesAreListedByNameWithReasons() {
    let text = Self.text(
      Self.page(Self.services(Self.manifests, [Self.web(): ServiceCounters(translated: 1_234_567)]))
    )
    let names = ["shop/empty", "shop/outside", "shop/web"]
    let places = names.map { text.range(of: "</i>\($0)</span>")?.lowerBound }
    #expect(places.allSatisfy { $0 != nil })
    #expect(places.compactMap { $0 } == places.compactMap { $0 }.sorted())
    #expect(text.contains("10.0.0.4:53</code></td><td class=\"out\">left out: not ready"))
    #expect(text.contains("10.0.0.1:53</code></td><td class=\"in\">in use"))
    #expect(text.contains("No endpoint: connections are refused."))
    #expect(text.contains("ExternalName is for DNS only"))
    #expect(text.contains("<b>1\u{202f}234\u{202f}567</b> translated"))
    // Two of them are to be looked at; they say so without colour too.
    #expect(text.matches(of: /data-w/).count == 3)
    #expect(
      text.contains("title=\"no endpoint\"")
        && text.contains("title=\"some endpoints are left out\""))
  }

  @Test func theTopSaysWhetherAllIsWell() {
    #expect(Self.text(Self.page(findings: [Finding("a", .ok, "m")])).contains("all is well"))
    #expect(
      Self.text(Self.page(findings: [Finding("a", .ok, "m"), Finding("b", .warning, "n")]))
        .contains("works, with warnings"))
    let failed = Self.text(
      Self.page(findings: [
        Finding("w", .warning, "n"), Finding("f", .failure, "m", remedy: "run `x <y>`"),
      ]))
    #expect(failed.contains("something failed"))
    // Failures first, and what is in backticks is code.
    #expect(failed.contains("<p>run <code>x &lt;y&gt;</code></p>"))
    #expect(
      right(failed.range(of: "<b>f</b>")).lowerBound
        < right(failed.range(of: "<b>w</b>")).lowerBound)
  }

  @Test func withoutAnObservationItSaysHowToGetOne() {
    let text = Self.text(Self.page())
    #expect(text.contains("socklb report --observe 10s"))
    #expect(!text.contains("<figure>"))
    #expect(text.contains("No change is known."))
    #expect(Self.text(Self.page([])).contains("No Service is known."))
  }

  @Test func changesAreATable() {
    var page = Self.page()
    var summary = ChangeSummary()
    summary.objects.added = 3
    page.history = [
      .init(
        entry: HistoryEntry(
          generation: 7, time: UTCTime(seconds: 1_799_999_999), command: "apply --prune <x>",
          summary: summary, input: "a", objects: "1a2b", objectCount: 3, bytes: 10),
        state: "current")
    ]
    let text = Self.text(page)
    #expect(text.contains("<td>apply --prune &lt;x&gt;</td>"))
    #expect(text.contains("<td>current</td>") && text.contains("<code>1a2b</code>"))
  }

  // MARK: Sockets

  @Test func socketsAreShownAgainstTheirFairShare() {
    // Three with 10.0.0.1, none with 10.0.0.3, one with 10.0.0.2, which is not listed any more.
    let users = (1...3).map { SocketDumpTests.user(UInt64($0), 12, SocketDumpTests.flow()) }
    let stray = SocketDumpTests.user(
      9, 12, SocketDumpTests.flow(to: "10.0.0.2", endpoint: 1, generation: 6))
    var page = Self.page()
    page.sockets = SocketSpread(SocketDumpTests.dump(users + [stray]))
    let text = Self.text(page)
    #expect(text.contains("3 sockets <small>100 %, fair is 50 %</small>"))
    #expect(text.contains("0 sockets <small>0 %, fair is 50 %</small>"))
    #expect(
      text.contains("10.0.0.2:53</code></td><td class=\"out\">not in use now; its sockets stay"))
    #expect(text.contains("<b>4</b> sockets now"))
    page.sockets = nil
    page.whyNoSockets = "this needs CAP_BPF"
    #expect(Self.text(page).contains("Live sockets are not shown: this needs CAP_BPF"))
  }

  // MARK: What others wrote

  static let hostile = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'onmouseover='x", "&lt;b&gt;",
    "</style><script>", "a\u{0}b\u{1b}[2Jc", "\u{202e}gnp.exe", "]]><!--", "日本語 ✓",
  ]

  @Test func nothingThatOthersWroteBecomesMarkup() {
    for text in Self.hostile {
      var page = Self.page(findings: [Finding(text, .failure, text, remedy: text)], node: text)
      page.kernel = text
      page.version = text
      page.pin = text
      page.attachments = [text]
      page.services[0].service.meta.name = NamespacedName(namespace: text, name: text)
      page.services[0].unserved = text
      page.whyNoSockets = text
      var summary = ChangeSummary()
      summary.objects.added = 1
      page.history = [
        .init(
          entry: HistoryEntry(
            generation: 1, time: UTCTime(seconds: 0), command: text, summary: summary, input: text,
            objects: text, objectCount: 1, bytes: 1), state: text)
      ]
      var observation = TraceObservation()
      observation.add(
        Self.line(.noEndpoints),
        ServicePortName(
          service: NamespacedName(namespace: text, name: text), port: text, transport: .tcp)
      ) { text }
      page.observation = observation
      let html = Self.text(page)
      #expect(html.matches(of: /<script>/).count == 1, "\(text)")
      #expect(!html.contains("<img"), "\(text)")
      #expect(!html.contains("<!--") && !html.contains("'onmouse"), "\(text)")
      #expect(html.matches(of: /<\/style>/).count == 1, "\(text)")
      #expect(!html.unicodeScalars.contains { $0.value < 32 && $0 != "\n" || $0.value == 0x202e })
    }
    #expect(Self.text(Self.page(node: "日本語 ✓")).contains("on 日本語 ✓"))
    #expect(Self.text(Self.page(node: "\u{202e}x")).contains("on \\u{202e}x"))
  }

  @Test func itNeedsNothingFromElsewhere() {
    let text = Self.text(Self.page())
    for word in ["http:", "https:", "src=", "@import", "url(", "<link", "<iframe", "fetch("] {
      #expect(!text.contains(word), "\(word)")
    }
    #expect(text.hasPrefix("<!doctype html>"))
  }

  // MARK: Observation

  static func line(
    _ reason: TraceDecision.Reason, _ outcome: TraceOutcome? = nil, to address: String = "10.0.0.1"
  ) -> TraceJoin.Line {
    TraceJoin.Line(
      decision: TraceDecision(
        time: 1, cookie: 1, process: SocketProcess(pid: 1, command: "curl"), hook: .connect4,
        transport: 6, vip: ip("10.96.0.10"), vipPort: 80,
        backend: reason.error == nil ? backend(address, 80) : nil, service: 1, reason: reason),
      outcome: outcome)
  }

  @Test func latenciesArePowersOfTwo() {
    var latencies = TraceObservation.Latencies()
    #expect(latencies.bound(ofPart: 0.5) == nil)
    for nanoseconds: UInt64 in [0, 1999, 2000, 3999, 4000, 1_000_000_000, .max] {
      latencies.add(nanoseconds: nanoseconds)
    }
    #expect(latencies.buckets[0] == 2 && latencies.buckets[1] == 2 && latencies.buckets[2] == 1)
    // A second is 2^19.9 µs; what is longer than the last bucket is in it.
    #expect(latencies.buckets[19] == 1 && latencies.buckets[27] == 1)
    #expect(latencies.bound(ofPart: 0.5) == 4)
    #expect(latencies.bound(ofPart: 0.99) == 2 << 27)
    #expect(latencies.bound(ofPart: 0.1) == 2)
  }

  @Test func decisionsAreCountedAndFailuresHaveOneLineOfEachKind() {
    var observation = TraceObservation()
    let web = Self.web()
    for _ in 0..<5 {
      observation.add(Self.line(.random, TraceOutcome(.established, nanoseconds: 100_000)), web) {
        "no"
      }
    }
    for reason in [TraceDecision.Reason.random, .onlyOne] {
      observation.add(Self.line(reason, TraceOutcome(.refused)), web) { "refused by \(reason)" }
    }
    observation.add(Self.line(.random, TraceOutcome(.refused), to: "10.0.0.2"), web) { "another" }
    observation.add(Self.line(.noEndpoints), nil) { "nobody's" }
    observation.add(Self.line(.random, TraceOutcome(.connecting)), web) { "no" }
    // What was counted as a decision before is not counted twice.
    var late = Self.line(.random, TraceOutcome(.timedOut))
    late.later = 5
    observation.add(late, web) { "late" }
    let counts = right(observation.services[web])
    #expect(counts.decisions == 9)
    #expect(counts.outcomes == [.established: 5, .refused: 3, .timedOut: 1])
    #expect(counts.failures == 4)
    #expect(counts.established.count == 5)
    #expect(observation.others.refusals == [.noEndpoints: 1])
    #expect(
      observation.failures.map(\.line) == ["refused by random", "another", "late", "nobody's"])
    #expect(observation.failures[0].count == 2)

    observation.duration = 3_200_000_000
    observation.lost = 2
    var page = Self.page()
    page.observation = observation
    let text = Self.text(page)
    #expect(
      text.contains("Observed for 3.2 s: 10 decisions; <em>2 more could not be kept up with</em>"))
    #expect(text.contains("half below 128 µs, 99 % below 128 µs"))
    #expect(text.contains("<title>64 µs to 128 µs: 5</title>"))
    #expect(text.contains("<em>2</em></td><td><code>refused by random"))
  }

  @Test func kindsOfFailuresWithoutALineAreCounted() {
    var observation = TraceObservation()
    for number in 1...60 {
      observation.add(
        Self.line(.random, TraceOutcome(.refused), to: "10.0.0.\(number)"), Self.web()
      ) {
        "\(number)"
      }
    }
    #expect(observation.failures.count == TraceObservation.mostFailures)
    #expect(observation.moreFailures == 10)
  }

  // MARK: Size

  @Test func tenThousandServicesAreTwentyMegabytesAtMost() {
    var text = ""
    for i in 0..<10_000 {
      text += """
        apiVersion: v1
        kind: Service
        metadata: {name: s\(i), namespace: n\(i % 50)}
        spec: {clusterIP: 10.96.\(16 + i / 250).\(i % 250 + 1), ports: [{name: http, port: 80}]}
        ---
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata: {name: s\(i)-1, namespace: n\(i % 50), labels: {kubernetes.io/service-name: s\(i)}}
        addressType: IPv4
        ports: [{name: http, port: 8080}]
        endpoints: [{addresses: [10.1.\(i / 250).1]}, {addresses: [10.1.\(i / 250).2]}, {addresses: [10.1.\(i / 250).3]}]
        ---

        """
    }
    let services = Self.services(text)
    #expect(services.count == 10_000)
    let start = ContinuousClock.now
    let page = Self.page(services).render()
    #expect(ContinuousClock.now - start < .seconds(20))
    #expect(page.count < 20_000_000, "\(page.count) bytes")
  }
}
