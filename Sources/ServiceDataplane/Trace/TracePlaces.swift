import ServiceMaps

/// What a reader of the trace calls the places that processes are in. Asked once for each cgroup
/// and network namespace.
struct TracePlaces {
  private var pods: [UInt64: PodOfProcess?] = [:]
  /// By cookie.
  private var namespaces: [UInt64: TraceRender.Place] = [:]
  private var walked: UInt64 = 0
  private let hostCookie: UInt64
  private static let named = "/run/netns"

  /// - Parameter hostCookie: of the network namespace that attach ran in; 0: not known.
  init(hostCookie: UInt64) { self.hostCookie = hostCookie }

  mutating func place(of decision: TraceDecision) -> TraceRender.Place {
    var place = namespace(of: decision)
    place.pod = pod(decision)
    return place
  }

  private mutating func pod(_ decision: TraceDecision) -> PodOfProcess? {
    if let known = pods[decision.cgroup] { return known }
    if pods.count >= 1 << 16 { pods.removeAll() }
    var text: String?
    if let bytes = try? Files.read("/proc/\(decision.process.pid)/cgroup", limit: 1 << 16) {
      text = String(decoding: bytes, as: UTF8.self)
    } else if let path = Cgroup.path(ofID: decision.cgroup) {
      // The process has ended already; its cgroup has not.
      text = "0::" + path
    }
    let pod = text.flatMap { PodOfProcess(cgroups: $0) }
    pods.updateValue(pod, forKey: decision.cgroup)
    return pod
  }

  /// A namespace has a cookie in the kernel and an inode to everybody else; who wants to know both
  /// has to go there.
  private mutating func namespace(of decision: TraceDecision) -> TraceRender.Place {
    if let known = namespaces[decision.namespace] { return known }
    add("/proc/\(decision.process.pid)/ns/net")
    if let known = namespaces[decision.namespace] { return known }
    // The process has ended, or its socket is from elsewhere.
    let now = Clock.monotonicNanoseconds
    if now - walked < 5_000_000_000 { return TraceRender.Place(namespaceName: host(decision)) }
    walked = now
    for path in (try? NetworkNamespaces.paths()) ?? [] { add(path) }
    for name in (try? Files.list(Self.named)) ?? [] { add(Self.named + "/" + name) }
    return namespaces[decision.namespace] ?? TraceRender.Place(namespaceName: host(decision))
  }

  private func host(_ decision: TraceDecision) -> String? {
    hostCookie != 0 && decision.namespace == hostCookie ? "host" : nil
  }

  private mutating func add(_ path: String) {
    guard let inode = Files.inode(path),
      let cookie = NetworkNamespaces.cookie(of: path, inode: inode)
    else { return }
    if namespaces.count >= 1 << 16 { namespaces.removeAll() }
    let name = ((try? Files.list(Self.named)) ?? []).first {
      Files.inode(Self.named + "/" + $0) == inode
    }
    namespaces[cookie] = TraceRender.Place(
      namespaceName: hostCookie != 0 && cookie == hostCookie ? "host" : name,
      namespaceInode: UInt32(truncatingIfNeeded: inode))
  }
}
