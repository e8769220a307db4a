/// Objects that were read already, for a reader of the known objects, which are sorted too: both are
/// gone through once, side by side.
struct SortedObjects {
  private let objects: [ManifestObject]
  private var next = 0

  init(_ objects: [ManifestObject]) { self.objects = objects.sortedByID() }

  /// The object that comes next, if it has this canonical JSON: then it is this one.
  mutating func object(withJSON json: ArraySlice<UInt8>) -> ManifestObject? {
    guard next < objects.count, objects[next].json[...] == json else { return nil }
    next += 1
    return objects[next - 1]
  }

  /// Another one is known, or known otherwise.
  mutating func pass(_ id: ObjectID) {
    while next < objects.count, objects[next].object.id <= id { next += 1 }
  }
}

extension [ManifestObject] {
  private struct Key: Comparable {
    var id: ObjectID
    var position: Int

    static func < (a: Key, b: Key) -> Bool { a.id < b.id }
  }

  /// By kind, namespace and name.
  func sortedByID() -> [ManifestObject] {
    var keys = enumerated().map { Key(id: $1.object.id, position: $0) }
    if zip(keys, keys.dropFirst()).allSatisfy({ $0.id <= $1.id }) { return self }
    keys.sort()
    return keys.map { self[$0.position] }
  }
}
