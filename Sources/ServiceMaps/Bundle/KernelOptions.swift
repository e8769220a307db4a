/// Options of a kernel's build.
public enum KernelOptions {
  private static let prefixes = [
    "BPF", "CGROUP", "SOCK_CGROUP", "DEBUG_INFO_BTF", "NET_NS", "NAMESPACES", "TIME_NS",
    "INET_DIAG",
    "INET_UDP_DIAG", "INET_TCP_DIAG", "INET_DIAG_DESTROY", "IPV6", "MPTCP", "PREEMPT", "HZ", "SMP",
    "NF_TABLES", "IP_NF_IPTABLES", "IP_VS", "KPROBES", "FTRACE", "FUNCTION_TRACER", "TRACEPOINTS",
    "DYNAMIC_FTRACE", "LSM", "SECURITY_LOCKDOWN", "NET_CLS_BPF", "HAVE_EBPF",
  ]

  /// Lines of a .config that say something about one of them, in their order.
  public static func relevant(in text: String) -> [String] {
    text.split(separator: "\n").compactMap { line in
      let name = line.hasPrefix("# CONFIG_") ? line.dropFirst(9) : line.dropFirst(7)
      guard
        line.hasPrefix("CONFIG_") || (line.hasPrefix("# CONFIG_") && line.hasSuffix("is not set"))
      else { return nil }
      return prefixes.contains { prefix in
        guard name.hasPrefix(prefix) else { return false }
        let rest = name.dropFirst(prefix.count).first
        return rest == "=" || rest == "_" || rest == " "
      } ? String(line) : nil
    }
  }
}
