/// A reason to give up a document.
struct TextFailure: Error {
  var line: Int?
  var path: String?
  var message: String
}

/// Takes the values of a file in the order of the text and lays them out in an arena.
///
/// What both formats have in common is checked here: depth, size, keys, aliases.
struct TreeBuilder {
  /// A container that is not complete yet.
  struct Frame: BitwiseCopyable {
    var record: Int
    var isMapping: Bool
    var hasMergeKey = false
    var hasAnchor = false
    /// Children so far; in a mapping keys and values both count.
    var count = 0
    /// Where the keys of this mapping begin in `keys`.
    var firstKey: Int
    /// Levels below, and values altogether, aliases followed.
    var height = 0
    var size = 1

    var expectsKey: Bool { isMapping && count % 2 == 0 }
  }

  private struct Anchor {
    var record: Int
    var height = 0
    var size = 0
    var isComplete = false
  }

  let limits: TextLimits
  /// The file, where scalars may be left in it; empty otherwise.
  let source: [UInt8]
  /// The text of the scalars that are not left in `source`.
  var text: [UInt8] = []
  var problems: ProblemList
  var records: [NodeRecord] = []
  var frames: [Frame] = []
  /// The keys of all open mappings, one after the other.
  var keys: [Int] = []
  /// The keys of large open mappings, by hash.
  var keysByHash: [Int: [Int: [Int]]] = [:]

  private var roots: [(document: Int, record: Int)] = []
  private var anchors: [String: Anchor] = [:]
  private var openAnchors: [String] = []
  private var document = 0
  private var firstRecord = 0
  private var expanded = 0

  init(source: [UInt8] = [], limits: TextLimits) {
    self.source = source
    self.limits = limits
    problems = ProblemList(limit: limits.problems)
  }

  /// Makes room for as many values as a file of this size usually has, about one in nine bytes;
  /// memory that is not used then is never touched.
  mutating func reserve(forBytes count: Int) {
    records.reserveCapacity(min(count / 8, limits.nodes))
  }

  /// - Parameters:
  ///   - linesBefore, documentsBefore: in the file, in front of what was read here.
  consuming func finish(linesBefore: Int = 0, documentsBefore: Int = 0) -> ParsedText {
    let arena = TextArena(
      records: records, source: source, text: text, linesBefore: linesBefore)
    return ParsedText(
      documents: roots.map {
        TextDocument(index: documentsBefore + $0.document, root: TextNode(arena, $0.record))
      },
      problems: problems.all)
  }

  var documentCount: Int { roots.count }

  // MARK: Documents

  /// - Returns: whether there may be one more.
  mutating func beginDocument(_ index: Int) -> Bool {
    if problems.isHopeless { return false }
    if roots.count >= limits.documents {
      problems.add(TextProblem("more than \(limits.documents) documents in one file"))
      return false
    }
    document = index
    firstRecord = records.count
    expanded = 0
    frames.removeAll(keepingCapacity: true)
    keys.removeAll(keepingCapacity: true)
    keysByHash.removeAll()
    anchors.removeAll()
    openAnchors.removeAll()
    return true
  }

  mutating func endDocument() {
    if records.count > firstRecord { roots.append((document, firstRecord)) }
  }

  /// Forgets what was read of the document, and says why.
  mutating func abandonDocument(_ failure: TextFailure) {
    records.removeSubrange(firstRecord...)
    problems.add(
      TextProblem(document: document, line: failure.line, path: failure.path, failure.message))
  }

  /// Says what is wrong with the value that comes next; the document goes on.
  mutating func report(line: Int, _ message: String) {
    problems.add(TextProblem(document: document, line: line, path: path, message))
  }

  func failure(line: Int, _ message: String) -> TextFailure {
    TextFailure(line: line, path: path, message: message)
  }

  // MARK: Values

  mutating func scalar(
    _ kind: TextKind, flags: UInt8 = 0, at start: Int, length: Int, line: Int,
    anchor: String? = nil
  ) throws(TextFailure) {
    try append(
      NodeRecord(
        kind: kind, flags: flags, line: UInt32(truncatingIfNeeded: line),
        start: UInt32(truncatingIfNeeded: start), length: UInt32(truncatingIfNeeded: length)))
    if let anchor {
      anchors[anchor] = Anchor(record: records.count - 1, size: 1, isComplete: true)
    }
    try attach(records.count - 1, height: 0, size: 1)
  }

  mutating func begin(
    _ kind: TextKind, line: Int, anchor: String? = nil
  ) throws(TextFailure) {
    if frames.count >= limits.depth {
      throw TextFailure(line: line, message: "more than \(limits.depth) levels deep")
    }
    if let frame = frames.last, frame.expectsKey {
      throw failure(line: line, "\(kind) cannot be a key; a key must be a string")
    }
    try append(
      NodeRecord(
        kind: kind, flags: 0, line: UInt32(truncatingIfNeeded: line), start: 0, length: 0))
    var frame = Frame(record: records.count - 1, isMapping: kind == .mapping, firstKey: keys.count)
    if let anchor {
      anchors[anchor] = Anchor(record: frame.record)
      openAnchors.append(anchor)
      frame.hasAnchor = true
    }
    frames.append(frame)
  }

  mutating func end() throws(TextFailure) {
    guard let frame = frames.last else { return }
    if frame.hasMergeKey {
      try merge(frame)
    } else {
      records[frame.record].length = UInt32(frame.isMapping ? frame.count / 2 : frame.count)
      records[frame.record].start = UInt32(records.count)
    }
    frames.removeLast()
    if keys.count > frame.firstKey {
      if keys.count - frame.firstKey >= TreeBuilder.largeMapping { keysByHash[frame.record] = nil }
      keys.removeLast(keys.count - frame.firstKey)
    }
    if frame.hasAnchor, let name = openAnchors.popLast(), anchors[name]?.record == frame.record {
      anchors[name] = Anchor(
        record: frame.record, height: frame.height, size: frame.size, isComplete: true)
    }
    try attach(frame.record, height: frame.height, size: frame.size)
  }

  mutating func alias(_ name: String, line: Int) throws(TextFailure) {
    guard let anchor = anchors[name] else {
      throw failure(line: line, "the alias *\(name) has no anchor &\(name) before it")
    }
    guard anchor.isComplete else {
      throw failure(line: line, "the alias *\(name) is part of what it stands for")
    }
    if frames.count + anchor.height > limits.depth {
      throw failure(line: line, "more than \(limits.depth) levels deep, aliases followed")
    }
    try expand(by: anchor.size, line: line)
    try append(
      NodeRecord(
        kind: records[anchor.record].kind, flags: NodeRecord.reference,
        line: UInt32(truncatingIfNeeded: line), start: UInt32(anchor.record), length: 0))
    try attach(records.count - 1, height: anchor.height, size: anchor.size)
  }

  mutating func append(_ record: NodeRecord) throws(TextFailure) {
    if records.count >= limits.nodes {
      throw TextFailure(
        line: Int(record.line), message: "more than \(limits.nodes) values in one file")
    }
    records.append(record)
  }

  /// Accounts for `size` values that an alias or a merge adds. The sum is checked each time,
  /// so no size can grow beyond a few times the limit, and none overflows.
  mutating func expand(by size: Int, line: Int) throws(TextFailure) {
    expanded += size
    let written = records.count - firstRecord
    if expanded > max(limits.expandedNodes, limits.expansionFactor * written) {
      throw failure(
        line: line, "the aliases of this document stand for too many values (over \(expanded))")
    }
  }

  /// Counts a complete value as a child of the container it stands in.
  private mutating func attach(_ record: Int, height: Int, size: Int) throws(TextFailure) {
    let last = frames.count - 1
    guard last >= 0 else { return }
    var frame = frames[last]
    let isKey = frame.expectsKey
    frame.count += 1
    frame.size += size
    if height >= frame.height { frame.height = height + 1 }
    frames[last] = frame
    if isKey { try addKey(record, to: last) }
  }
}
