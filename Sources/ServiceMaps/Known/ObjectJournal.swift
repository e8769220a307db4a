/// What has changed since the known objects were stored whole: batches that are appended, so that a
/// change costs what it changes and not what there is.
///
///     {"format":"socklb journal","version":1,"objects":"9f…"}       of which objects (their checksum)
///     {"batch":2,"checksum":"1c…"}                                  of the lines that follow
///     {"object":{…}}                                                as in `objects`: it is this now
///     {"gone":"Service","namespace":"shop","name":"web"}
///
/// A batch counts whole or not at all: the end of a file that was being written when the power went is
/// passed over.
public enum ObjectJournal {
  private static let newline = UInt8(ascii: "\n")

  /// The first line.
  ///
  /// - Parameter digest: of the objects that the batches change.
  public static func header(_ digest: String) -> [UInt8] {
    Array("{\"format\":\"socklb journal\",\"version\":1,\"objects\":\"\(digest)\"}\n".utf8)
  }

  /// - Parameter changes: what objects are now; nil: they are gone.
  public static func batch(_ changes: [ObjectID: KnownObject?]) -> [UInt8] {
    var lines: [UInt8] = []
    for (id, object) in changes.sorted(by: { $0.key < $1.key }) {
      if let object {
        KnownObjects.append(object, to: &lines)
      } else {
        lines += goneLine(id)
      }
    }
    return Array("{\"batch\":\(changes.count),\"checksum\":\"\(checksum(lines[...]))\"}\n".utf8)
      + lines
  }

  /// Makes the changes of a journal.
  ///
  /// - Parameters:
  ///   - known: what was stored whole, with this digest.
  /// - Returns: how many batches there were; nil when the journal belongs to other objects.
  public static func replay(
    _ journal: [UInt8], on known: inout KnownObjects, digest: String,
    decode: (_ json: [UInt8]) -> KubernetesObject? = decodeObject
  ) -> Int? {
    let header = header(digest)
    guard journal.starts(with: header) else { return nil }
    var rest = journal[header.count...]
    var batches = 0
    while let batch = nextBatch(&rest, decode) {
      known.follow(batch)
      batches += 1
    }
    return batches
  }

  /// nil at the end, and where what follows is not whole.
  private static func nextBatch(
    _ rest: inout ArraySlice<UInt8>, _ decode: ([UInt8]) -> KubernetesObject?
  ) -> [ObjectID: KnownObject?]? {
    var position = rest
    guard let line = takeLine(&position) else { return nil }
    let text = String(decoding: line, as: UTF8.self)
    let parts = text.split(separator: "\"", omittingEmptySubsequences: false)
    // {"batch":2,"checksum":"1c…"}
    guard parts.count == 7, let count = Int(parts[2].dropFirst().dropLast()),
      text == "{\"batch\":\(count),\"checksum\":\"\(parts[5])\"}"
    else { return nil }
    let start = position
    var changes: [ObjectID: KnownObject?] = [:]
    for _ in 0..<max(count, 0) {
      guard let line = takeLine(&position) else { return nil }
      if let id = gone(line) {
        changes[id] = .some(nil)
      } else if let object = KnownObjects.object(ofLine: line, decode: decode) {
        changes[object.object.id] = object
      } else {
        return nil
      }
    }
    guard checksum(start[..<position.startIndex]) == parts[5] else { return nil }
    rest = position
    return changes
  }

  private static func takeLine(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard let end = rest.firstIndex(of: newline) else { return nil }
    defer { rest = rest[(end + 1)...] }
    return rest[..<end]
  }

  /// Kinds, namespaces and names have nothing in them that would be escaped.
  private static func goneLine(_ id: ObjectID) -> [UInt8] {
    Array(
      ("{\"gone\":\"\(id.kind.rawValue)\",\"namespace\":\"\(id.name.namespace)\","
        + "\"name\":\"\(id.name.name)\"}\n").utf8)
  }

  private static func gone(_ line: ArraySlice<UInt8>) -> ObjectID? {
    guard line.starts(with: "{\"gone\":".utf8) else { return nil }
    let parts = String(decoding: line, as: UTF8.self)
      .split(separator: "\"", omittingEmptySubsequences: false)
    guard parts.count == 13, let kind = ObjectKind(rawValue: String(parts[3])) else { return nil }
    return ObjectID(
      kind: kind, name: NamespacedName(namespace: String(parts[7]), name: String(parts[11])))
  }

  private static func checksum(_ bytes: ArraySlice<UInt8>) -> String {
    var hash = StableHash()
    hash.combine(bytes)
    return hash.text
  }
}
