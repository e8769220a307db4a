import ServiceMaps

/// What a reader of the trace calls the places that processes are in. Asked once for each cgroup
/// and network namespace.
struct TracePlaces {
  private var pods: [UInt64: PodOfProcess?] = [:]
  private var namespaces: [UInt32: String] = [:]
  private var namespacesRead: UInt64 = 0

  /// - Parameter hostCookie: of the network namespace that attach ran in; 0: not known.
  init(hostCookie: UInt64) {
    let own = NetworkNamespaces.ownCookie
    let path = hostCookie != 0 && hostCookie == own ? "/proc/self/ns/net" : "/proc/1/ns/net"
    if let inode = Files.inode(path) { hostInode = UInt32(truncatingIfNeeded: inode) }
  }

  private var hostInode: UInt32 = 0
  private static let named = "/run/netns"

  mutating func place(of decision: TraceDecision) -> TraceRender.Place {
    TraceRender.Place(pod: pod(decision), namespaceName: name(decision.namespace))
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

  private mutating func name(_ inode: UInt32) -> String? {
    if inode == hostInode { return "host" }
    if let name = namespaces[inode] { return name }
    let now = Clock.monotonicNanoseconds
    if now - namespacesRead < 1_000_000_000 { return nil }
    namespacesRead = now
    for name in (try? Files.list(Self.named)) ?? [] {
      if let inode = Files.inode(Self.named + "/" + name) {
        namespaces[UInt32(truncatingIfNeeded: inode)] = name
      }
    }
    return namespaces[inode]
  }
}
