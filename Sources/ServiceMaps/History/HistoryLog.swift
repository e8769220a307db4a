/// The changes that were made, oldest first.
///
/// The file has one line per entry, each with a checksum of its own: what is damaged costs the
/// lines that are damaged, and no more.
public struct HistoryLog: Hashable, Sendable {
  public private(set) var entries: [HistoryEntry] = []
  /// How many lines were not readable.
  public private(set) var damaged = 0

  /// Entries beyond this are forgotten, oldest first.
  public static let longest = 200

  public init() {}

  /// - Precondition: the entry's generation is larger than that of every other one.
  public mutating func append(_ entry: HistoryEntry) {
    entries.append(entry)
    entries.removeFirst(max(0, entries.count - HistoryLog.longest))
  }

  public subscript(generation: UInt64) -> HistoryEntry? {
    entries.last { $0.generation == generation }
  }

  // MARK: Encoding

  public func encode() -> [UInt8] {
    Array(entries.map { HistoryLog.checked($0.line) + "\n" }.joined().utf8)
  }

  public init(decoding bytes: [UInt8]) {
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      guard let text = HistoryLog.unchecked(line), let entry = HistoryEntry(line: text),
        entry.generation > entries.last?.generation ?? 0
      else {
        damaged += 1
        continue
      }
      entries.append(entry)
    }
  }

  static func checked(_ text: String) -> String {
    var hash = StableHash()
    hash.combine(text.utf8)
    return "checksum=\(hash.text) \(text)"
  }

  /// nil when the text is not what was checked.
  static func unchecked(_ line: some StringProtocol) -> String? {
    let text = String(line.dropFirst("checksum=".count + 17))
    return checked(text) == line ? text : nil
  }

  // MARK: Retention

  /// How many past generations are kept, and how many bytes their objects may have together.
  public struct Retention: Hashable, Sendable {
    public var generations: Int
    public var bytes: Int

    public static let standardGenerations = 10
    public static let standardBytes = 256 << 20

    public init(
      generations: Int = standardGenerations, bytes: Int = standardBytes
    ) {
      self.generations = generations
      self.bytes = bytes
    }
  }

  /// The generations whose objects are kept: the newest, and those before it as far as numbers
  /// and bytes allow; of these one at least, unless none is wanted.
  public func kept(_ retention: Retention) -> Set<UInt64> {
    guard let newest = entries.last else { return [] }
    var result: Set<UInt64> = [newest.generation]
    // Equal objects are mostly one file with several names.
    var seen: Set<String> = [newest.objects]
    var bytes = 0
    for (i, entry) in entries.dropLast().reversed().prefix(retention.generations).enumerated() {
      if seen.insert(entry.objects).inserted { bytes += entry.bytes }
      if bytes > retention.bytes && i > 0 { break }
      result.insert(entry.generation)
    }
    return result
  }
}

/// What a writer is about to do, written down before it does it: when it is killed, the next one
/// can say what was done.
public struct PendingChange: Hashable, Sendable {
  /// Its generation is not known yet.
  public var entry: HistoryEntry
  /// Digest of the objects before the change.
  public var before: String
  /// The settings that go with the change.
  public var settings: [String: String]

  public init(entry: HistoryEntry, before: String, settings: [String: String]) {
    self.entry = entry
    self.before = before
    self.settings = settings
  }

  public func encode() -> [UInt8] {
    let lines =
      ["before=\(before)", entry.line]
      + settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    return Array(lines.map { HistoryLog.checked($0) + "\n" }.joined().utf8) + "end\n".utf8
  }

  /// nil when it is not whole: its writer was killed before it did anything.
  public init?(decoding bytes: [UInt8]) {
    var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    guard lines.popLast() == "end" else { return nil }
    let texts = lines.compactMap { HistoryLog.unchecked($0) }
    guard texts.count == lines.count, texts.count >= 2, texts[0].hasPrefix("before="),
      let entry = HistoryEntry(line: texts[1])
    else { return nil }
    self.init(entry: entry, before: String(texts[0].dropFirst(7)), settings: [:])
    for text in texts[2...] {
      guard let equals = text.firstIndex(of: "=") else { return nil }
      settings[String(text[..<equals])] = String(text[text.index(after: equals)...])
    }
  }

  /// Whether this is what led to what is on disk now.
  public func hasHappened(objects: String?, settings: [String: String]) -> Bool {
    entry.objects == objects && (before != objects || settings == self.settings)
  }
}
