import ClusterClient
import ClusterFollow
import Logging
import ServiceDataplane
import ServiceFollow
import ServiceMaps

/// The objects of a cluster, as its API server has them.
///
/// Tasks of their own listen to it (`ClusterReflector`); this hands on what they have found.
final class ClusterSource: LiveSource {
  private var configuration: ClusterConfiguration
  private let reload: () throws(ClusterConfigurationError) -> ClusterConfiguration
  /// What is known of the API server's own Service, from the start.
  private var known = KnownObjects()
  private let node: String
  private let waker: Waker
  private let log: Logger
  private var client: ClusterClient?
  private var feed: ClusterFeed?
  private var notices: ClusterNotices?
  private var tasks: [Task<Void, Never>] = []
  /// Everything was listed, and taken from the feed.
  private var isSynced = false
  /// What was refused, until something else has happened.
  private var heldBack: [String: FollowedFiles.Reading] = [:]
  private var apiServer = APIServerEndpoints()
  /// What was said of it, and when.
  private var trouble: (text: String?, time: UInt64) = (nil, 0)

  /// - Parameter reload: reads the configuration.
  init(
    node: String, _ waker: Waker, _ log: Logger,
    _ reload: @escaping () throws(ClusterConfigurationError) -> ClusterConfiguration
  ) throws(ClusterConfigurationError) {
    configuration = try reload()
    self.reload = reload
    self.node = node
    self.waker = waker
    self.log = log
  }

  var title: String {
    "the cluster at " + configuration.servers.map(\.description).joined(separator: ", ")
  }
  var lastGood: String { "its last good version stays in force" }
  /// The API server gives every Service what it is to have.
  var cidrs: ServiceCIDRs { .none }
  var mayBeEmpty: Bool { true }
  var isKnownAtStart: Bool { false }
  var directory: FollowedDirectory? { nil }
  var next: UInt64? {
    isSynced ? nil : feed?.timeUntilComplete.map { Waiting.now + $0 }
  }
  var isDue: Bool {
    guard let feed, feed.isComplete else { return false }
    return feed.hasBatch || !isSynced
  }

  /// The cluster is what there is: nobody has to remember what came from it.
  func record(of files: FollowedFiles) -> FollowRecord {
    FollowRecord(directory: "cluster", files: [:])
  }

  func isWholeTruth(_ files: FollowedFiles) -> Bool { isSynced }

  func summary(of files: FollowedFiles) -> String {
    "\(files.objectCount) objects" + (isSynced ? "" : ", waiting for the API server")
  }

  // MARK: Start and end

  /// What is known from before goes on, until the API server has said what there is.
  func begin(
    _ known: KnownObjects, _ record: FollowRecord?, for session: LiveSession
  ) throws -> Taken {
    var names: [ObjectKind: Set<String>] = [:]
    for (id, object) in known.objects {
      let name = ClusterItem.source(of: id)
      names[id.kind, default: []].insert(name)
      let adopted = ManifestObject(
        object, origin: ManifestObject.Origin(file: name, document: 1, line: 1))
      session.files.adopt(name, [adopted])
      apiServer.adopt(object.object, name)
    }
    let waker = waker
    feed = ClusterFeed(Set(resources.map(\.kind)), known: names, wake: { waker.wake() })
    self.known = known.apiServer
    connect()
    return ([:], [])
  }

  private var resources: [WatchedResource] {
    [.services, .endpointSlices, .node(node), .pods(onNode: node)]
  }

  private func connect() {
    guard let feed else { return }
    avoidOwnService()
    let client = ClusterClient(configuration, log: log)
    tasks = resources.map { resource in
      let reflector = ClusterReflector(resource, client, feed, log)
      return Task.detached { await reflector.run() }
    }
    self.client = client
    notices = ClusterNotices(client, log)
  }

  /// The configuration may be another: its certificates may have been renewed.
  func lookAtAll(_ why: String) {
    do { configuration = try reload() } catch {
      log.error("the way to the cluster is not known any more, the former one is kept: \(error)")
      return
    }
    disconnect()
    connect()
  }

  /// The way to the API server must not lead through what is served here.
  private func avoidOwnService() {
    let hosts = configuration.servers.map(\.host)
    guard let (service, endpoints) = APIServerEndpoints.behind(hosts, in: known) else { return }
    if endpoints.isEmpty {
      log.warning(
        "the API server's address \(service) is that of a Service; give its own with --server")
      return
    }
    // Its certificate is for the Service's address in any case.
    configuration.tls.serverName = configuration.tls.serverName ?? service
    let direct = endpoints.map {
      ClusterServer(scheme: .https, host: "\($0.address)", port: Int($0.port.number))
    }
    configuration.servers = direct + configuration.servers
    log.notice(
      "the API server's address \(service) is that of a Service: what is behind it is asked first",
      metadata: ["servers": "\(direct.map(\.description).joined(separator: ", "))"])
  }

  func end() {
    client?.endPlugins()
    disconnect()
  }

  private func disconnect() {
    for task in tasks { task.cancel() }
    notices?.end()
    if let client { Task.detached { await client.shutdown() } }
    client = nil
  }

  // MARK: What it says

  func noteEvents(of session: LiveSession) {}

  func metrics(isServed: Bool) -> [LiveMetrics.Source] {
    (feed?.lists ?? []).map { kind, isListed, trouble in
      // What nobody lets this node list does not keep it from being ready.
      let isComplete = isListed || (isSynced && !ClusterFeed.required.contains(kind))
      return LiveMetrics.Source(
        kind.rawValue, isComplete: isComplete && isServed, isConnected: trouble == nil,
        problem: isComplete ? nil : trouble ?? "not listed yet")
    }
  }

  func work(at now: UInt64, for session: LiveSession) {
    let found = feed?.trouble
    guard found != trouble.text else { return }
    // Each kind has its own, and they change one after the other.
    let isKnown = found != nil && trouble.text != nil
    if isKnown && now < trouble.time + 10_000_000_000 { return }
    trouble = (found, now)
    let prefix = "the API server cannot be followed"
    session.setTrouble(
      found.map { "\(prefix), what is known stays in force: \($0)" }, heals: prefix)
  }

  func takeReadings(for session: LiveSession) -> Taken {
    guard let feed else { return ([:], []) }
    var batch = feed.takeBatch()
    batch.readings.merge(heldBack) { newer, _ in newer }
    heldBack = [:]
    if !isSynced {
      isSynced = true
      // Of kinds that are not followed here; somebody has made them known without the cluster.
      for name in session.files.names where name.hasPrefix("endpoints/") {
        batch.readings[name] = .gone
      }
    }
    for message in apiServer.keep(&batch.readings, session.files) { log.warning("\(message)") }
    var notes: [Diagnostic] = []
    for case .decoded(let decoded) in batch.readings.values {
      notes += decoded.diagnostics.filter { $0.severity == .warning }
    }
    return (batch.readings, notes)
  }

  func giveBack(_ readings: [String: FollowedFiles.Reading], isDue: Bool) {
    if isDue {
      feed?.putBack(readings)
    } else {
      heldBack.merge(readings) { $1 }
    }
  }

  /// As an Event on the object, which `kubectl describe` shows.
  func tell(_ name: String, _ problems: [Diagnostic]) {
    guard let id = ClusterItem.id(ofSource: name) else { return }
    let namespace = id.name.namespace.isEmpty ? "default" : id.name.namespace
    let seconds = WallClock.seconds
    let time = "\(UTCTime(seconds: seconds))"
    // The object's own name stands in front already.
    let message = problems.prefix(5).map {
      var problem = $0
      (problem.file, problem.document, problem.line, problem.object) = (nil, nil, nil, nil)
      return problem.description
    }.joined(separator: "; ")
    // All nodes say the same, and the first of them is enough: for the others it is there already.
    let suffix = KnownObjects.digest(ofInput: [name, message])
    let facts: Facts = .members([
      ("apiVersion", .text("v1")), ("kind", .text("Event")),
      (
        "metadata",
        .members([
          ("name", .text("\(id.name.name.prefix(230)).\(suffix)")), ("namespace", .text(namespace)),
        ])
      ),
      (
        "involvedObject",
        .members([
          ("apiVersion", .text(id.kind.apiVersion)), ("kind", .text(id.kind.rawValue)),
          ("namespace", .text(id.name.namespace)), ("name", .text(id.name.name)),
          // kubectl describe looks for Events by this.
          ("uid", .text(feed?.uid(ofBroken: name) ?? "")),
        ])
      ),
      ("type", .text("Warning")), ("reason", .text("NotServed")),
      (
        "message",
        .text(String("socklb keeps the last good version of it: \(message)".prefix(1000)))
      ),
      ("source", .members([("component", .text("socklb")), ("host", .text(node))])),
      ("reportingComponent", .text("socklb")), ("reportingInstance", .text(node)),
      ("firstTimestamp", .text(time)), ("lastTimestamp", .text(time)), ("count", .number(1)),
    ])
    notices?.send(ClusterNotices.Notice(namespace: namespace, json: Array(facts.jsonLine.utf8)))
  }
}
