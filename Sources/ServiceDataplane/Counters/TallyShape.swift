package import BPFLoader
import CServiceABI

/// How large the maps of tallies are, and what programs have to know of it.
package enum TallyShape {
  private static let block = Int(SVC_TALLY_BLOCK)
  private static let wordsOfBlock = Int(SVC_TALLY_WORDS)

  /// A power of two: one for each processor, as far as that goes.
  private static var wantedStripes: Int {
    var stripes = 1
    while stripes < min(Processors.possible, Int(SVC_TALLY_STRIPES)) { stripes *= 2 }
    return stripes
  }

  package static func wordsOfStripe(_ ids: Int) -> Int { (ids + block - 1) / block * wordsOfBlock }

  /// How many stripes maps of this size have.
  package static func stripes(entries: Int, ids: Int) -> Int {
    var stripes = 1
    while stripes * 2 * wordsOfStripe(max(ids, 1)) <= entries { stripes *= 2 }
    return stripes
  }

  package static func firstID(ofWord index: Int, stripes: Int) -> Int {
    index / wordsOfBlock / stripes * block + index % wordsOfBlock * 8
  }

  /// Makes room for tallies of all endpoint ids that the object has room for.
  static func size(_ object: borrowing OpenObject, family: String) throws(BPFError) {
    let ids = object.maxEntries(ofMap: "endpoints" + family) ?? 0
    try object.setMaxEntries(wantedStripes * wordsOfStripe(ids), ofMap: "tallies" + family)
  }

  /// Tells programs how many stripes there are, in maps that are made and in those that are there.
  /// Both families have as many. When all maps are sized or chosen.
  package static func tell(_ object: borrowing OpenObject) throws(BPFError) {
    let counts = ["4", "6"].map { family in
      stripes(
        entries: object.maxEntries(ofMap: "tallies" + family) ?? 0,
        ids: object.maxEntries(ofMap: "endpoints" + family) ?? 0)
    }
    guard let stripes = counts.first, counts.allSatisfy({ $0 == stripes }) else {
      throw BPFError(
        .layoutMismatch, "the maps tallies4 and tallies6 have \(counts) stripes",
        remedy: "`socklb detach` and `socklb attach`")
    }
    try object.setConstant(UInt32(stripes - 1), inSection: "tally")
  }
}
