import BPFLoader
import CServiceABI
import ServiceMaps

/// What the header says about maps and programs that take the place of others.
extension KernelTables {
  private static let mapSetOffset = MemoryLayout<svc_header>.offset(of: \.map_set) ?? 44
  private static let grownAtOffset = MemoryLayout<svc_header>.offset(of: \.grown_at) ?? 48
  private static let versionOffset = MemoryLayout<svc_header>.offset(of: \.version) ?? 56
  private static let switchingOffset = MemoryLayout<svc_header>.offset(of: \.switching) ?? 60

  /// Links are being given other programs, or a command that did so was killed.
  public var isSwitching: Bool { header[0].switching != 0 }

  func setSwitching(_ value: Bool) {
    header.store(value ? 1 : 0, at: 0, offset: Self.switchingOffset)
  }

  /// The release whose programs are attached.
  public var version: ReleaseVersion { ReleaseVersion(packed: header[0].version) }

  func setVersion(_ version: ReleaseVersion) {
    header.store(version.packed, at: 0, offset: Self.versionOffset)
  }

  /// Seconds since 1970; nil: the maps have the sizes that attach gave them.
  public var grownAt: UInt64? {
    let time = header.acquire(at: 0, offset: Self.grownAtOffset)
    return time == 0 ? nil : time
  }

  func setGrownAt(_ seconds: UInt64) {
    header.publish(seconds, at: 0, offset: Self.grownAtOffset)
  }

  /// Larger maps have taken the place of these since they were opened: what is read may be old.
  var isReplaced: Bool { header[0].map_set != mapSet }

  /// From now on nobody trusts what he reads of maps that he opened before.
  func raiseMapSet() {
    header.store(header[0].map_set &+ 1, at: 0, offset: Self.mapSetOffset)
  }

  /// Writes what the maps of another set hold. No program may reach these yet, nobody may write
  /// to those.
  func copy(from other: KernelTables) throws(BPFError) {
    try v4.copy(from: other.v4)
    try v6.copy(from: other.v6)
  }

  /// Once no program counts into the maps of `other` any more: what was counted there goes on
  /// to be counted. Doing it again makes no difference.
  func takeOverCounters(from other: KernelTables) throws(BPFError) {
    try v4.takeOverCounters(from: other.v4)
    try v6.takeOverCounters(from: other.v6)
  }
}

extension FamilyTables {
  fileprivate func copy(from other: FamilyTables) throws(BPFError) {
    frontends.copy(from: other.frontends)
    lists.copy(from: other.lists)
    slots.copy(from: other.slots)
    endpoints.copy(from: other.endpoints)
    policies.copy(from: other.policies)
    try copyKeys(from: other)
    guards.initialize()
    try guards.insert(other.guards.read().addresses.sorted())
    try kept.copy(from: other.kept)
    services.copy(from: other.services)
    try names.copy(from: other.names)
    try ranges.copy(from: other.ranges)
    // Not what programs count there themselves.
    try past.copy(from: other.past)
  }

  /// Indexes stay, and where the words are is found anew.
  private func copyKeys(from other: FamilyTables) throws(BPFError) {
    let old = other.readKeys()
    var table = KeyTable(seed: .random(in: 0 ... .max), buckets: keys.count - 1)
    for (position, word) in old.words.enumerated() where word != 0 {
      let index = KeyTable.index(in: word)
      guard Int(index) < other.frontends.count, let record = Wire.record(other.frontends[index]),
        old.position(of: record.key, index: index) == position
      else { continue }
      if table.insert(record.key, index: index) == nil {
        throw BPFError(
          .failed, "the keys of frontends crowd together in the map keys\(Wire.family.rawValue)",
          remedy: "try again: others will")
      }
    }
    initialize(table)
  }
}
