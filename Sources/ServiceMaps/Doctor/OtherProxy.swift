/// What of kube-proxy was found in a network namespace: it and socklb serve the same addresses.
public struct OtherProxy: Sendable, Hashable {
  /// Rules of one kind.
  public struct Rules: Sendable, Hashable {
    /// `iptables (legacy)`, `nftables`.
    public var place: String
    /// Tables and chains, as they are named there; those of kube-proxy alone.
    public var names: [String]
    /// How to see them.
    public var command: String

    public init(place: String, names: [String], command: String) {
      self.place = place
      self.names = names
      self.command = command
    }
  }

  /// Something that could not be looked at.
  public struct Obstacle: Sendable, Hashable {
    public var what: String
    public var remedy: String

    public init(_ what: String, remedy: String) {
      self.what = what
      self.remedy = remedy
    }
  }

  /// Process ids.
  public var processes: [UInt32] = []
  public var rules: [Rules] = []
  /// Virtual servers of IPVS.
  public var virtualServers = 0
  /// kube-proxy's interface for IPVS.
  public var hasInterface = false
  public var obstacles: [Obstacle] = []
  /// This is the namespace of process 1.
  public var isHostNamespace = true

  public init() {}

  /// Whether a chain is kube-proxy's. The kubelet has some of its own, which translate nothing and
  /// stay: KUBE-KUBELET-CANARY, KUBE-IPTABLES-HINT, KUBE-FIREWALL, KUBE-MARK-DROP.
  public static func isOwn(chain: String) -> Bool {
    [
      "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-NODE-PORT", "KUBE-SVC-", "KUBE-SEP-", "KUBE-EXT-",
      "KUBE-XLB-", "KUBE-SVL-", "KUBE-FW-", "KUBE-PROXY-", "KUBE-EXTERNAL-SERVICES",
      "KUBE-LOAD-BALANCER",
    ].contains { chain.hasPrefix($0) }
  }

  /// kube-proxy's own table in its nftables mode, in the families ip and ip6.
  public static func isOwn(table: String) -> Bool { table == "kube-proxy" }

  public var findings: [Finding] {
    var result: [Finding] = []
    let traces = rules.map { rules in
      "\(rules.place): \(rules.names.count) \(rules.names.count == 1 ? "name" : "names") such as "
        + rules.names.prefix(3).joined(separator: ", ") + " (\(rules.command))"
    }
    let servers =
      virtualServers > 0 || hasInterface
      ? [
        "IPVS: \(virtualServers) virtual server\(virtualServers == 1 ? "" : "s")"
          + (hasInterface ? ", and the interface kube-ipvs0" : "")
      ] : []
    if let first = processes.first {
      result.append(
        Finding(
          "kube-proxy", .warning,
          "kube-proxy runs (process \(first)\(processes.count > 1 ? " and others" : ""))",
          remedy: "both may run: processes that socklb covers never meet its rules. Everything "
            + "else (clients outside of this node, uncovered cgroups) goes by kube-proxy's "
            + "choice; when none of that is left, remove it"))
    }
    for trace in traces + servers {
      result.append(
        Finding(
          "kube-proxy", .warning,
          processes.isEmpty
            ? "left over from kube-proxy, \(trace)" : "rules of kube-proxy, \(trace)",
          remedy: processes.isEmpty
            ? "nobody updates them any more, so they lead to backends that are gone: "
              + "`kube-proxy --cleanup`, or restart the node"
            : nil))
    }
    for obstacle in obstacles {
      result.append(
        Finding("kube-proxy", .warning, "not looked at: \(obstacle.what)", remedy: obstacle.remedy))
    }
    if result.isEmpty {
      result.append(
        Finding(
          "kube-proxy", .ok,
          "no kube-proxy, and nothing of it in iptables, nftables or IPVS"
            + (isHostNamespace ? "" : " of this network namespace, which is not that of process 1")
        ))
    }
    return result
  }
}
