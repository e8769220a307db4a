/// Two of the kernel's clocks at one moment.
///
/// Programs stamp flows with jiffies, which cost them nothing. How many there are in a second (HZ) is
/// decided when a kernel is built, and no interface says it; comparing the two clocks does.
public struct KernelClocks: Hashable, Sendable {
  /// jiffies64: -300 s at boot, as 32 bits.
  public var jiffies: UInt64
  /// CLOCK_MONOTONIC: 0 at boot.
  public var nanoseconds: UInt64

  public init(jiffies: UInt64, nanoseconds: UInt64) {
    self.jiffies = jiffies
    self.nanoseconds = nanoseconds
  }

  /// The values of HZ that kernels are built with.
  private static let usual: [UInt64] = [100, 128, 200, 250, 300, 500, 1000]

  /// Jiffies in a second.
  public var frequency: UInt64 {
    let seconds = Double(nanoseconds) / 1e9 - 300
    // Both are near zero five minutes after boot and say nothing then; 250 is right for most.
    if abs(seconds) < 10 { return 250 }
    let measured = (Double(jiffies) - 0x1p32) / seconds
    let nearest = Self.usual.min { abs(Double($0) - measured) < abs(Double($1) - measured) }
    return nearest ?? 250
  }

  /// Whole seconds since a flow was made; 0 if that seems to lie ahead.
  public func age(since: UInt32) -> UInt64 {
    let units = units &- since
    return units < 1 << 31 ? Self.jiffies(ofUnits: units) / frequency : 0
  }
}
