/// What the process may do (capabilities(7)).
public enum Capabilities {
  private static let needed: [(name: String, bit: UInt64)] = [
    ("CAP_BPF", 39), ("CAP_NET_ADMIN", 12),
  ]
  /// Includes what CAP_BPF allows, since 5.8 split that off.
  private static let systemAdministrator: UInt64 = 21

  /// - Throws: `.notPermitted` with what is missing to load programs and attach them.
  public static func check() throws(DataplaneError) {
    guard let effective = try effective() else { return }
    func has(_ bit: UInt64) -> Bool { effective >> bit & 1 == 1 }
    let missing = needed.filter { capability in
      !has(capability.bit) && !(capability.name == "CAP_BPF" && has(systemAdministrator))
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
