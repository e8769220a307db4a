public import ServiceMaps

extension Machine {
  /// kube-proxy, and what it has left behind, in the network namespace of this process. Loads no
  /// module of the kernel.
  public static func otherProxy() -> OtherProxy {
    var result = OtherProxy()
    let (own, first) = (Files.inode("/proc/self/ns/net"), Files.inode("/proc/1/ns/net"))
    result.isHostNamespace = own == nil || first == nil || own == first
    for pid in (try? NetworkNamespaces.processes()) ?? [] {
      if line("/proc/\(pid)/comm") == "kube-proxy", let pid = UInt32(pid) {
        result.processes.append(pid)
      }
    }
    lookAtLegacy(&result)
    lookAtNFTables(&result)
    lookAtIPVS(&result)
    return result
  }

  private static func lookAtLegacy(_ result: inout OtherProxy) {
    for (family, command) in [
      (IPFamily.v4, "iptables-legacy-save"), (.v6, "ip6tables-legacy-save"),
    ] {
      let file = family == .v4 ? "/proc/net/ip_tables_names" : "/proc/net/ip6_tables_names"
      let tables: [String]
      do {
        // Not there: the kernel has no such tables, or none is loaded.
        tables = String(decoding: try Files.read(file) ?? [], as: UTF8.self)
          .split(separator: "\n").map(String.init)
      } catch {
        result.obstacles.append(
          .init("rules of iptables (legacy): \(error)", remedy: look(command)))
        continue
      }
      var chains: Set<String> = []
      for table in tables {
        switch Netfilter.legacyChains(family, table: table) {
        case .success(let names): chains.formUnion(names.filter(OtherProxy.isOwn(chain:)))
        case .failure(let failure):
          result.obstacles.append(
            .init(
              "the table \(table) of iptables (legacy): \(SystemText.error(failure.errno))",
              remedy: look(command)))
        }
      }
      if !chains.isEmpty {
        result.rules.append(
          .init(
            place: "iptables (legacy, \(family))", names: chains.sorted(),
            command: "\(command) | grep KUBE-"))
      }
    }
  }

  private static func lookAtNFTables(_ result: inout OtherProxy) {
    // To ask for what is a module and not loaded would load it.
    if !Files.exists("/sys/module/nf_tables") && Files.exists("/proc/modules") {
      // What is built in has a directory only if it has parameters.
      let list = "/lib/modules/\(Host.kernelRelease)/modules.builtin"
      guard let builtIn = try? Files.read(list) else {
        result.obstacles.append(
          .init(
            "rules of nftables: \(list) does not say whether the kernel has them built in",
            remedy: look("nft list ruleset")))
        return
      }
      guard String(decoding: builtIn, as: UTF8.self).contains("/nf_tables.ko") else { return }
    }
    for (chains, command) in [(false, "nft list tables"), (true, "nft list chains | grep KUBE-")] {
      switch Netfilter.nftables(chains: chains) {
      case .success(let names):
        let own = Set(
          names.filter { chains ? OtherProxy.isOwn(chain: $0) : OtherProxy.isOwn(table: $0) })
        if !own.isEmpty {
          result.rules.append(
            .init(
              place: chains ? "iptables (nft)" : "nftables", names: own.sorted(), command: command))
        }
      case .failure(let failure) where Netfilter.isAbsent(failure): return
      case .failure(let failure):
        result.obstacles.append(
          .init(
            "rules of nftables: \(SystemText.error(failure.errno))",
            remedy: look("nft list ruleset")
          ))
        return
      }
    }
  }

  private static func lookAtIPVS(_ result: inout OtherProxy) {
    let servers = String(
      decoding: ((try? Files.read("/proc/net/ip_vs")) ?? nil) ?? [], as: UTF8.self)
    result.virtualServers = servers.split(separator: "\n").count { line in
      ["TCP ", "UDP ", "SCTP"].contains { line.hasPrefix($0) }
    }
    let devices = String(
      decoding: ((try? Files.read("/proc/net/dev")) ?? nil) ?? [], as: UTF8.self)
    result.hasInterface = devices.split(separator: "\n").contains { line in
      line.drop { $0 == " " }.hasPrefix("kube-ipvs0:")
    }
  }

  private static func look(_ command: String) -> String {
    "look at it with `\(command)`, as root"
  }

  /// The first line of a small file.
  static func line(_ path: String) -> String? {
    ((try? Files.read(path, limit: 1 << 16)) ?? nil).map {
      String(decoding: $0.prefix { $0 != 10 }, as: UTF8.self)
    }
  }
}
