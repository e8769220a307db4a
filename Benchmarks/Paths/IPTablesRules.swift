import ServiceMaps

/// The chains of kube-proxy's mode iptables, for Services of kind ClusterIP.
struct IPTablesRules {
  var services: PathServices

  var text: String {
    var chains = ""
    var dispatch = ""
    var rules = ""
    for service in 1...services.count {
      for transport in services.transports(service) {
        add(service, transport, &chains, &dispatch, &rules)
      }
    }
    return filter + natHead + chains + natRules + dispatch + natTail + rules + "COMMIT\n"
  }

  /// Services without endpoints, source ranges and health checks would be in these; most packets
  /// only pass them.
  private var filter: String {
    """
    *filter
    :KUBE-EXTERNAL-SERVICES - [0:0]
    :KUBE-FIREWALL - [0:0]
    :KUBE-FORWARD - [0:0]
    :KUBE-NODEPORTS - [0:0]
    :KUBE-PROXY-FIREWALL - [0:0]
    :KUBE-SERVICES - [0:0]
    -A INPUT -m conntrack --ctstate NEW -m comment --comment "load balancer firewall" -j KUBE-PROXY-FIREWALL
    -A INPUT -m comment --comment "health check service ports" -j KUBE-NODEPORTS
    -A INPUT -m conntrack --ctstate NEW -m comment --comment "externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
    -A INPUT -j KUBE-FIREWALL
    -A FORWARD -m conntrack --ctstate NEW -m comment --comment "load balancer firewall" -j KUBE-PROXY-FIREWALL
    -A FORWARD -m comment --comment "forwarding rules" -j KUBE-FORWARD
    -A FORWARD -m conntrack --ctstate NEW -m comment --comment "service portals" -j KUBE-SERVICES
    -A FORWARD -m conntrack --ctstate NEW -m comment --comment "externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
    -A OUTPUT -m conntrack --ctstate NEW -m comment --comment "load balancer firewall" -j KUBE-PROXY-FIREWALL
    -A OUTPUT -m conntrack --ctstate NEW -m comment --comment "service portals" -j KUBE-SERVICES
    -A OUTPUT -j KUBE-FIREWALL
    -A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
    -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
    -A KUBE-FORWARD -m comment --comment "forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
    -A KUBE-FORWARD -m comment --comment "forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    COMMIT

    """
  }

  private var natHead: String {
    """
    *nat
    :KUBE-MARK-MASQ - [0:0]
    :KUBE-NODEPORTS - [0:0]
    :KUBE-POSTROUTING - [0:0]
    :KUBE-SERVICES - [0:0]

    """
  }

  private var natRules: String {
    """
    -A PREROUTING -m comment --comment "service portals" -j KUBE-SERVICES
    -A OUTPUT -m comment --comment "service portals" -j KUBE-SERVICES
    -A POSTROUTING -m comment --comment "postrouting rules" -j KUBE-POSTROUTING
    -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
    -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
    -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
    -A KUBE-POSTROUTING -m comment --comment "service traffic requiring SNAT" -j MASQUERADE --random-fully

    """
  }

  private var natTail: String {
    """
    -A KUBE-SERVICES -m comment --comment "service nodeports; this must be the last rule" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS

    """
  }

  private func add(
    _ service: Int, _ transport: TransportProtocol, _ chains: inout String,
    _ dispatch: inout String, _ rules: inout String
  ) {
    let proto = transport == .udp ? "udp" : "tcp"
    let comment = "-m comment --comment \"\(PathPlaces.name(service)):http"
    let chain = "KUBE-SVC-" + RuleSet.hash(1, service, transport, length: 16)
    let vip = PathPlaces.text(PathPlaces.vip(service))
    let match =
      "-d \(vip)/32 -p \(proto) \(comment) cluster IP\" -m \(proto) --dport \(PathPlaces.port)"
    chains += ":\(chain) - [0:0]\n"
    dispatch += "-A KUBE-SERVICES \(match) -j \(chain)\n"
    rules += "-A \(chain) ! -s \(PathPlaces.podRange) \(match) -j KUBE-MARK-MASQ\n"
    let pods = PathPlaces.podAddresses(service)
    for (index, pod) in pods.enumerated() {
      let number = service * PathServices.pods + index
      let endpoint = "KUBE-SEP-" + RuleSet.hash(2, number, transport, length: 16)
      let target = "\(pod):\(PathPlaces.podPort)"
      let rest = pods.count - index
      let share =
        rest > 1 ? " -m statistic --mode random --probability \(probability(1, of: rest))" : ""
      chains += ":\(endpoint) - [0:0]\n"
      rules += "-A \(chain) \(comment) -> \(target)\"\(share) -j \(endpoint)\n"
      rules += "-A \(endpoint) -s \(pod)/32 \(comment)\" -j KUBE-MARK-MASQ\n"
      rules +=
        "-A \(endpoint) -p \(proto) \(comment)\" -m \(proto) -j DNAT --to-destination \(target)\n"
    }
  }

  /// With ten digits, without an exponent.
  private func probability(_ one: Int, of all: Int) -> String {
    let digits = String(one * 10_000_000_000 / all)
    return "0." + String(repeating: "0", count: 10 - digits.count) + digits
  }
}
