extension KnownObjects {
  /// The digest of known objects as `encode` wrote them, and how many there are: what their last
  /// line says. 64-bit FNV-1a: it tells accidents apart, not attacks.
  ///
  /// - Parameter bytes: the file, or its end.
  public static func digest(ofEncoded bytes: some BidirectionalCollection<UInt8>) -> (
    digest: String, count: Int
  )? {
    guard bytes.last == UInt8(ascii: "\n") else { return nil }
    let line = String(
      decoding: bytes.dropLast().reversed().prefix { $0 != UInt8(ascii: "\n") }.reversed(),
      as: UTF8.self)
    let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
    guard parts.count == 7, parts[1] == "checksum", parts[3].utf8.count == 16,
      parts[5] == "objects", let count = Int(parts[6].dropFirst().dropLast())
    else { return nil }
    return (String(parts[3]), count)
  }

  /// A digest of what was given to a command: of the objects in canonical JSON, sorted, whatever
  /// files they came in and in whatever order.
  public static func digest(ofInput objects: [ManifestObject]) -> String {
    var hash = StableHash()
    for object in objects.sortedByID() {
      hash.combine(object.json)
      hash.combine(CollectionOfOne(UInt8(ascii: "\n")))
    }
    return hash.text
  }

  /// The same for words, one per line.
  public static func digest(ofInput words: [String]) -> String {
    var hash = StableHash()
    for word in words { hash.combine((word + "\n").utf8) }
    return hash.text
  }

  /// Becomes what was known at another time (`rollback`).
  ///
  /// - Returns: what differs, sorted.
  public mutating func become(_ other: KnownObjects) -> ChangeSet {
    var result = ChangeSet()
    for (id, known) in other.objects {
      guard let old = objects[id] else {
        result.changes.append(ObjectChange(id: id, action: .created))
        continue
      }
      if old != known { result.changes.append(ObjectChange(id: id, action: .configured)) }
    }
    for id in objects.keys where other.objects[id] == nil {
      result.changes.append(ObjectChange(id: id, action: .deleted))
    }
    result.changes.sort { $0.id < $1.id }
    self = other
    return result
  }
}
