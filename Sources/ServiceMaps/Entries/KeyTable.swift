import CServiceABI

/// What the maps `keys4` and `keys6` hold, as a value: for each frontend one word, in one of the two
/// buckets that the hash of its key names. `service_abi.h` says what is in a word.
///
/// A word stays where it was put for as long as its frontend is there, so a program that looks for
/// it finds it, whatever is written meanwhile.
public struct KeyTable: Hashable, Sendable {
  /// Drawn at random for each set of maps, so that nobody can choose addresses that all belong into
  /// the same buckets.
  public let seed: UInt64
  /// Bucket after bucket, without the first one, which holds seed and mask; 0: free.
  public private(set) var words: [UInt64]

  private static let ways = Int(SVC_KEY_WAYS)
  private static let indexMask = UInt64(1) << UInt64(SVC_KEY_INDEX_BITS) - 1

  /// Empty.
  public init(seed: UInt64, buckets: Int) {
    self.init(seed: seed, words: [UInt64](repeating: 0, count: buckets * KeyTable.ways))
  }

  /// - Parameter words: of a power of two of buckets.
  public init(seed: UInt64, words: [UInt64]) {
    self.seed = seed
    self.words = words
  }

  /// How many buckets there are for so many frontends. With a quarter of the ways in use, 997 of
  /// 1000 keys are in their first bucket, and none of a million tables was without a free way for a
  /// key; with half of them it was one of a thousand.
  public static func buckets(for frontends: Int) -> Int {
    var count = 64
    while count * ways < 4 * frontends { count *= 2 }
    return count
  }

  /// As bucket 0 has it.
  public var mask: UInt64 { UInt64(words.count / KeyTable.ways - 1) }

  /// Where in the map the word at a position of `words` is.
  public static func place(of position: Int) -> (bucket: UInt32, offset: Int) {
    (UInt32(1 + position / ways), position % ways * MemoryLayout<UInt64>.size)
  }

  /// The index that a word leads to.
  public static func index(in word: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: word & indexMask)
  }

  /// The positions of the first or the second bucket of a hash.
  private func positions(_ hash: UInt64, second: Bool) -> Range<Int> {
    let first = (Int(svc_key_bucket_of(hash, mask, second ? 1 : 0)) - 1) * KeyTable.ways
    return first..<first + KeyTable.ways
  }

  /// Where the word of this frontend is; nil when it is not where a program would find it.
  public func position(of key: FrontendKey, index: UInt32) -> Int? {
    let hash = key.hash(seed: seed)
    let word = KeyTable.word(hash, index)
    return positions(hash, second: false).first { words[$0] == word }
      ?? positions(hash, second: true).first { words[$0] == word }
  }

  private static func word(_ hash: UInt64, _ index: UInt32) -> UInt64 {
    (hash | SVC_KEY_USED) & ~indexMask | UInt64(index)
  }

  /// Takes a free way for a frontend: one of its first bucket, unless that is nearly full and the
  /// other is not.
  ///
  /// - Returns: the position of its word; nil when none of its ways is free.
  public mutating func insert(_ key: FrontendKey, index: UInt32) -> Int? {
    let hash = key.hash(seed: seed)
    var bucket = positions(hash, second: false)
    let used = bucket.count { words[$0] != 0 }
    if used > KeyTable.ways - 3 {
      let other = positions(hash, second: true)
      if other.count(where: { words[$0] != 0 }) < used { bucket = other }
    }
    guard let position = bucket.first(where: { words[$0] == 0 }) else { return nil }
    words[position] = KeyTable.word(hash, index)
    return position
  }

  /// The positions where a program looks for this key, in its order: sixteen, or eight when the
  /// two buckets are one.
  public func ways(for key: FrontendKey) -> [Int] {
    let hash = key.hash(seed: seed)
    let first = positions(hash, second: false)
    let second = positions(hash, second: true)
    return first == second ? Array(first) : Array(first) + Array(second)
  }

  /// Those of them where it reads on: at the first whose frontend has the key it has found it.
  func candidates(for key: FrontendKey) -> [Int] {
    let hash = key.hash(seed: seed)
    return ways(for: key).filter { svc_key_may_be(words[$0], hash) != 0 }
  }

  /// Of two indexes that both have this key, which one programs find.
  func finds(
    _ one: UInt32, before other: UInt32, for key: FrontendKey
  ) -> (found: UInt32, hidden: UInt32) {
    for position in candidates(for: key) {
      let index = KeyTable.index(in: words[position])
      if index == one { return (one, other) }
      if index == other { return (other, one) }
    }
    return (one, other)
  }

  /// A word, or 0.
  public mutating func store(_ word: UInt64, at position: Int) { words[position] = word }
}

extension FrontendKey {
  /// As the programs hash it.
  func hash(seed: UInt64) -> UInt64 {
    func word(_ half: UInt64, _ shift: UInt64) -> UInt32 {
      UInt32(truncatingIfNeeded: half >> shift).bigEndian
    }
    func pair(_ half: UInt64) -> UInt64 { UInt64(word(half, 32)) << 32 | UInt64(word(half, 0)) }
    let port = svc_key_port(port.number.bigEndian, transport.rawValue)
    return address.family == .v4
      ? svc_key_hash4(seed, word(address.low, 0), port)
      : svc_key_hash6(seed, pair(address.high), pair(address.low), port)
  }
}
