/// Which of the node's addresses serve node ports (`--nodeport-addresses`, as kube-proxy has it).
public enum NodePortAddresses: Hashable, Sendable, CustomStringConvertible {
  /// The node's primary address of each family.
  case primary
  /// The addresses within these ranges. A family without a range of its own has all its
  /// addresses (pkg/proxy/util/nodeport_addresses.go).
  case ranges([IPPrefix])

  /// `primary`, or ranges with commas between them; nil when it is neither.
  public init?(_ text: String) {
    if text == "primary" {
      self = .primary
      return
    }
    var ranges: [IPPrefix] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let range = IPPrefix(part) else { return nil }
      ranges.append(range)
    }
    self = .ranges(ranges)
  }

  public var description: String {
    switch self {
    case .primary: "primary"
    case .ranges(let ranges): ranges.map { "\($0)" }.joined(separator: ",")
    }
  }

  /// The ranges of which an address must be in one; nil when every address is good.
  fileprivate func ranges(in family: IPFamily) -> [IPPrefix]? {
    guard case .ranges(let all) = self else { return nil }
    let ranges = all.filter { $0.family == family }
    return ranges.isEmpty ? nil : ranges
  }
}

/// The addresses at which ports of this node are served.
struct NodeAddresses {
  /// By family: for node ports, and for host ports.
  private var nodePorts: [IPFamily: [IPAddress]] = [:]
  private var hostPorts: [IPFamily: [IPAddress]] = [:]

  init(_ node: NodeIdentity, _ options: CompileOptions) {
    for family in IPFamily.allCases {
      var own: [IPAddress] = []
      for address in node.addresses
      where address.family == family && address.canBeNodeAddress && !own.contains(address) {
        own.append(address)
      }
      // kube-proxy's iptables mode serves 127.0.0.1 (route_localnet), and nothing serves ::1.
      let loopback: [IPAddress] =
        family == .v4 && options.localhostNodePorts ? [.loopback] : []
      hostPorts[family] = own + loopback
      switch options.nodePortAddresses {
      case nil: nodePorts[family] = own + loopback
      case .primary?: nodePorts[family] = Array(own.prefix(1))
      case .ranges?:
        let ranges = options.nodePortAddresses?.ranges(in: family)
        nodePorts[family] = (own + loopback).filter { address in
          ranges?.contains { $0.contains(address) } ?? true
        }
      }
    }
  }

  func forNodePorts(_ family: IPFamily) -> [IPAddress] { nodePorts[family] ?? [] }

  /// Host ports are the container runtime's business, which knows no `--nodeport-addresses`.
  func forHostPorts(_ family: IPFamily) -> [IPAddress] { hostPorts[family] ?? [] }
}
