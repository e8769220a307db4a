/// One change that was made to the known objects, or to the table alone.
public struct HistoryEntry: Hashable, Sendable {
  /// That of the kernel's table after the change; each entry has a larger one than those before.
  public var generation: UInt64
  public var time: UTCTime
  /// `apply`, `apply --prune`, `delete`, `rollback to 12`; `found` for objects that were there
  /// before there was a history.
  public var command: String
  public var summary: ChangeSummary
  /// Digest of what was given, in canonical form.
  public var input: String
  /// Digest of the known objects after the change: the checksum in their file.
  public var objects: String
  /// How many objects are known after the change, and how many bytes their file has.
  public var objectCount: Int
  public var bytes: Int

  public init(
    generation: UInt64, time: UTCTime, command: String, summary: ChangeSummary, input: String,
    objects: String, objectCount: Int, bytes: Int
  ) {
    self.generation = generation
    self.time = time
    self.command = command
    self.summary = summary
    self.input = input
    self.objects = objects
    self.objectCount = objectCount
    self.bytes = bytes
  }
}

extension HistoryEntry {
  /// `name=value`, with blanks between them; the command is last, because it may have blanks.
  var line: String {
    func text(_ count: ChangeSummary.Count) -> String {
      "\(count.added),\(count.changed),\(count.removed)"
    }
    return "generation=\(generation) time=\(time) input=\(input) objects=\(objects)"
      + " count=\(objectCount) bytes=\(bytes) changed=\(text(summary.objects))"
      + " frontends=\(text(summary.frontends)) backends=\(text(summary.backends))"
      + " command=\(command)"
  }

  /// Names that are not known are passed over.
  init?(line: some StringProtocol) {
    var values: [String: String] = [:]
    var rest = Substring(line)
    while !rest.isEmpty {
      guard let equals = rest.firstIndex(of: "=") else { return nil }
      let name = String(rest[..<equals])
      rest = rest[rest.index(after: equals)...]
      let end = name == "command" ? rest.endIndex : rest.firstIndex(of: " ") ?? rest.endIndex
      values[name] = String(rest[..<end])
      rest = rest[end...].dropFirst()
    }
    func count(_ name: String) -> ChangeSummary.Count? {
      let numbers = values[name]?.split(separator: ",").compactMap { Int($0) } ?? []
      guard numbers.count == 3 else { return nil }
      return ChangeSummary.Count(added: numbers[0], changed: numbers[1], removed: numbers[2])
    }
    guard let generation = values["generation"].flatMap({ UInt64($0) }),
      let time = values["time"].flatMap({ UTCTime($0) }), let command = values["command"],
      let input = values["input"], let objects = values["objects"],
      let objectCount = values["count"].flatMap({ Int($0) }),
      let bytes = values["bytes"].flatMap({ Int($0) }), let changed = count("changed"),
      let frontends = count("frontends"), let backends = count("backends")
    else { return nil }
    var summary = ChangeSummary()
    (summary.objects, summary.frontends, summary.backends) = (changed, frontends, backends)
    self.init(
      generation: generation, time: time, command: command, summary: summary, input: input,
      objects: objects, objectCount: objectCount, bytes: bytes)
  }
}
