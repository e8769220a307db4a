import ServiceMaps

/// The table of kube-proxy's mode nftables, for Services of kind ClusterIP.
struct NFTablesRules {
  var services: PathServices

  /// In one transaction, 5,000 Services keep the kernel (6.18) busy for a minute.
  static let inOneTransaction = 500

  /// A transaction each.
  var texts: [String] {
    let starts = stride(from: 1, through: services.count, by: Self.inOneTransaction)
    return [base]
      + starts.map { start in
        transaction(start...min(start + Self.inOneTransaction - 1, services.count))
      }
  }

  private var base: String {
    """
    table ip kube-proxy {
    \(sets)
    \(chains)
    chain services {
      ip daddr . meta l4proto . th dport vmap @service-ips
      ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
    }
    }

    """
  }

  private func transaction(_ some: ClosedRange<Int>) -> String {
    var rules = ""
    var verdicts: [String] = []
    for service in some {
      for transport in services.transports(service) {
        verdicts.append(add(service, transport, &rules))
      }
    }
    let addresses = some.map { PathPlaces.text(PathPlaces.vip($0)) }
    return """
      table ip kube-proxy {
      \(rules)
      }
      add element ip kube-proxy cluster-ips { \(addresses.joined(separator: ", ")) }
      add element ip kube-proxy service-ips { \(verdicts.joined(separator: ", ")) }

      """
  }

  /// In some would be other kinds of Services, and those without endpoints.
  private var sets: String {
    """
    set nodeport-ips {
      type ipv4_addr
      elements = { \(PathPlaces.text(PathPlaces.client)) }
    }
    set cluster-ips { type ipv4_addr; }
    map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
    map service-nodeports { type inet_proto . inet_service : verdict; }
    map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }
    map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; }
    map firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
    """
  }

  private var chains: String {
    """
    chain reject-chain { reject; }
    chain mark-for-masquerade { meta mark set meta mark or 0x4000; }
    chain masquerading {
      meta mark and 0x4000 == 0 return
      meta mark set meta mark xor 0x4000
      masquerade fully-random
    }
    chain nodeport-endpoints-check {
      ip daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
    }
    chain service-endpoints-check { ip daddr . meta l4proto . th dport vmap @no-endpoint-services; }
    chain firewall-check { ip daddr . meta l4proto . th dport vmap @firewall-ips; }
    chain cluster-ips-check {
      ip daddr @cluster-ips reject
      ip daddr \(PathPlaces.serviceRange) drop
    }
    chain filter-prerouting {
      type filter hook prerouting priority -110;
      ct state new jump firewall-check
    }
    chain filter-input {
      type filter hook input priority -110;
      ct state new jump nodeport-endpoints-check
      ct state new jump service-endpoints-check
    }
    chain filter-forward {
      type filter hook forward priority -110;
      ct state new jump service-endpoints-check
      ct state new jump cluster-ips-check
    }
    chain filter-output {
      type filter hook output priority -110;
      ct state new jump service-endpoints-check
      ct state new jump firewall-check
    }
    chain filter-output-post-dnat {
      type filter hook output priority -90;
      ct state new jump cluster-ips-check
    }
    chain nat-prerouting { type nat hook prerouting priority -100; jump services; }
    chain nat-output { type nat hook output priority -100; jump services; }
    chain nat-postrouting { type nat hook postrouting priority 100; jump masquerading; }
    """
  }

  /// The chains of one Service and its endpoints; the element that leads there.
  private func add(
    _ service: Int, _ transport: TransportProtocol, _ rules: inout String
  ) -> String {
    let proto = transport == .udp ? "udp" : "tcp"
    let name = "\(PathPlaces.name(service))/\(proto)/http"
    let chain = "service-\(RuleSet.hash(1, service, transport, length: 8))-\(name)"
    let vip = PathPlaces.text(PathPlaces.vip(service))
    var endpoints: [String] = []
    for (index, pod) in PathPlaces.podAddresses(service).enumerated() {
      let number = service * PathServices.pods + index
      let hash = RuleSet.hash(2, number, transport, length: 8)
      let endpoint = "endpoint-\(hash)-\(name)__\(pod)/\(PathPlaces.podPort)"
      rules += """
        chain \(endpoint) {
          ip saddr \(pod) jump mark-for-masquerade
          meta l4proto \(proto) dnat to \(pod):\(PathPlaces.podPort)
        }

        """
      endpoints.append("\(index) : goto \(endpoint)")
    }
    rules += """
      chain \(chain) {
        ip daddr \(vip) \(proto) dport \(PathPlaces.port) ip saddr != \(PathPlaces.podRange) jump mark-for-masquerade
        numgen random mod \(endpoints.count) vmap { \(endpoints.joined(separator: ", ")) }
      }

      """
    return "\(vip) . \(proto) . \(PathPlaces.port) : goto \(chain)"
  }
}
