/// What was applied and not deleted since: the input from which the table is computed.
///
/// A value: `merge` and `delete` change it or, when they refuse, leave it as it was. Reading
/// and writing the file is somebody else's; `encode` and `init(decoding:)` give the bytes.
public struct KnownObjects: Hashable, Sendable {
  public internal(set) var objects: [ObjectID: KnownObject] = [:]

  public init() {}

  public var count: Int { objects.count }
  public var isEmpty: Bool { objects.isEmpty }

  public subscript(id: ObjectID) -> KnownObject? { objects[id] }

  /// By kind, namespace and name.
  public var sortedIDs: [ObjectID] {
    var byKind: [ObjectKind: [NamespacedName]] = [:]
    for id in objects.keys { byKind[id.kind, default: []].append(id.name) }
    return byKind.keys.sorted().flatMap { kind in
      byKind[kind, default: []].sorted().map { ObjectID(kind: kind, name: $0) }
    }
  }
}
