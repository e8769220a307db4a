import BPFLoader
import ServiceMaps

/// Carries over the addresses of which every port is refused: up to layout 3 they were the keys of a
/// hash.
enum GuardCarrier {
  static func copy<Wire: WireFamily>(
    _ change: MapChange, to new: BPFMap, _ wire: Wire.Type
  ) throws(DataplaneError) where Wire.WireGuards: BitwiseCopyable {
    let addresses = try addresses(change.old, Wire.family)
    try bpf { () throws(BPFError) in
      let guards = try GuardMap<Wire>(new)
      guards.initialize()
      try guards.insert(addresses.sorted())
    }
  }

  private static func addresses(
    _ old: BPFMap, _ family: IPFamily
  ) throws(DataplaneError) -> [IPAddress] {
    let elements = try bpf { () throws(BPFError) in try RawMap(old).all() }
    if !old.definition.isArray { return elements.map { address($0.key, family) } }
    let size = family == .v4 ? 4 : 16
    return elements.dropFirst().flatMap { element in
      stride(from: 0, to: element.value.count, by: size).map {
        Array(element.value[$0..<$0 + size])
      }
    }.filter { $0.contains { $0 != 0 } }.map { address($0, family) }
  }

  private static func address(_ bytes: [UInt8], _ family: IPFamily) -> IPAddress {
    func word(_ bytes: some Sequence<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
    return family == .v4
      ? IPAddress(v4: UInt32(word(bytes)))
      : IPAddress(v6High: word(bytes.prefix(8)), low: word(bytes.dropFirst(8)))
  }
}
