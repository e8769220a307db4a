import Threads

/// Reads a large YAML file in two halves at once, cut between two documents.
enum YAMLHalves {
  /// Less than this is read by one thread as soon as by two.
  private static let worthwhile = 1 << 19

  /// - Returns: nil where there is nothing to gain, and where anything is wrong with the file or it
  ///   may go beyond a limit: then it is for one reader to say so.
  static func read(_ bytes: [UInt8], from start: Int, limits: TextLimits) -> ParsedText? {
    guard bytes.count - start >= worthwhile, let cut = border(in: bytes, from: start) else {
      return nil
    }
    let (first, second) = inParallel(
      { Half(bytes, start..<cut, limits) },
      { Half(bytes, cut..<bytes.count, limits) })
    guard first.isClean, second.isClean, first.documents + second.documents <= limits.documents,
      first.values + second.values <= limits.nodes
    else { return nil }
    var parsed = first.builder.finish()
    parsed.secondHalf = parsed.documents.count
    let rest = second.builder.finish(linesBefore: first.lines, documentsBefore: first.parts)
    parsed.documents += rest.documents
    return parsed
  }

  /// Where a document begins with `---`, behind the middle. What is in front of it has to be a part
  /// of the document before, and neither a comment nor a directive.
  private static func border(in bytes: [UInt8], from start: Int) -> Int? {
    let dash = UInt8(ascii: "-")
    var at = start + (bytes.count - start) / 2
    var line = start
    while at + 4 < bytes.count {
      if bytes[at] == 0x0a {
        if bytes[at + 1] == dash, bytes[at + 2] == dash, bytes[at + 3] == dash,
          bytes[at + 4] == 0x0a, line > start
        {
          let content = bytes[line..<at].first { $0 != 0x20 && $0 != 0x09 }
          if let content, content >= UInt8(ascii: "0"), content < 0x7f,
            !bytes[line..<at].contains(0x0d)
          {
            return at + 1
          }
        }
        line = at + 1
      }
      at += 1
    }
    return nil
  }

  private struct Half: Sendable {
    var builder: TreeBuilder
    /// Documents, empty ones too.
    var parts = 0
    /// Line ends.
    var lines = 0

    var isClean: Bool { builder.problems.isEmpty }
    var documents: Int { builder.documentCount }
    var values: Int { builder.records.count }

    init(_ bytes: [UInt8], _ range: Range<Int>, _ limits: TextLimits) {
      builder = TreeBuilder(source: bytes, limits: limits)
      builder.reserve(forBytes: range.count)
      var parts = YAMLParts(bytes, from: range.lowerBound, to: range.upperBound)
      // One problem is enough for another reader to begin anew.
      while isClean, let part = parts.next(), builder.beginDocument(part.document) {
        readYAML(part, of: bytes, into: &builder)
      }
      self.parts = parts.document
      lines = parts.line - 1
    }
  }
}
