public import ServiceMaps

/// What a `socklb run` says of itself, for `socklb status`: one `name=value` per line.
public struct RunRecord: Hashable, Sendable {
  public struct BrokenFile: Hashable, Sendable {
    public var file: String
    public var problem: String

    public init(file: String, problem: String) {
      self.file = file
      self.problem = problem
    }
  }

  public var pid: Int32
  public var directory: String
  public var started: UTCTime
  /// When the table was changed last; nil: not yet.
  public var changed: UTCTime?
  public var files = 0
  public var objects = 0
  /// What keeps it from following; nil: nothing does.
  public var trouble: String?
  public var broken: [BrokenFile] = []

  public init(pid: Int32, directory: String, started: UTCTime) {
    self.pid = pid
    self.directory = directory
    self.started = started
  }

  public func encode() -> [UInt8] {
    var lines = [
      "pid=\(pid)", "directory=\(FollowRecord.escaped(directory))", "started=\(started)",
      "files=\(files)", "objects=\(objects)",
    ]
    if let changed { lines.append("changed=\(changed)") }
    if let trouble { lines.append("trouble=\(FollowRecord.escaped(trouble))") }
    for file in broken {
      lines.append("broken=\(FollowRecord.escaped(file.file))")
      lines.append("problem=\(FollowRecord.escaped(file.problem))")
    }
    return Array(lines.map { $0 + "\n" }.joined().utf8)
  }

  public init?(decoding bytes: [UInt8]) {
    var values: [String: String] = [:]
    broken = []
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      guard let equals = line.firstIndex(of: "=") else { return nil }
      let value = FollowRecord.unescaped(line[line.index(after: equals)...])
      switch line[..<equals] {
      case "broken": broken.append(BrokenFile(file: value, problem: ""))
      case "problem": if !broken.isEmpty { broken[broken.count - 1].problem = value }
      default: values[String(line[..<equals])] = value
      }
    }
    guard let pid = values["pid"].flatMap({ Int32($0) }), let directory = values["directory"],
      let started = values["started"].flatMap({ UTCTime($0) })
    else { return nil }
    self.pid = pid
    self.directory = directory
    self.started = started
    changed = values["changed"].flatMap { UTCTime($0) }
    files = values["files"].flatMap { Int($0) } ?? 0
    objects = values["objects"].flatMap { Int($0) } ?? 0
    trouble = values["trouble"]
  }
}
