import BPFLoader
import CServiceABI
import ServiceMaps

/// The addresses of which every port that is no frontend is refused: `guards4` or `guards6`, as
/// `service_abi.h` has it.
struct GuardMap<Wire: WireFamily>: Sendable where Wire.WireGuards: BitwiseCopyable {
  private let map: MappedArray<Wire.WireGuards>

  init(_ map: BPFMap) throws(BPFError) { self.map = try MappedArray(map) }

  /// Where an address is.
  struct Place: Hashable {
    var bucket: UInt32
    var way: Int
  }

  private var seed: UInt64 { map.acquire(at: 0) }
  private var buckets: Int { map.count - 1 }
  private static var maskOffset: Int {
    MemoryLayout<svc_guard_parameters>.offset(of: \.mask) ?? 8
  }

  /// Without an address.
  func initialize() {
    map.publish(.random(in: 0 ... .max), at: 0)
    mendMask()
  }

  /// Writes how many buckets there are.
  func mendMask() { map.publish(UInt64(buckets - 1), at: 0, offset: Self.maskOffset) }

  /// Whether programs look where addresses are.
  var isMaskRight: Bool {
    map.acquire(at: 0, offset: Self.maskOffset) == UInt64(buckets - 1)
  }

  /// All addresses that programs find, and the places of what they do not.
  func read() throws(BPFError) -> (addresses: Set<IPAddress>, stray: [Place]) {
    map.refresh()
    let seed = seed
    var found: Set<IPAddress> = []
    var stray: [Place] = []
    let words = map.words(from: 1)
    let wordsPerBucket = words.count / buckets
    for bucket in 1...UInt32(buckets) {
      let part = Int(bucket - 1) * wordsPerBucket
      // Most are empty.
      if words[part..<part + wordsPerBucket].allSatisfy({ $0 == 0 }) { continue }
      for way in 0..<GuardTable.ways {
        guard let address = self[Place(bucket: bucket, way: way)] else { continue }
        let places = GuardTable.buckets(of: address, seed: seed, count: buckets)
        if (places.first == bucket || places.second == bucket) && found.insert(address).inserted {
          continue
        }
        stray.append(Place(bucket: bucket, way: way))
      }
    }
    try map.checkReads()
    return (found, stray)
  }

  func insert(_ addresses: [IPAddress]) throws(BPFError) {
    let seed = seed
    for address in addresses {
      if let place = freePlace(for: address, seed) {
        set(address, at: place)
        continue
      }
      // Damage takes room; otherwise there is enough.
      for place in try read().stray { clear(place) }
      guard let place = freePlace(for: address, seed) else {
        throw BPFError(
          .failed, "the addresses crowd together in the map \(map.map.name)",
          remedy: "run `socklb detach` and `socklb attach` with a larger --initial-frontends")
      }
      set(address, at: place)
    }
  }

  func delete(_ addresses: [IPAddress]) {
    let seed = seed
    for address in addresses {
      let places = GuardTable.buckets(of: address, seed: seed, count: buckets)
      for bucket in Set([places.first, places.second]) {
        for way in 0..<GuardTable.ways where self[Place(bucket: bucket, way: way)] == address {
          clear(Place(bucket: bucket, way: way))
        }
      }
    }
  }

  /// In the second bucket only if the first is much fuller.
  private func freePlace(for address: IPAddress, _ seed: UInt64) -> Place? {
    let places = GuardTable.buckets(of: address, seed: seed, count: buckets)
    let first = room(in: places.first)
    if first.count > GuardTable.ways / 4 { return first.place }
    let second = room(in: places.second)
    return second.count > first.count ? second.place : first.place
  }

  /// How many places are free, and the first of them.
  private func room(in bucket: UInt32) -> (count: Int, place: Place?) {
    let free = Wire.freeWays(in: map[bucket])
    return (
      free.nonzeroBitCount, free == 0 ? nil : Place(bucket: bucket, way: free.trailingZeroBitCount)
    )
  }

  // MARK: One place

  // Two IPv4 addresses lie in a word, an IPv6 address in two.

  private subscript(place: Place) -> IPAddress? {
    if Wire.family == .v4 {
      let word = map.acquire(at: place.bucket, offset: place.way / 2 * 8).littleEndian
      let half = UInt32(truncatingIfNeeded: word >> (place.way % 2 * 32))
      return half == 0 ? nil : IPAddress(v4: half.byteSwapped)
    }
    let high = UInt64(bigEndian: map.acquire(at: place.bucket, offset: place.way * 16))
    let low = UInt64(bigEndian: map.acquire(at: place.bucket, offset: place.way * 16 + 8))
    return high | low == 0 ? nil : IPAddress(v6High: high, low: low)
  }

  private func set(_ address: IPAddress, at place: Place) {
    if Wire.family == .v4 {
      setHalf(UInt32(truncatingIfNeeded: address.low).byteSwapped, at: place)
    } else {
      map.publish(address.high.bigEndian, at: place.bucket, offset: place.way * 16)
      map.publish(address.low.bigEndian, at: place.bucket, offset: place.way * 16 + 8)
    }
  }

  func clear(_ place: Place) {
    if Wire.family == .v4 {
      setHalf(0, at: place)
    } else {
      map.publish(0, at: place.bucket, offset: place.way * 16 + 8)
      map.publish(0, at: place.bucket, offset: place.way * 16)
    }
  }

  /// Nobody else writes there, so that the other half stays.
  private func setHalf(_ half: UInt32, at place: Place) {
    let (offset, shift) = (place.way / 2 * 8, UInt64(place.way % 2 * 32))
    let word = map.acquire(at: place.bucket, offset: offset).littleEndian
    let new = word & ~(UInt64(UInt32.max) << shift) | UInt64(half) << shift
    map.publish(new.littleEndian, at: place.bucket, offset: offset)
  }
}
