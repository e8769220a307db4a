/// What was read of a file.
public struct ParsedText: Sendable {
  /// The documents that could be read, in order. One with duplicate keys is among them, so that
  /// whoever reads it can say what else is wrong with it.
  public var documents: [TextDocument]
  /// Empty when the whole file is well-formed.
  public var problems: [TextProblem]
  /// From here on the documents have nothing in common with those before, so that another thread
  /// may read them without a word shared between the two; nil where all have.
  package var secondHalf: Int?

  init(documents: [TextDocument], problems: [TextProblem]) {
    self.documents = documents
    self.problems = problems
  }
}

/// Reads a manifest file: YAML documents, or JSON values one after the other.
///
/// A document that cannot be read does not keep the others from being read: every problem of
/// the file is found at once. Time and memory are bounded by `limits`, whatever the bytes are.
public func parseManifest(_ bytes: [UInt8], limits: TextLimits = .default) -> ParsedText {
  if bytes.count > limits.bytes {
    let problem = TextProblem("has \(bytes.count) bytes; at most \(limits.bytes) are read")
    return ParsedText(documents: [], problems: [problem])
  }
  let start = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
  let first = bytes[start...].first { !isBlank($0) }
  guard first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else {
    return readYAML(bytes, from: start, limits: limits)
  }
  let json = JSONReader.read(bytes, from: start, limits: limits)
  // YAML in flow style begins as JSON does, and JSON values may be separated by `---`.
  return json.end == .otherThanJSON ? readYAML(bytes, from: start, limits: limits) : json.parsed
}

/// The two ways to read YAML, for the test that they lead to the same.
package enum YAMLReading {
  /// - Parameter throughEvents: reads all of it through libyaml.
  package static func read(_ bytes: [UInt8], throughEvents: Bool = false) -> ParsedText {
    readYAML(bytes, from: 0, limits: .default, throughEvents: throughEvents)
  }

  /// Whether libyaml is not needed for any document.
  package static func isBlockStyle(_ bytes: [UInt8]) -> Bool {
    var builder = TreeBuilder(source: bytes, limits: .default)
    return YAMLParts(bytes, from: 0, to: bytes.count).allSatisfy { part in
      part.bad == nil && builder.beginDocument(part.document)
        && (part.isEmpty || BlockYAMLReader.read(part, of: bytes, into: &builder))
    }
  }
}

func isBlank(_ byte: UInt8) -> Bool {
  byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09
}
