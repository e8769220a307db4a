import CServiceABI

/// The bits by which a program knows, without a lookup, that an address is no service's.
public struct AddressFilter: Sendable, Equatable {
  /// The words of the map `address_filter`.
  public private(set) var words = [UInt64](repeating: 0, count: Int(SVC_FILTER_WORDS))

  public init() {}

  public mutating func insert(frontend address: IPAddress) {
    set(SVC_FILTER_FRONTEND, address)
  }

  public mutating func insert(guarded address: IPAddress) {
    set(SVC_FILTER_GUARDED, address)
  }

  public mutating func insert(backend address: IPAddress) {
    set(SVC_FILTER_BACKEND, address)
  }

  /// The bits of a word that say where there were backends. They are never cleared: sockets
  /// may remember a backend for as long as they live.
  public static let backendBits = (0..<UInt64(SVC_FILTER_PLACES)).reduce(0) {
    $0 | UInt64(SVC_FILTER_BACKEND.rawValue) << ($1 * UInt64(SVC_FILTER_BITS))
  }

  /// All bits of either.
  public func union(_ other: AddressFilter) -> AddressFilter {
    var result = self
    for (index, word) in other.words.enumerated() { result.words[index] |= word }
    return result
  }

  private mutating func set(_ bit: svc_filter, _ address: IPAddress) {
    let (word, mask) = Self.place(bit, Self.hash(of: address))
    words[word] |= mask
  }

  fileprivate mutating func set(_ bit: svc_filter, at hash: Int, to isSet: Bool) {
    let (word, mask) = Self.place(bit, hash)
    if isSet { words[word] |= mask } else { words[word] &= ~mask }
  }

  /// The word of a bit, and the bit.
  private static func place(_ bit: svc_filter, _ hash: Int) -> (word: Int, mask: UInt64) {
    let places = Int(SVC_FILTER_PLACES)
    return (hash / places, UInt64(bit.rawValue) << UInt64(hash % places * Int(SVC_FILTER_BITS)))
  }

  /// Where the bits of these backends' addresses are.
  public static func forEachPlace(
    ofBackends slots: SlotRun, _ body: (_ word: Int, _ mask: UInt64) -> Void
  ) {
    for slot in slots {
      let (word, mask) = place(SVC_FILTER_BACKEND, hash(of: slot.backend.address))
      body(word, mask)
    }
  }

  /// The place of an address; several addresses share one.
  public static func hash(of address: IPAddress) -> Int {
    func word(_ half: UInt64, _ shift: UInt64) -> UInt32 {
      UInt32(truncatingIfNeeded: half >> shift).bigEndian
    }
    let mapped: UInt32 = UInt32(0x0000_ffff).bigEndian
    let hash =
      address.family == .v4
      ? svc_filter_hash(0, 0, mapped, word(address.low, 0))
      : svc_filter_hash(
        word(address.high, 32), word(address.high, 0), word(address.low, 32), word(address.low, 0))
    return Int(hash)
  }
}

extension FamilyState {
  /// Marks every address that a program has to look up.
  ///
  /// - Parameter plan: what is about to be written, as if it were done.
  public func mark(_ filter: inout AddressFilter, after plan: FamilyPlan? = nil) {
    let deleted = Set(plan?.deleteKeys.lazy.map(\.index) ?? [])
    for (index, record) in frontends where !deleted.contains(index) {
      filter.insert(frontend: record.key.address)
    }
    for write in plan?.insertKeys ?? [] { filter.insert(frontend: write.record.key.address) }
    let gone = Set(plan?.deleteGuards ?? [])
    for address in guards where !gone.contains(address) { filter.insert(guarded: address) }
    for address in plan?.insertGuards ?? [] { filter.insert(guarded: address) }
  }
}

/// How many frontends and guards there are at each place of the filter: for one change after the
/// other, where the bits cannot be counted again each time.
public struct AddressCounts: Sendable {
  private var frontends = [Int32](repeating: 0, count: 1 << Int(SVC_FILTER_HASH_BITS))
  private var guards = [Int32](repeating: 0, count: 1 << Int(SVC_FILTER_HASH_BITS))
  /// Of frontends and guards; backends are never taken out, and not counted.
  public private(set) var filter = AddressFilter()

  public init(_ states: [FamilyState]) {
    for state in states {
      for record in state.frontends.values { count(SVC_FILTER_FRONTEND, record.key.address, 1) }
      for address in state.guards { count(SVC_FILTER_GUARDED, address, 1) }
    }
  }

  /// What a plan brings: its addresses are looked up from now on.
  public mutating func add(_ plan: FamilyPlan) {
    for write in plan.insertKeys { count(SVC_FILTER_FRONTEND, write.record.key.address, 1) }
    for address in plan.insertGuards { count(SVC_FILTER_GUARDED, address, 1) }
  }

  /// What it took away.
  public mutating func remove(_ plan: FamilyPlan) {
    for write in plan.deleteKeys { count(SVC_FILTER_FRONTEND, write.record.key.address, -1) }
    for address in plan.deleteGuards { count(SVC_FILTER_GUARDED, address, -1) }
  }

  private mutating func count(_ bit: svc_filter, _ address: IPAddress, _ step: Int32) {
    let hash = AddressFilter.hash(of: address)
    let left: Int32
    if bit == SVC_FILTER_FRONTEND {
      frontends[hash] += step
      left = frontends[hash]
    } else {
      guards[hash] += step
      left = guards[hash]
    }
    filter.set(bit, at: hash, to: left != 0)
  }
}
