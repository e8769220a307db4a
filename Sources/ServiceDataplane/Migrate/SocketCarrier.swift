import BPFLoader

/// The records of sockets in maps of any layout, found by cookie as the programs do it:
/// Sources/bpf/lib/records.h.
private struct SocketTable {
  let records: MappedBytes
  let tags: MappedBytes
  let cookie: Int
  let port: Int
  let since: Int?
  let way: Int
  let wasFull: Int
  let ways: Int

  init(
    _ records: BPFMap, _ type: DataType, _ tags: BPFMap, _ tagType: DataType
  ) throws(DataplaneError) {
    guard let cookie = type.member("cookie"), cookie.type.size == 8, cookie.offset % 8 == 0,
      let port = type.member(["flow", "backend_port_be"]), port.type.size == 2,
      let way = tagType.member("way"), case .array(_, let ways) = way.type, way.type.size == ways,
      let wasFull = tagType.member("was_full"), wasFull.type.size == 1,
      records.maxEntries == tags.maxEntries * ways
    else { throw .notCarried("sockets", "its records are not found as this binary finds them") }
    self.cookie = cookie.offset
    self.port = port.offset
    since = type.member(["flow", "since"]).flatMap { $0.type.size == 4 ? $0.offset : nil }
    self.way = way.offset
    self.ways = ways
    self.wasFull = wasFull.offset
    (self.records, self.tags) = try bpf { () throws(BPFError) in
      (try MappedBytes(records), try MappedBytes(tags))
    }
  }

  private var sets: Int { tags.count }

  func cookie(at index: Int) -> UInt64 { records.acquire(at: index, offset: cookie) }

  func find(_ cookie: UInt64) -> Int? {
    (0..<ways).lazy.map { index(cookie, $0) }.first { self.cookie(at: $0) == cookie }
  }

  private func index(_ cookie: UInt64, _ way: Int) -> Int {
    way * sets + Int(cookie % UInt64(sets))
  }

  /// Every record that is taken.
  func all() -> [(index: Int, cookie: UInt64, bytes: [UInt8])] {
    (0..<records.count).compactMap { index in
      let cookie = cookie(at: index)
      guard cookie != 0 else { return nil }
      let bytes = records[index]
      return self.cookie(at: index) == cookie ? (index, cookie, bytes) : nil
    }
  }

  /// - Returns: nil when the set of this cookie is full.
  func insert(_ cookie: UInt64, _ bytes: [UInt8]) -> Int? {
    for way in 0..<ways {
      let index = index(cookie, way)
      guard records.exchange(0, for: cookie, at: index, offset: self.cookie) else { continue }
      fill(index, bytes)
      tags.publish(
        byte: 0x80 | UInt8(cookie / UInt64(sets) & 0x7f), at: Int(cookie % UInt64(sets)),
        offset: self.way + way)
      return index
    }
    return nil
  }

  /// Writes all but the cookie. Without a port meanwhile, so that no program believes half of it.
  func fill(_ index: Int, _ bytes: [UInt8]) {
    records.store([0, 0], at: index, offset: port)
    var parts = [(0, port), (port + 2, bytes.count)]
    if port < cookie {
      parts = [(0, port), (port + 2, cookie), (cookie + 8, bytes.count)]
    } else {
      parts = [(0, cookie), (cookie + 8, port), (port + 2, bytes.count)]
    }
    for (start, end) in parts where start < end {
      records.store(Array(bytes[start..<end]), at: index, offset: start)
    }
    for byte in 0..<2 {
      records.publish(byte: bytes[port + byte], at: index, offset: port + byte)
    }
  }

  /// As sock_release does it.
  func release(_ index: Int, _ cookie: UInt64) {
    guard self.cookie(at: index) == cookie else { return }
    tags.publish(byte: 0, at: index % sets, offset: way + index / sets)
    records.store([0, 0], at: index, offset: port)
    _ = records.exchange(cookie, for: 0, at: index, offset: self.cookie)
  }

  func copyFullMarks(from other: SocketTable) {
    // Where sets are others, any of them may be meant.
    let marked = (0..<other.tags.count).filter {
      other.tags.bytes(at: $0, offset: other.wasFull, count: 1) != [0]
    }
    guard !marked.isEmpty else { return }
    for set in other.tags.count == tags.count ? marked : Array(0..<tags.count) {
      tags.publish(byte: 1, at: set, offset: wasFull)
    }
  }
}

/// Carries the records of sockets over while programs write to the old and to the new ones.
final class SocketCarrier {
  private let change: MapChange
  private let old: SocketTable
  private let new: SocketTable
  /// What the old record was when it was last looked at, by cookie, and where the new one is.
  private var carried: [UInt64: (bytes: [UInt8], index: Int?)] = [:]

  init(
    _ change: MapChange, _ tags: MapChange, to records: BPFMap, _ newTags: BPFMap
  ) throws(DataplaneError) {
    self.change = change
    old = try SocketTable(
      change.old, change.oldTypes.value, tags.old, tags.oldTypes.value)
    new = try SocketTable(records, change.newTypes.value, newTags, tags.newTypes.value)
  }

  /// Copies what has changed since the last time.
  ///
  /// - Parameter isFirst: no program knows the new records; then each has to find room.
  func carry(isFirst: Bool = false) throws(DataplaneError) {
    for record in old.all() {
      let before = carried[record.cookie]
      if let before, before.bytes == record.bytes { continue }
      let bytes: [UInt8]
      do { bytes = try change.value.converted(record.bytes) } catch {
        throw change.failure(error.member)
      }
      let index: Int?
      if let found = new.find(record.cookie) {
        index = found
        if try isNewer(bytes, than: before?.bytes, at: found) { new.fill(found, bytes) }
      } else {
        index = new.insert(record.cookie, bytes)
        if index == nil && isFirst {
          throw .notCarried(change.name, "more sockets share a set than it has room for")
        }
      }
      carried[record.cookie] = (record.bytes, index)
    }
    new.copyFullMarks(from: old)
  }

  /// What a program wrote into the new record counts, unless the old one was written later.
  private func isNewer(
    _ bytes: [UInt8], than before: [UInt8]?, at index: Int
  ) throws(DataplaneError) -> Bool {
    let current = new.records[index]
    if let before { return try converted(before) == current }
    guard let since = new.since else { return false }
    func time(_ bytes: [UInt8]) -> UInt32 {
      let part = bytes[since..<since + 4]
      return (UInt16(1).littleEndian == 1 ? Array(part.reversed()) : Array(part))
        .reduce(0) { $0 << 8 | UInt32($1) }
    }
    return Int32(bitPattern: time(bytes) &- time(current)) > 0
  }

  private func converted(_ bytes: [UInt8]) throws(DataplaneError) -> [UInt8] {
    do { return try change.value.converted(bytes) } catch { throw change.failure(error.member) }
  }

  /// Gives back what was copied of sockets that were closed meanwhile. Once programs that know the
  /// new records run for every socket that is closed, and those that were running have ended.
  func releaseGone() {
    for (cookie, entry) in carried {
      guard let index = entry.index, old.find(cookie) == nil else { continue }
      new.release(index, cookie)
    }
  }
}

/// Carries session affinity over while programs write to the old and to the new map.
struct AffinityCarrier {
  let change: MapChange
  let new: BPFMap
  private let lastUsed: Int

  init(_ change: MapChange, to new: BPFMap) throws(DataplaneError) {
    self.change = change
    self.new = new
    lastUsed = try change.offsets("last_used").new
  }

  /// Of two entries for one client the one counts that was used last.
  func carry() throws(DataplaneError) {
    let (old, known) = try bpf { () throws(BPFError) in
      (try RawMap(change.old).all(), try RawMap(new).all())
    }
    var present: [[UInt8]: UInt64] = [:]
    for (key, value) in known { present[key] = time(value) }
    var keys: [UInt8] = []
    var values: [UInt8] = []
    for (key, value) in old {
      let newKey: [UInt8]
      let newValue: [UInt8]
      do {
        newKey = try change.key.converted(key)
        newValue = try change.value.converted(value)
      } catch { throw change.failure(error.member) }
      if let used = present[newKey], used >= time(newValue) { continue }
      keys += newKey
      values += newValue
    }
    try bpf { () throws(BPFError) in
      try RawMap(new).update(keys, values, count: keys.count / max(new.keySize, 1))
    }
  }

  private func time(_ value: [UInt8]) -> UInt64 {
    let part = value[lastUsed..<lastUsed + 8]
    return (UInt16(1).littleEndian == 1 ? Array(part.reversed()) : Array(part))
      .reduce(0) { $0 << 8 | UInt64($1) }
  }
}
