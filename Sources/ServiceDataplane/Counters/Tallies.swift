import BPFLoader
import CServiceABI

/// What each endpoint id of one family was given: `tallies` and `full_tallies`.
struct Tallies: Sendable {
  private let words: MappedArray<UInt64>
  private let full: HashMap<svc_tally_key, UInt64>
  /// How many bytes each endpoint id has.
  private let stripes: UInt32
  /// How many endpoint ids there are.
  private let ids: Int

  init(words: BPFMap, full: BPFMap, ids: Int) throws(BPFError) {
    self.words = try MappedArray(words)
    self.full = try HashMap(full)
    self.ids = ids
    stripes = UInt32(TallyShape.stripes(entries: words.maxEntries, ids: ids))
  }

  /// By endpoint id, for those ids that were given something since they were cleared. Adds to what
  /// is there.
  func add(to sums: inout [UInt64]) throws(BPFError) {
    words.refresh()
    for (index, word) in words.words(from: 0).enumerated() where word != 0 {
      let first = TallyShape.firstID(ofWord: index, stripes: Int(stripes))
      for byte in 0..<8 where first + byte < sums.count {
        sums[first + byte] &+= word >> (UInt64(byte) * 8) & 0xff
      }
    }
    try words.checkReads()
    for (key, sum) in try full.all() where Int(key.endpoint) < sums.count {
      sums[Int(key.endpoint)] &+= sum
    }
  }

  /// Begins anew. No program counts for these ids any more, but for others in the same words.
  func clear(_ cleared: [UInt32]) throws(BPFError) {
    guard !cleared.isEmpty else { return }
    for id in cleared where Int(id) < ids {
      for stripe in 0..<stripes { clear(byteOf: id, svc_tally_word(id, stripe, stripes)) }
    }
    if try !full.isEmpty {
      try full.delete(cleared.map { svc_tally_key(prefix_length: 32, endpoint: $0) })
    }
  }

  private func clear(byteOf id: UInt32, _ word: UInt32) {
    let mask = ~(UInt64(0xff) << UInt64(svc_tally_shift(id)))
    while true {
      let old = words.acquire(at: word)
      if old & ~mask == 0 || words.exchange(old, for: old & mask, at: word) { return }
    }
  }
}
