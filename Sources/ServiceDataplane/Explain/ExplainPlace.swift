import BPFLoader
public import ServiceMaps

/// Where the client of an `explain` is.
public enum ExplainPlace: Hashable, Sendable {
  /// Where this process is.
  case here
  case process(UInt32)
  /// By inode, name in /run/netns, or file.
  case namespace(String)
  /// A directory.
  case cgroup(String)
}

extension Dataplane {
  /// Looks up what decisions depend on: network namespace and cgroup, and whether programs run there.
  ///
  /// - Parameter bound: what the client's sockets are bound to.
  /// - Throws: `.refused` when there is no such place; `.notPermitted` where another network
  ///   namespace has to be entered and may not be.
  public func explainClient(
    at place: ExplainPlace, bound: IPAddress? = nil
  ) throws(DataplaneError) -> ExplainClient {
    var found = Found()
    switch place {
    case .here:
      found.namespace = NetworkNamespaces.ownCookie
      found.inode = Files.inode("/proc/self/ns/net")
      found.cgroup = try CgroupTree.directory(ofProcess: "self")
    case .process(let pid): try found.take("\(pid)")
    case .namespace(let text):
      (found.namespace, found.inode) = try NetworkNamespaces.named(text)
      // Any process there says which cgroup its sockets are made in.
      let inode = found.inode
      if let pid = try NetworkNamespaces.processes().first(where: {
        Files.inode("/proc/\($0)/ns/net") == inode
      }) {
        found.process = pid
        found.cgroup = try CgroupTree.directory(ofProcess: pid)
      }
    case .cgroup(let path):
      let cgroup = try Cgroup(path: path)
      if let pid = Self.process(in: cgroup.path) {
        try found.take(pid)
      } else {
        found.namespace = NetworkNamespaces.ownCookie
        found.inode = Files.inode("/proc/self/ns/net")
      }
      found.cgroup = cgroup.path
    }
    return ExplainClient(
      process: found.process.flatMap(Self.process), namespace: found.namespace,
      namespaceName: name(of: found), cgroup: found.cgroup,
      cgroupID: found.cgroup.flatMap(Files.inode) ?? 0,
      coverage: found.cgroup.map(coverage) ?? .unknown, bound: bound)
  }

  private struct Found {
    var process: String?
    var namespace: UInt64 = 0
    var inode: UInt64?
    var cgroup: String?

    mutating func take(_ pid: String) throws(DataplaneError) {
      guard Files.isDirectory("/proc/\(pid)") else {
        throw .refused("there is no process \(pid)", remedy: "`ps` lists those that there are")
      }
      let path = "/proc/\(pid)/ns/net"
      guard Files.inode(path) != nil else {
        throw .system(
          "looking at \(path)", errno: 13,
          remedy: "this needs CAP_SYS_PTRACE, in the user namespace of the process")
      }
      let place = try NetworkNamespaces.named(path)
      process = pid
      namespace = place.cookie
      inode = place.inode
      cgroup = try CgroupTree.directory(ofProcess: pid)
    }
  }

  private static func process(_ pid: String) -> SocketProcess? {
    guard let number = UInt32(pid) else { return nil }
    let name = ((try? Files.read("/proc/\(pid)/comm", limit: 64)) ?? nil) ?? []
    return SocketProcess(
      pid: number, command: String(decoding: name.prefix { $0 != 10 }, as: UTF8.self))
  }

  /// One that is in a cgroup, or in one below it, and whose network namespace can be seen.
  private static func process(in directory: String) -> String? {
    var pending = [directory]
    while let path = pending.popLast() {
      let members = ((try? Files.read(path + "/cgroup.procs")) ?? nil) ?? []
      for pid in String(decoding: members, as: UTF8.self).split(separator: "\n")
      where Files.inode("/proc/\(pid)/ns/net") != nil {
        return String(pid)
      }
      for name in (try? Files.list(path)) ?? [] where Files.isDirectory(path + "/" + name) {
        pending.append(path + "/" + name)
      }
    }
    return nil
  }

  private func name(of found: Found) -> String? {
    let host = tables.hostNetworkNamespace
    if host != 0, found.namespace == host { return "host" }
    let directory = "/run/netns"
    return ((try? Files.list(directory)) ?? []).first {
      Files.inode(directory + "/" + $0) == found.inode
    }
  }

  /// Whether every hook runs once for processes of one cgroup.
  private func coverage(_ cgroup: String) -> ExplainClient.Coverage {
    guard let attachments = try? attachments(),
      let programs = try? Self.effectivePrograms(cgroup)
    else { return .unknown }
    var facts = CoverageFacts(hooks: SocketHook.allCases.map(\.rawValue))
    for attachment in attachments where attachment.isLive {
      facts.own[attachment.hook, default: []].insert(attachment.programID)
    }
    facts.places = [.init(path: cgroup, ids: [], processes: 1, programs: programs)]
    switch Coverage(facts).places.first?.state {
    case .covered: return .covered
    case .missing(let hooks):
      let what = hooks.count == facts.hooks.count ? "no hook runs" : listed(hooks)
      let places = Set(attachments.filter(\.isLive).compactMap(\.cgroupPath)).sorted()
      return .problem(
        "\(what) for \(cgroup); socklb is attached to \(places.joined(separator: ", ")). Without "
          + "its hook a call goes to the address itself; below is what it would do")
    case .twice(let hooks):
      return .problem(
        "\(hooks.joined(separator: ", ")) run twice for \(cgroup): `socklb doctor` says why")
    case .unknown, nil: return .unknown
    }
  }

  private func listed(_ hooks: [String]) -> String {
    hooks.joined(separator: ", ") + (hooks.count == 1 ? " does not run" : " do not run")
  }
}
