import CYaml

/// Reads YAML documents, what is unusual through libyaml's events.
///
/// - Parameter throughEvents: reads all of it so, to compare.
func readYAML(
  _ bytes: [UInt8], from start: Int, limits: TextLimits, throughEvents: Bool = false
) -> ParsedText {
  if !throughEvents, let parsed = YAMLHalves.read(bytes, from: start, limits: limits) {
    return parsed
  }
  var builder = TreeBuilder(source: bytes, limits: limits)
  builder.reserve(forBytes: bytes.count)
  builder.text.reserveCapacity(bytes.count / 2)
  for part in YAMLParts(bytes, from: start, to: bytes.count) {
    guard builder.beginDocument(part.document) else { break }
    readYAML(part, of: bytes, into: &builder, throughEvents: throughEvents)
  }
  return builder.finish()
}

/// Reads a document that the builder has begun.
func readYAML(
  _ part: YAMLPart, of bytes: [UInt8], into builder: inout TreeBuilder, throughEvents: Bool = false
) {
  if let bad = part.bad {
    return builder.abandonDocument(TextFailure(line: bad.line, message: bad.message))
  }
  if part.isEmpty { return }
  do throws(TextFailure) {
    if throughEvents || !BlockYAMLReader.read(part, of: bytes, into: &builder) {
      try readPart(part, of: bytes, into: &builder)
    }
    builder.endDocument()
  } catch {
    builder.abandonDocument(error)
  }
}

private func readPart(
  _ part: YAMLPart, of bytes: [UInt8], into builder: inout TreeBuilder
) throws(TextFailure) {
  // SAFETY: the reader uses the buffer only while the closure runs; the part lies within it.
  try unsafe bytes.withUnsafeBufferPointer { buffer throws(TextFailure) in
    let input = unsafe UnsafeBufferPointer(rebasing: buffer[part.range])
    let reader = unsafe YAMLReader(part: part, input: input)
    try reader.read(into: &builder)
  }
}

/// One libyaml parser over one document.
///
/// SAFETY: `parser` and `event` are allocated by `init`, freed by `deinit` and used by nobody
/// else; an event is deleted before the next one is read, and its text is copied before that.
/// `input` outlives the reader: see `readPart`.
@safe
private struct YAMLReader: ~Copyable {
  private let part: YAMLPart
  private let input: UnsafeBufferPointer<UInt8>
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let event: UnsafeMutablePointer<yaml_event_t>

  init(part: YAMLPart, input: UnsafeBufferPointer<UInt8>) {
    self.part = part
    // SAFETY: as said of the type; libyaml fills in both structures before they are read.
    unsafe self.input = input
    unsafe parser = .allocate(capacity: 1)
    unsafe event = .allocate(capacity: 1)
    unsafe event.initialize(to: yaml_event_t())
    unsafe parser.initialize(to: yaml_parser_t())
    _ = unsafe yaml_parser_initialize(parser)
    unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    unsafe yaml_parser_set_input_string(parser, input.baseAddress, input.count)
  }

  deinit {
    // SAFETY: as said of the type. Deleting an event that is already deleted does nothing.
    unsafe yaml_event_delete(event)
    unsafe yaml_parser_delete(parser)
    unsafe event.deallocate()
    unsafe parser.deallocate()
  }

  func read(into builder: inout TreeBuilder) throws(TextFailure) {
    // SAFETY: as said of the type; the member of the union is the one that `type` names.
    var isInsideDocument = false
    while true {
      guard unsafe yaml_parser_parse(parser, event) == 1 else { throw failure(builder) }
      let line = unsafe part.line + event.pointee.start_mark.line
      switch unsafe event.pointee.type {
      case YAML_SCALAR_EVENT:
        try unsafe scalar(event.pointee.data.scalar, line: line, into: &builder)
      case YAML_MAPPING_START_EVENT:
        let start = unsafe event.pointee.data.mapping_start
        unsafe checkTag(start.tag, is: "map", line: line, &builder)
        try builder.begin(.mapping, line: line, anchor: unsafe text(start.anchor))
      case YAML_SEQUENCE_START_EVENT:
        let start = unsafe event.pointee.data.sequence_start
        unsafe checkTag(start.tag, is: "seq", line: line, &builder)
        try builder.begin(.sequence, line: line, anchor: unsafe text(start.anchor))
      case YAML_MAPPING_END_EVENT, YAML_SEQUENCE_END_EVENT:
        try builder.end()
      case YAML_ALIAS_EVENT:
        let name = unsafe text(event.pointee.data.alias.anchor) ?? ""
        try builder.alias(name, line: line)
      case YAML_DOCUMENT_START_EVENT:
        // The file is cut at each `---`: a second document is one that begins without.
        if isInsideDocument {
          throw TextFailure(line: line, message: "a new document must begin with '---'")
        }
        isInsideDocument = true
      case YAML_STREAM_END_EVENT:
        return
      default: break
      }
      // SAFETY: the event was filled by the parser, and is not used any more.
      unsafe yaml_event_delete(event)
      if builder.problems.isHopeless { return }
    }
  }

  // MARK: Scalars

  private typealias Scalar = yaml_event_t.__Unnamed_union_data.__Unnamed_struct_scalar

  private func scalar(
    _ scalar: Scalar, line: Int, into builder: inout TreeBuilder
  ) throws(TextFailure) {
    // SAFETY: libyaml gives `length` bytes at `value`, valid until the event is deleted.
    let value = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
    let start = builder.text.count
    unsafe builder.text.append(contentsOf: value)
    let isPlain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
    var kind = TextKind.string
    var flags: UInt8 = 0
    if let tag = unsafe text(scalar.tag) {
      kind = taggedKind(tag, start, line, &builder)
    } else if isPlain, unsafe value.first.map(ScalarSyntax.isSurelyString) != true {
      kind = ScalarSyntax.kind(ofPlain: builder.text[start...])
      if kind == .float, ScalarSyntax.isInfinite(builder.text[start...]) {
        builder.report(line: line, "is a number that JSON cannot say; quote it")
      }
      if kind == .string, value.count == 2, unsafe value[0] == UInt8(ascii: "<"),
        unsafe value[1] == UInt8(ascii: "<"), builder.frames.last?.expectsKey == true
      {
        flags = NodeRecord.mergeKey
      }
    }
    // SAFETY: the anchor belongs to the event, which outlives this call.
    try builder.scalar(
      kind, flags: flags, at: start, length: value.count, line: line,
      anchor: unsafe text(scalar.anchor))
  }

  /// The kind of a scalar with an explicit tag such as `!!str`.
  private func taggedKind(
    _ tag: String, _ start: Int, _ line: Int, _ builder: inout TreeBuilder
  ) -> TextKind {
    let plain = ScalarSyntax.kind(ofPlain: builder.text[start...])
    let (name, wanted): (String, TextKind)
    switch tag {
    case "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp": return .string
    case "tag:yaml.org,2002:null": (name, wanted) = ("!!null", .null)
    case "tag:yaml.org,2002:bool": (name, wanted) = ("!!bool", .boolean)
    case "tag:yaml.org,2002:int": (name, wanted) = ("!!int", .integer)
    case "tag:yaml.org,2002:float": (name, wanted) = ("!!float", .float)
    default:
      builder.report(line: line, "the tag \(shownTag(tag)) is not known")
      return .string
    }
    if plain == wanted || (wanted == .float && plain == .integer) { return wanted }
    builder.report(line: line, "is tagged \(name), but is \(plain)")
    return .string
  }

  private func checkTag(
    _ tag: UnsafeMutablePointer<yaml_char_t>?, is name: String, line: Int,
    _ builder: inout TreeBuilder
  ) {
    // SAFETY: as said of the type.
    guard let tag = unsafe text(tag), tag != "!", tag != "tag:yaml.org,2002:\(name)" else { return }
    builder.report(line: line, "the tag \(shownTag(tag)) is not known")
  }

  private func shownTag(_ tag: String) -> String {
    let standard = "tag:yaml.org,2002:"
    return tag.hasPrefix(standard) ? "!!\(tag.dropFirst(standard.count))" : String(tag.prefix(80))
  }

  private func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
    // SAFETY: libyaml's names end with a zero byte.
    guard let pointer = unsafe pointer else { return nil }
    return unsafe String(cString: pointer)
  }

  // MARK: Errors

  private func failure(_ builder: TreeBuilder) -> TextFailure {
    // SAFETY: as said of the type; problem and context are string constants of libyaml.
    let state = unsafe parser.pointee
    let mark = unsafe state.problem_mark
    var error = unsafe YAMLSyntaxError(
      problem: state.problem.map { unsafe String(cString: $0) } ?? "cannot be read",
      context: state.context.map { unsafe String(cString: $0) } ?? "")
    error.line = part.line + mark.line
    error.contextLine = unsafe part.line + state.context_mark.line
    let lineText = self.line(mark.line)
    error.isIndentedWithTab = lineText.prefix { $0 == 0x20 || $0 == 0x09 }.contains(0x09)
    error.found = lineText.dropFirst(mark.column).first
    error.isAtEnd = isAtEnd(line: mark.line, column: mark.column)
    return TextFailure(line: error.line, path: builder.path, message: error.message)
  }

  /// The bytes of a line of the part, the first being 0.
  private func line(_ number: Int) -> [UInt8] {
    // SAFETY: as said of the type; the indices are checked.
    let start = startOfLine(number)
    return unsafe Array(input[start...].prefix(4096).prefix { $0 != 0x0a && $0 != 0x0d })
  }

  /// Nothing but blanks comes after the place.
  private func isAtEnd(line: Int, column: Int) -> Bool {
    // SAFETY: as said of the type; the indices are checked.
    let start = unsafe min(startOfLine(line) + column, input.count)
    return unsafe input[start...].allSatisfy { isBlank($0) }
  }

  private func startOfLine(_ number: Int) -> Int {
    var (at, line) = (0, 0)
    // SAFETY: as said of the type; the indices are checked.
    while unsafe at < input.count && line < number {
      let byte = unsafe input[at]
      at += 1
      if byte == 0x0a { line += 1 }
      if byte == 0x0d {
        if unsafe at < input.count && input[at] == 0x0a { at += 1 }
        line += 1
      }
    }
    return at
  }
}
