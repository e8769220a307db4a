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
  /// is there. While programs count it may be too little by what a byte gives away, never too much.
  func add(to sums: inout [UInt64]) throws(BPFError) {
    // First: what a byte gives away meanwhile is in neither, rather than in both.
    for (id, sum) in try readFull() where Int(id) < sums.count { sums[Int(id)] &+= sum }
    words.refresh()
    for (index, word) in words.words(from: 0).enumerated() where word != 0 {
      let first = TallyShape.firstID(ofWord: index, stripes: Int(stripes))
      for byte in 0..<8 where first + byte < sums.count {
        sums[first + byte] &+= word >> (UInt64(byte) * 8) & 0xff
      }
    }
    try words.checkReads()
  }

  /// Each id once: who walks over a trie while others delete from it may be sent back to its begin.
  private func readFull() throws(BPFError) -> [UInt32: UInt64] {
    Dictionary(try full.all().map { ($0.key.endpoint, $0.value) }) { $1 }
  }

  /// Begins anew. No program counts for these ids any more, but for others in the same words.
  func clear(_ cleared: [UInt32]) throws(BPFError) {
    guard !cleared.isEmpty else { return }
    for id in cleared where Int(id) < ids {
      for stripe in 0..<stripes { clear(byteOf: id, svc_tally_word(id, stripe, stripes)) }
    }
    let keys = cleared.map { svc_tally_key(prefix_length: 32, endpoint: $0) }
    try full.delete(fewOf: keys) { $0.endpoint }
  }

  private func clear(byteOf id: UInt32, _ word: UInt32) {
    let mask = ~(UInt64(0xff) << UInt64(svc_tally_shift(id)))
    while true {
      let old = words.acquire(at: word)
      if old & ~mask == 0 || words.exchange(old, for: old & mask, at: word) { return }
    }
  }
}
