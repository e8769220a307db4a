/// What the process may do (capabilities(7)).
public enum Capabilities {
  /// A capability by name and number.
  struct Capability: Sendable {
    var name: String
    var bit: UInt64
    /// It is a part of CAP_SYS_ADMIN that 5.8 split off.
    var isPartOfAdministration = false
  }

  private static let bpf = Capability(name: "CAP_BPF", bit: 39, isPartOfAdministration: true)
  private static let netAdmin = Capability(name: "CAP_NET_ADMIN", bit: 12)
  private static let perfmon = Capability(
    name: "CAP_PERFMON", bit: 38, isPartOfAdministration: true)
  private static let systemAdministrator: UInt64 = 21

  /// - Throws: `.notPermitted` with what is missing to load programs and attach them. Without
  ///   CAP_PERFMON the verifier refuses what it takes for a way to read kernel memory.
  public static func checkAttach() throws(DataplaneError) {
    try check([bpf, netAdmin, perfmon])
  }

  /// - Throws: `.notPermitted` with what is missing to write tables: a grace period makes a map.
  public static func checkWriting() throws(DataplaneError) { try check([bpf]) }

  /// - Throws: `.notPermitted` with what is missing to load iterators, which read kernel memory.
  public static func checkIterators() throws(DataplaneError) { try check([bpf, perfmon]) }

  private static func check(_ needed: [Capability]) throws(DataplaneError) {
    guard let effective = try effective() else { return }
    func has(_ bit: UInt64) -> Bool { effective >> bit & 1 == 1 }
    let missing = needed.filter { capability in
      !has(capability.bit)
        && !(capability.isPartOfAdministration && has(systemAdministrator))
    }
    guard missing.isEmpty else { throw .notPermitted(missing: missing.map(\.name)) }
  }

  /// The effective set; nil when /proc does not say.
  private static func effective() throws(DataplaneError) -> UInt64? {
    let text = String(decoding: try Files.read("/proc/self/status") ?? [], as: UTF8.self)
    for line in text.split(separator: "\n") where line.hasPrefix("CapEff:") {
      return UInt64(line.dropFirst(7).drop { $0 == "\t" || $0 == " " }, radix: 16)
    }
    return nil
  }
}
