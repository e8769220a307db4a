public import ServiceMaps

/// What is known of each followed file: the objects of its last good version, and what is wrong
/// with the present one.
///
/// A file that cannot be used keeps the objects of its last good version; the others go on. One
/// object in two files is no problem as long as both say the same; otherwise the file that came
/// second is not used, until it or the other one changes.
public struct FollowedFiles: Sendable {
  /// What was found at a name.
  public enum Reading: Sendable {
    case decoded(DecodedManifests)
    /// It is there and cannot be read; the objects of the last good version stay.
    case unreadable(Diagnostic)
    case gone
  }

  /// What follows for the known objects.
  public struct Difference: Sendable {
    /// To be merged: new, or with other content.
    public var merged: [ManifestObject] = []
    /// No file has them any more.
    public var removed: [ObjectID] = []
    /// Files that are broken now and were not, or otherwise.
    public var broken: [String] = []
    /// Files that were broken and are not any more.
    public var mended: [String] = []

    public var isEmpty: Bool { merged.isEmpty && removed.isEmpty }
  }

  private struct File: Sendable {
    /// Of the last good version.
    var objects: [ManifestObject] = []
    var problems: [Diagnostic] = []
    /// The present version, which is good in itself and in conflict with others.
    var blocked: [ManifestObject]?
  }

  /// An object that is in force, and the files that have it.
  private struct Held: Sendable {
    var object: ManifestObject
    var files: [String]
  }

  private var files: [String: File] = [:]
  private var held: [ObjectID: Held] = [:]
  private var blocked: Set<String> = []
  private var brokenFiles: Set<String> = []
  private var undo = Undo()

  private struct Undo: Sendable {
    var files: [String: File?] = [:]
    var held: [ObjectID: Held?] = [:]
  }

  public init() {}

  public var fileCount: Int { files.count }
  public var objectCount: Int { held.count }
  public var names: some Sequence<String> { files.keys }
  public func contains(_ name: String) -> Bool { files[name] != nil }
  public var hasService: Bool { held.keys.contains { $0.kind == .service } }

  public func isBroken(_ name: String) -> Bool { brokenFiles.contains(name) }
  /// There is a file that cannot be used, and of which no earlier version is known.
  public var hasUnknown: Bool { brokenFiles.contains { files[$0]?.objects.isEmpty != false } }

  /// What is wrong with files, by name.
  public var problems: [(file: String, problems: [Diagnostic])] {
    brokenFiles.sorted().map { ($0, files[$0]?.problems ?? []) }
  }

  /// What a file has: those in force because of it.
  public func ids(of name: String) -> [ObjectID] { files[name]?.objects.map(\.object.id) ?? [] }

  /// All objects in force besides those that only these files have, in no order.
  public func objects(without excluded: Set<String>) -> [ManifestObject] {
    if excluded.isEmpty { return objects }
    return held.values.lazy.filter { !$0.files.allSatisfy(excluded.contains) }.map(\.object)
  }

  /// All objects in force, in no order.
  public var objects: [ManifestObject] { held.values.map(\.object) }

  public func object(_ id: ObjectID) -> ManifestObject? { held[id]?.object }

  /// For each file the objects that are in force because of it.
  public var record: [String: [ObjectID]] {
    files.mapValues { $0.objects.map(\.object.id) }.filter { !$0.value.isEmpty }
  }

  /// At the start: what a file had when somebody followed it last.
  public mutating func adopt(_ name: String, _ objects: [ManifestObject]) {
    var file = File()
    for object in objects where hold(object, by: name) { file.objects.append(object) }
    files[name] = file
  }

  // MARK: Changes

  /// Takes in what was found at some names.
  ///
  /// - Parameter refused: files whose objects were refused when they were merged, and why: they
  ///   keep their last good version.
  public mutating func take(
    _ readings: [String: Reading], refused: [String: [Diagnostic]] = [:]
  ) -> Difference {
    undo = Undo()
    var result = Difference()
    var wanted: [(name: String, objects: [ManifestObject])] = []
    for (name, reading) in readings {
      switch reading {
      case .gone: wanted.append((name, []))
      case .unreadable(let problem): setProblems([problem], of: name, blocked: nil, &result)
      case .decoded(let decoded):
        if decoded.hasErrors {
          setProblems(
            decoded.diagnostics.filter { $0.severity == .error }, of: name, blocked: nil, &result)
        } else {
          wanted.append((name, decoded.objects))
        }
      }
    }
    // Another file may have given up what they were in conflict about.
    for name in blocked where readings[name] == nil {
      if let objects = files[name]?.blocked { wanted.append((name, objects)) }
    }
    wanted.sort { $0.name < $1.name }
    var before: [ObjectID: ManifestObject] = [:]
    var touched: Set<ObjectID> = []
    for (name, objects) in wanted {
      for object in (files[name]?.objects ?? []) + objects
      where touched.insert(object.object.id).inserted {
        before[object.object.id] = held[object.object.id]?.object
      }
    }
    for (name, _) in wanted {
      for object in files[name]?.objects ?? [] { release(object.object.id, by: name) }
    }
    for (name, objects) in wanted { settle(name, objects, refused[name], readings, &result) }
    for id in touched.sorted() {
      if let now = held[id]?.object {
        if before[id]?.json != now.json { result.merged.append(now) }
      } else if before[id] != nil {
        result.removed.append(id)
      }
    }
    result.broken.sort()
    result.mended.sort()
    return result
  }

  /// What is to be served of one file, all others being as they are.
  private mutating func settle(
    _ name: String, _ objects: [ManifestObject], _ refused: [Diagnostic]?,
    _ readings: [String: Reading], _ result: inout Difference
  ) {
    remember(name)
    let problems = refused ?? conflicts(of: objects)
    if problems.isEmpty {
      for object in objects { _ = hold(object, by: name) }
      if case .gone? = readings[name] {
        setProblems([], of: name, blocked: nil, &result)
        files[name] = nil
      } else {
        files[name, default: File()].objects = objects
        setProblems([], of: name, blocked: nil, &result)
      }
      return
    }
    // The last good version stays, but for what another file has by now.
    let old = files[name]?.objects ?? []
    files[name, default: File()].objects = old.filter { hold($0, by: name) }
    setProblems(problems, of: name, blocked: objects, &result)
  }

  /// Said as `apply` says it.
  private func conflicts(of objects: [ManifestObject]) -> [Diagnostic] {
    objects.compactMap { object in
      guard let other = held[object.object.id]?.object, other.json != object.json else {
        return nil
      }
      return Diagnostic(
        .error, file: object.origin.file, document: object.origin.document,
        line: object.origin.line, object: label(of: object.object.id),
        "is in the input twice, with different content; first in \(other.origin.file):"
          + "\(other.origin.line) (document \(other.origin.document))")
    }
  }

  private func label(of id: ObjectID) -> String {
    id.name.namespace.isEmpty
      ? "\(id.kind.rawValue) \(id.name.name)" : "\(id.kind.rawValue) \(id.name)"
  }

  private mutating func setProblems(
    _ problems: [Diagnostic], of name: String, blocked objects: [ManifestObject]?,
    _ result: inout Difference
  ) {
    remember(name)
    let old = files[name]?.problems ?? []
    if problems != old {
      if problems.isEmpty { result.mended.append(name) } else { result.broken.append(name) }
    }
    files[name, default: File()].problems = problems
    files[name]?.blocked = objects
    note(name)
  }

  private mutating func note(_ name: String) {
    if files[name]?.blocked != nil { blocked.insert(name) } else { blocked.remove(name) }
    if files[name]?.problems.isEmpty == false {
      brokenFiles.insert(name)
    } else {
      brokenFiles.remove(name)
    }
  }

  // MARK: Who has an object

  /// - Returns: false when another file has it with other content.
  private mutating func hold(_ object: ManifestObject, by name: String) -> Bool {
    let id = object.object.id
    remember(id)
    guard let other = held[id] else {
      held[id] = Held(object: object, files: [name])
      return true
    }
    guard other.object.json == object.json else { return false }
    if !other.files.contains(name) { held[id]?.files.append(name) }
    return true
  }

  private mutating func release(_ id: ObjectID, by name: String) {
    remember(id)
    guard var found = held[id] else { return }
    found.files.removeAll { $0 == name }
    held[id] = found.files.isEmpty ? nil : found
  }

  // MARK: Back

  private mutating func remember(_ name: String) {
    if undo.files[name] == nil { undo.files[name] = .some(files[name]) }
  }

  private mutating func remember(_ id: ObjectID) {
    if undo.held[id] == nil { undo.held[id] = .some(held[id]) }
  }

  /// The last `take` is for good: what there was before it is forgotten.
  public mutating func keep() { undo = Undo() }

  /// As if the last `take` had not been; not after `keep`.
  public mutating func takeBack() {
    for (name, file) in undo.files {
      files[name] = file
      note(name)
    }
    for (id, object) in undo.held { held[id] = object }
    undo = Undo()
  }
}
