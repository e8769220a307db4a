import HookKit
import ServiceMaps

/// An address and a port, as numbers.
struct HookAddress {
  var mode: HookCase.Mode
  /// 0 for IPv4.
  var high: UInt64 = 0
  var low: UInt64
  var port: Int

  var isIPv6: Bool { mode == .v6 }

  var place: hk_place {
    var place = hk_place()
    let family: Int32 =
      switch mode {
      case .v4: 4
      case .v6: 6
      case .mapped: 46
      }
    hk_place_of(&place, family, high, low, Int32(port))
    return place
  }

  var backend: Backend {
    get throws {
      guard let port = Port(port) else { throw Wrong(what: "no port: \(port)") }
      return Backend(
        address: isIPv6
          ? IPAddress(v6High: high, low: low) : IPAddress(v4: UInt32(truncatingIfNeeded: low)),
        port: port)
    }
  }

  /// In the order of the network.
  func appendAddress(to bytes: inout [UInt8]) {
    if isIPv6 { for shift in (0..<8).reversed() { bytes.append(UInt8(high >> (shift * 8) & 255)) } }
    for shift in (0..<(isIPv6 ? 8 : 4)).reversed() { bytes.append(UInt8(low >> (shift * 8) & 255)) }
  }

  func appendPort(to bytes: inout [UInt8]) {
    bytes += [UInt8(port >> 8 & 255), UInt8(port & 255)]
  }
}

/// Addresses: VIPs, which nobody has, and backends and a stranger, which the servers have all.
enum HookPlaces {
  /// Of each service.
  static let endpoints = 10
  private static let vipPort = 80

  /// - Parameter service: from 1 on.
  static func vip(_ service: Int, _ mode: HookCase.Mode) -> HookAddress {
    let number = UInt64(service)
    return mode == .v6
      ? HookAddress(mode: mode, high: 0xfd00_0172_0030_0000, low: number, port: vipPort)
      : HookAddress(mode: mode, low: 0xac1e_0000 + number, port: vipPort)
  }

  /// - Parameter endpoint: from 0 on.
  static func backend(_ service: Int, _ endpoint: Int, _ mode: HookCase.Mode) -> HookAddress {
    let number = UInt64(service * endpoints + endpoint)
    return mode == .v6
      ? HookAddress(mode: mode, high: 0xfd00_0008_0000_0001, low: number, port: Int(HK_PORT))
      : HookAddress(mode: mode, low: 0x0a80_0000 + number, port: Int(HK_PORT))
  }

  static func stranger(_ mode: HookCase.Mode) -> HookAddress {
    mode == .v6
      ? HookAddress(mode: mode, high: 0xfd00_0008_0000_00ff, low: 5, port: Int(HK_PORT))
      : HookAddress(mode: mode, low: 0x0a40_0005, port: Int(HK_PORT))
  }

  /// What the kernel says when something came there.
  static func reached(_ address: HookAddress) -> hk_place {
    var address = address
    if address.mode == .mapped { address.mode = .v4 }
    return address.place
  }

  /// The numbers of all services in an order that has nothing to do with that in which they were
  /// written into maps; always the same one.
  static func shuffled(_ services: Int) -> [Int] {
    var random = SplitMix(state: 42)
    return (1...services).shuffled(using: &random)
  }

  private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
      return z ^ z >> 31
    }
  }
}

/// Destinations in C's own memory, for as long as the value lives.
final class HookDestinations {
  let places: UnsafeMutablePointer<hk_place>
  let count: Int

  init(_ addresses: [HookAddress]) {
    places = .allocate(capacity: addresses.count)
    count = addresses.count
    for (index, address) in addresses.enumerated() {
      (places + index).initialize(to: address.place)
    }
  }

  init(_ place: hk_place) {
    places = .allocate(capacity: 1)
    count = 1
    places.initialize(to: place)
  }

  deinit { places.deallocate() }
}

/// A call that returns -errno.
enum Call {
  @discardableResult
  static func check<T: BinaryInteger>(_ result: T, _ what: @autoclosure () -> String) throws -> T {
    if result < 0 { throw Wrong(what: "\(what()): errno \(-Int(result))") }
    return result
  }
}
