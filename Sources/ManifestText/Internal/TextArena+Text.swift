// SAFETY, all of this file: the pointers are to the bytes of arrays and strings, and are used only
// inside of the closures that they are given to; each range is one of the array (`bytes`).

/// What is done so often that a reference counted for each value, or a slice made of it, is too much.
extension TextArena {
  /// The text of a scalar.
  private func withBytes<Result>(
    _ record: NodeRecord, _ body: (UnsafeBufferPointer<UInt8>) -> Result
  ) -> Result {
    let range = Int(record.start)..<Int(record.start) + Int(record.length)
    if record.has(NodeRecord.inSource) {
      return unsafe source.withUnsafeBufferPointer { all in
        unsafe body(UnsafeBufferPointer(rebasing: all[range]))
      }
    }
    return unsafe text.withUnsafeBufferPointer { all in
      unsafe body(UnsafeBufferPointer(rebasing: all[range]))
    }
  }

  func string(_ record: NodeRecord) -> String {
    unsafe withBytes(record) { unsafe String(decoding: $0, as: UTF8.self) }
  }

  /// The record of the member of a mapping with this key; nil when there is none.
  func value(of key: String, in mapping: Int) -> Int? {
    var key = key
    return unsafe key.withUTF8 { name in
      var at = firstChild(mapping)
      for _ in 0..<Int(records[mapping].length) {
        let record = records[resolve(at)]
        if Int(record.length) == name.count, !record.kind.isContainer,
          unsafe withBytes(record, { unsafe Self.areEqual($0, name) })
        {
          return at + 1
        }
        at = after(at + 1)
      }
      return nil
    }
  }

  private static func areEqual(
    _ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    for index in 0..<min(a.count, b.count) where unsafe a[index] != b[index] { return false }
    return a.count == b.count
  }

  // MARK: Canonical JSON

  /// Writes the value at `index` and everything in it.
  func writeCanonical(_ index: Int, to output: inout [UInt8]) {
    let index = resolve(index)
    let record = records[index]
    switch record.kind {
    case .mapping: writeMembers(index, record, to: &output)
    case .sequence:
      output.append(UInt8(ascii: "["))
      var at = index + 1
      for count in 0..<record.length {
        if count > 0 { output.append(UInt8(ascii: ",")) }
        writeCanonical(at, to: &output)
        at = after(at)
      }
      output.append(UInt8(ascii: "]"))
    case .string: writeQuoted(record, to: &output)
    default: JSONWriter.append(plain: slice(record), record.kind, to: &output)
    }
  }

  private func writeMembers(_ index: Int, _ record: NodeRecord, to output: inout [UInt8]) {
    output.append(UInt8(ascii: "{"))
    let first = firstChild(index)
    if isSorted(first, Int(record.length)) {
      var key = first
      for count in 0..<record.length {
        writeMember(key, isFirst: count == 0, to: &output)
        key = after(key + 1)
      }
    } else {
      var keys: [Int] = []
      keys.reserveCapacity(Int(record.length))
      var key = first
      for _ in 0..<record.length {
        keys.append(key)
        key = after(key + 1)
      }
      keys.sort { precedes(records[resolve($0)], records[resolve($1)]) }
      for (count, key) in keys.enumerated() {
        writeMember(key, isFirst: count == 0, to: &output)
      }
    }
    output.append(UInt8(ascii: "}"))
  }

  private func writeMember(_ key: Int, isFirst: Bool, to output: inout [UInt8]) {
    if !isFirst { output.append(UInt8(ascii: ",")) }
    writeQuoted(records[resolve(key)], to: &output)
    output.append(UInt8(ascii: ":"))
    writeCanonical(key + 1, to: &output)
  }

  private func isSorted(_ first: Int, _ count: Int) -> Bool {
    var key = first
    for _ in 1..<max(count, 1) {
      let next = after(key + 1)
      if precedes(records[resolve(next)], records[resolve(key)]) { return false }
      key = next
    }
    return true
  }

  private func precedes(_ a: NodeRecord, _ b: NodeRecord) -> Bool {
    unsafe withBytes(a) { a in
      unsafe withBytes(b) { b in
        for index in 0..<min(a.count, b.count) where unsafe a[index] != b[index] {
          return unsafe a[index] < b[index]
        }
        return a.count < b.count
      }
    }
  }

  private func writeQuoted(_ record: NodeRecord, to output: inout [UInt8]) {
    unsafe withBytes(record) { text in
      var needsEscape = false
      for index in 0..<text.count where unsafe JSONWriter.needsEscape(text[index]) {
        needsEscape = true
      }
      if needsEscape { return JSONWriter.append(quoted: slice(record), to: &output) }
      output.append(UInt8(ascii: "\""))
      unsafe output.append(contentsOf: text)
      output.append(UInt8(ascii: "\""))
    }
  }
}
