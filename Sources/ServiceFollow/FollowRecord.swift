public import ServiceMaps

/// Which known objects are there because of which followed file: what the next start has to know,
/// to take away what was removed meanwhile and to keep what a broken file had.
public struct FollowRecord: Hashable, Sendable {
  /// The directory that is followed.
  public var directory: String
  public var files: [String: [ObjectID]]

  public init(directory: String, files: [String: [ObjectID]]) {
    self.directory = directory
    self.files = files
  }

  /// What is in either: while objects are being replaced on disk, both may be there.
  public func union(_ other: FollowRecord?) -> FollowRecord {
    guard let other else { return self }
    var result = self
    for (name, ids) in other.files {
      guard let mine = result.files[name] else {
        result.files[name] = ids
        continue
      }
      let known = Set(mine)
      result.files[name] = mine + ids.filter { !known.contains($0) }
    }
    return result
  }

  /// A line for the directory, one for each file, and below it one for each of its objects; the
  /// same value, the same bytes.
  public func encode() -> [UInt8] {
    var text = "directory \(Self.escaped(directory))\n"
    for (name, ids) in files.sorted(by: { $0.key < $1.key }) {
      text += "file \(Self.escaped(name))\n"
      for id in ids.sorted() {
        text += "  \(id.kind.rawValue) \(id.name.namespace)/\(id.name.name)\n"
      }
    }
    return Array(text.utf8)
  }

  /// nil when it is damaged: then nothing is known, and nothing is taken away because of it.
  public init?(decoding bytes: [UInt8]) {
    let lines = String(decoding: bytes, as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: true)
    guard let first = lines.first, first.hasPrefix("directory ") else { return nil }
    directory = Self.unescaped(first.dropFirst("directory ".count))
    files = [:]
    var name: String?
    for line in lines.dropFirst() {
      if line.hasPrefix("file ") {
        let next = Self.unescaped(line.dropFirst("file ".count))
        files[next] = []
        name = next
        continue
      }
      let parts = line.drop { $0 == " " }.split(separator: " ", maxSplits: 1)
      guard let name, parts.count == 2, let kind = ObjectKind(rawValue: String(parts[0])),
        let slash = parts[1].firstIndex(of: "/")
      else { return nil }
      files[name]?.append(
        ObjectID(
          kind: kind,
          name: NamespacedName(
            namespace: String(parts[1][..<slash]),
            name: String(parts[1][parts[1].index(after: slash)...]))))
    }
  }

  static func escaped(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 == 10 || $0 == 13 || $0 == 92 }) else { return text }
    return text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
      .replacing("\r", with: "\\r")
  }

  static func unescaped(_ text: some StringProtocol) -> String {
    var result = ""
    var isEscaped = false
    for character in text.unicodeScalars {
      if isEscaped {
        result.unicodeScalars.append(
          character == "n" ? "\n" : character == "r" ? "\r" : character)
        isEscaped = false
      } else if character == "\\" {
        isEscaped = true
      } else {
        result.unicodeScalars.append(character)
      }
    }
    return result
  }
}
