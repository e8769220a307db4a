/// The maps of one family as they are, with whatever is wrong in them.
///
/// `FamilyState` has only what makes sense, because a plan starts from it; this has the rest too,
/// because it is what a comparison is about.
public struct FamilyImage: Sendable {
  /// A frontend record as the programs read it.
  public struct Record: Hashable, Sendable {
    /// nil: no key leads here and is answered, because none has these bytes.
    public var key: FrontendKey?
    public var flags: UInt32
    public var service: UInt32
    public var list: UInt32

    public init(key: FrontendKey?, flags: UInt32, service: UInt32, list: UInt32) {
      self.key = key
      self.flags = flags
      self.service = service
      self.list = list
    }
  }

  /// What programs read of a service port; see `ServiceRecord.policy`.
  public struct Policy: Hashable, Sendable {
    public var affinityTimeout: UInt32
    public var algorithm: UInt32

    public init(affinityTimeout: UInt32, algorithm: UInt32) {
      self.affinityTimeout = affinityTimeout
      self.algorithm = algorithm
    }
  }

  /// An element that socklb does not write: which map, and what it looks like.
  public struct Junk: Hashable, Sendable {
    public var map: String
    public var element: String

    public init(map: String, element: String) {
      self.map = map
      self.element = element
    }
  }

  public let family: IPFamily
  public let capacities: Capacities
  /// The words that lead to frontends, as they are.
  public var keyTable: KeyTable
  /// What programs find: the index of a frontend that has the key.
  public private(set) var keys: [FrontendKey: UInt32] = [:]
  /// Positions of words that lead no program anywhere.
  public private(set) var strayKeys: [Int] = []
  /// What bucket 0 says of the number of buckets.
  public var keyMask: UInt64
  /// By index, those that a word leads to.
  public var records: [UInt32: Record] = [:]
  /// By list index, those that a record leads to and that there are.
  public var lists: [UInt32: SlotRange] = [:]
  /// By list index; nil in place of a slot that holds no backend. A list that leads out of the map
  /// is not here.
  public var slots: [UInt32: [Slot?]] = [:]
  /// By id, up to the last one that was ever used.
  public var endpoints: [EndpointRecord] = []
  public var kept: [KeptRecord: UInt32] = [:]
  public var services: [UInt32: ServiceRecord] = [:]
  /// By service port id, for those in `services` and those that records name.
  public var policies: [UInt32: Policy] = [:]
  public var guards: Set<IPAddress> = []
  public var ranges: [FamilyPlan.RangeWrite] = []
  public var junk: [Junk] = []

  public init(family: IPFamily, capacities: Capacities) {
    self.family = family
    self.capacities = capacities
    keyTable = KeyTable(seed: 0, buckets: KeyTable.buckets(for: capacities.frontends))
    keyMask = keyTable.mask
  }

  /// The record of an endpoint id; nil when there is no such id.
  func endpoint(_ id: UInt32) -> EndpointRecord? {
    if Int(id) < endpoints.count { return endpoints[Int(id)] }
    return Int(id) < capacities.physicalBackends ? EndpointRecord() : nil
  }

  /// The record that a program finds for a key.
  func record(of key: FrontendKey) -> Record? { keys[key].flatMap { records[$0] } }

  /// Sets `keys` and `strayKeys` after `keyTable` and `records`.
  public mutating func findKeys() {
    keys = [:]
    strayKeys = []
    for (position, word) in keyTable.words.enumerated() where word != 0 {
      let index = KeyTable.index(in: word)
      if let key = records[index]?.key, self.position(of: key) == position {
        keys[key] = index
      } else {
        strayKeys.append(position)
      }
    }
  }

  /// Where the word is that leads programs to this key's record.
  public func position(of key: FrontendKey) -> Int? {
    keyTable.candidates(for: key).first {
      records[KeyTable.index(in: keyTable.words[$0])]?.key == key
    }
  }

  /// A word with this key's hash, where none leads to its record.
  func strayPosition(of key: FrontendKey) -> Int? {
    position(of: key) == nil ? keyTable.candidates(for: key).first : nil
  }
}

/// The maps of all families, and what they have in common.
public struct MapsImage: Sendable {
  public var families: [FamilyImage]
  /// The words of the map `address_filter`.
  public var filter: [UInt64]
  /// Odd: a writer is at work, or was killed.
  public var generation: UInt64
  /// Something was taken out of use, and no grace period has passed since.
  public var isGracePending: Bool

  public init(
    families: [FamilyImage], filter: [UInt64], generation: UInt64, isGracePending: Bool
  ) {
    self.families = families
    self.filter = filter
    self.generation = generation
    self.isGracePending = isGracePending
  }
}
