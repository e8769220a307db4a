extension TreeBuilder {
  /// From this many keys on, they are looked up by hash instead of one by one.
  static let largeMapping = 24

  mutating func addKey(_ record: Int, to frame: Int) throws(TextFailure) {
    keys.append(record)
    if keys.count - frames[frame].firstKey > limits.members {
      throw TextFailure(
        line: Int(records[record].line), message: "more than \(limits.members) keys in one mapping")
    }
    if records[record].has(NodeRecord.mergeKey) {
      frames[frame].hasMergeKey = true
      return
    }
    let key = resolve(record)
    let line = Int(records[record].line)
    if records[key].kind != .string {
      let message = "\(records[key].kind) cannot be a key; a key must be a string"
      if records[key].kind.isContainer { throw failure(line: line, message) }
      report(line: line, "\(message): write \"\(shownText(key))\"")
    } else if let first = earlierKey(than: key, in: frames[frame]) {
      report(
        line: line,
        "the key \"\(shownText(key))\" is here a second time; first in line \(records[first].line)")
    }
  }

  /// The key in front of the last one that has the same text.
  private mutating func earlierKey(than key: Int, in frame: Frame) -> Int? {
    let earlier = frame.firstKey..<keys.count - 1
    if earlier.count + 1 < TreeBuilder.largeMapping {
      let length = records[key].length
      for at in earlier {
        let other = resolve(keys[at])
        if records[other].length == length && isSameText(other, key) { return other }
      }
      return nil
    }
    if keysByHash[frame.record] == nil {
      var table: [Int: [Int]] = [:]
      for at in earlier { table[hash(resolve(keys[at])), default: []].append(resolve(keys[at])) }
      keysByHash[frame.record] = table
    }
    let hash = hash(key)
    if let same = keysByHash[frame.record]?[hash]?.first(where: { isSameText($0, key) }) {
      return same
    }
    keysByHash[frame.record]?[hash, default: []].append(key)
    return nil
  }

  /// Replaces `<<` in the mapping that just ended by the members it stands for: what is
  /// written in the mapping itself wins, then the earlier source.
  mutating func merge(_ frame: Frame) throws(TextFailure) {
    var members: [(key: Int, value: Int)] = []
    var seen: Set<[UInt8]> = []
    var sources: [Int] = []
    var at = frame.record + 1
    for _ in 0..<frame.count / 2 {
      let (key, value) = (at, at + 1)
      at = after(value)
      if records[key].has(NodeRecord.mergeKey) {
        sources += mergeSources(resolve(value))
      } else if seen.insert(Array(textOf(resolve(key)))).inserted {
        members.append((key, value))
      }
    }
    for source in sources {
      let record = records[source]
      guard record.kind == .mapping else {
        throw failure(
          line: Int(record.line), "<< takes a mapping or a list of mappings, not \(record.kind)")
      }
      try expand(by: Int(record.length), line: Int(record.line))
      var key = source + 1
      if record.has(NodeRecord.merged) { key = Int(record.start) - 2 * Int(record.length) }
      for _ in 0..<Int(record.length) {
        if seen.insert(Array(textOf(resolve(key)))).inserted { members.append((key, key + 1)) }
        key = after(key + 1)
      }
    }
    for member in members {
      for target in [resolve(member.key), resolve(member.value)] {
        var record = records[target]
        record.flags = NodeRecord.reference
        record.start = UInt32(target)
        record.length = 0
        try append(record)
      }
    }
    records[frame.record].flags |= NodeRecord.merged
    records[frame.record].length = UInt32(members.count)
    records[frame.record].start = UInt32(records.count)
  }

  private func mergeSources(_ value: Int) -> [Int] {
    guard records[value].kind == .sequence else { return [value] }
    var sources: [Int] = []
    var element = value + 1
    for _ in 0..<Int(records[value].length) {
      sources.append(resolve(element))
      element = after(element)
    }
    return sources
  }

  // MARK: Records

  private func resolve(_ index: Int) -> Int {
    records[index].has(NodeRecord.reference) ? Int(records[index].start) : index
  }

  private func after(_ index: Int) -> Int {
    let record = records[index]
    if record.kind.isContainer && !record.has(NodeRecord.reference) { return Int(record.start) }
    return index + 1
  }

  private func textOf(_ scalar: Int) -> ArraySlice<UInt8> {
    let record = records[scalar]
    if record.kind.isContainer { return [] }
    let range = Int(record.start)..<Int(record.start) + Int(record.length)
    return record.has(NodeRecord.inSource) ? source[range] : text[range]
  }

  private func isSameText(_ a: Int, _ b: Int) -> Bool {
    !records[a].has(NodeRecord.mergeKey) && textOf(a) == textOf(b)
  }

  private func hash(_ scalar: Int) -> Int {
    var hasher = Hasher()
    for byte in textOf(scalar) { hasher.combine(byte) }
    return hasher.finalize()
  }

  private func shownText(_ scalar: Int) -> String {
    let text = textOf(scalar)
    return String(decoding: text.prefix(60), as: UTF8.self) + (text.count > 60 ? "…" : "")
  }

  // MARK: Path

  /// Where in the tree the reader is: `items[3].spec.ports[0].port`. nil at the top.
  var path: String? {
    var path = TextPath()
    for (level, frame) in frames.enumerated() {
      if !frame.isMapping {
        path.steps.append(.index(frame.count))
        continue
      }
      let end = level + 1 < frames.count ? frames[level + 1].firstKey : keys.count
      guard !frame.expectsKey, end > frame.firstKey else { break }
      path.steps.append(.key(shownText(resolve(keys[end - 1]))))
    }
    return path.isEmpty ? nil : path.description
  }
}
