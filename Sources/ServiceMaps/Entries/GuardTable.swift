import CServiceABI

/// Where the maps `guards4` and `guards6` hold an address: `service_abi.h`.
public enum GuardTable {
  public static let ways = Int(SVC_GUARD_WAYS)

  /// How many buckets there are, besides the first, for the addresses of so many frontends. At most
  /// half of the ways are in use; that both buckets of an address are full does not come to pass.
  public static func buckets(for frontends: Int) -> Int {
    var count = 16
    while count * ways < 2 * frontends { count *= 2 }
    return count
  }

  /// The two buckets of an address; they may be the same.
  ///
  /// - Parameters:
  ///   - seed: `svc_guard_parameters.seed`.
  ///   - count: of buckets, besides the first.
  public static func buckets(
    of address: IPAddress, seed: UInt64, count: Int
  ) -> (first: UInt32, second: UInt32) {
    let hash = address.guardHash(seed: seed)
    let mask = UInt64(count - 1)
    return (svc_key_bucket_of(hash, mask, 0), svc_key_bucket_of(hash, mask, 1))
  }
}

extension IPAddress {
  /// As the programs hash it.
  fileprivate func guardHash(seed: UInt64) -> UInt64 {
    func word(_ half: UInt64, _ shift: UInt64) -> UInt32 {
      UInt32(truncatingIfNeeded: half >> shift).bigEndian
    }
    func pair(_ half: UInt64) -> UInt64 { UInt64(word(half, 32)) << 32 | UInt64(word(half, 0)) }
    return family == .v4
      ? svc_guard_hash4(seed, word(low, 0)) : svc_guard_hash6(seed, pair(high), pair(low))
  }
}
