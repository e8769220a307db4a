/// The Pod and the container that a process is in, as the path of its cgroup says.
public struct PodOfProcess: Hashable, Sendable {
  /// `metadata.uid`; of a static Pod it is the hash of its manifest.
  public var uid: String
  /// nil: the process is in the Pod's own cgroup.
  public var container: String?

  public init(uid: String, container: String? = nil) {
    self.uid = uid
    self.container = container
  }

  /// Reads /proc/PID/cgroup.
  ///
  /// Both ways in which the kubelet names cgroups are understood:
  ///
  /// ```
  /// /kubepods/burstable/pod<uid>/<container>
  /// /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice/cri-containerd-<container>.scope
  /// ```
  ///
  /// The second one writes `_` where the uid has `-`.
  public init?(cgroups text: String) {
    for line in text.split(separator: "\n") {
      guard let path = line.split(separator: ":", maxSplits: 2).last else { continue }
      let parts = path.split(separator: "/").map(String.init)
      guard let start = parts.firstIndex(where: { $0.hasPrefix("kubepods") || $0 == "kubelet" })
      else { continue }
      for (index, part) in parts.enumerated() where index >= start {
        guard let uid = Self.uid(part) else { continue }
        let next = index + 1 < parts.count ? Self.container(parts[index + 1]) : nil
        self.init(uid: uid, container: next)
        return
      }
    }
    return nil
  }

  private static func uid(_ part: String) -> String? {
    var text = part[...]
    if text.hasSuffix(".slice") {
      guard let pod = text.range(of: "-pod") else { return nil }
      text = text[pod.upperBound...].dropLast(6)
    } else if text.hasPrefix("pod") {
      text = text.dropFirst(3)
    } else {
      return nil
    }
    let uid = String(text.map { $0 == "_" ? "-" : $0 })
    return uid.count >= 16 && isHexadecimal(uid.filter { $0 != "-" }) ? uid : nil
  }

  private static func container(_ part: String) -> String? {
    var text = part[...]
    if text.hasSuffix(".scope") { text = text.dropLast(6) }
    if let dash = text.lastIndex(of: "-") { text = text[text.index(after: dash)...] }
    return text.count >= 12 && isHexadecimal(text) ? String(text) : nil
  }

  private static func isHexadecimal(_ text: some StringProtocol) -> Bool {
    text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
  }
}

extension Substring {
  /// The first place where a text is, without Foundation.
  fileprivate func range(of text: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
      start = index(after: start)
    }
    return nil
  }
}

/// What the machine calls the places that sockets are in.
public struct SocketPlaces: Sendable {
  /// The network namespace that `socklb attach` ran in: its cookie; 0 when it is not known.
  public var hostCookie: UInt64
  /// Its inode; 0 when it is not known.
  public var hostInode: UInt32
  /// Names in /run/netns by inode.
  public var names: [UInt32: String]
  /// By pid.
  public var pods: [UInt32: PodOfProcess]

  public init(
    hostCookie: UInt64 = 0, hostInode: UInt32 = 0, names: [UInt32: String] = [:],
    pods: [UInt32: PodOfProcess] = [:]
  ) {
    self.hostCookie = hostCookie
    self.hostInode = hostInode
    self.names = names
    self.pods = pods
  }

  func isHost(_ namespace: NetworkNamespace) -> Bool {
    hostCookie != 0 ? namespace.cookie == hostCookie : namespace.inode == hostInode
  }
}
