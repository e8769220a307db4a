import ManifestText

/// All that one `explain` has to say.
public struct ExplainReport: Sendable {
  /// A Service that was asked for by its name and has no frontend.
  public struct Unserved: Hashable, Sendable {
    public var service: String
    public var why: String
    /// False: there is no such Service at all.
    public var isKnown: Bool
  }

  public var client: ExplainClient
  public var explanations: [Explanation]
  public var unserved: [Unserved]

  public init(
    client: ExplainClient, explanations: [Explanation], unserved: [Unserved] = []
  ) {
    self.client = client
    self.explanations = explanations
    self.unserved = unserved
  }

  /// - Returns: UTF-8 text; every line is ended. YAML has the members of the JSON form.
  public func render(as format: DumpFormat = .text) -> [UInt8] {
    switch format {
    case .text: return Array(text.utf8)
    case .json: return Array("\(value.text)\n".utf8)
    case .yaml:
      guard let root = parseManifest(Array(value.text.utf8)).documents.first?.root else {
        return []
      }
      return prettyYAML(of: root)
    }
  }

  private var text: String {
    var text = client.text
    for explanation in explanations { text += "\n" + explanation.text }
    for service in unserved { text += "\n\(service.service): \(service.why)\n" }
    return text
  }

  private var value: DescriptionValue {
    .object([
      ("client", client.value), ("explanations", .array(explanations.map(\.value))),
      (
        "unserved",
        .array(
          unserved.map { .object([("service", .string($0.service)), ("why", .string($0.why))]) })
      ),
    ])
  }
}

extension ExplainClient {
  /// Two or three lines.
  fileprivate var text: String {
    var parts: [String] = []
    if let process { parts.append("\(process.pid)/\(SocketDump.word(process.command))") }
    parts.append("network namespace \(namespaceName ?? "\(namespace)")")
    if let cgroup { parts.append("cgroup \(cgroup)") }
    if let bound { parts.append("bound to \(bound)") }
    var lines = ["Client:    " + parts.joined(separator: ", ")]
    switch coverage {
    case .covered: lines.append("Covered:   yes, every hook runs once")
    case .unknown: lines.append("Covered:   not known")
    case .problem(let problem): lines.append("Covered:   no: \(problem)")
    }
    return lines.map { $0 + "\n" }.joined()
  }

  fileprivate var value: DescriptionValue {
    let covered: (DescriptionValue, DescriptionValue) =
      switch coverage {
      case .covered: (.flag(true), .null)
      case .problem(let text): (.flag(false), .string(text))
      case .unknown: (.null, .null)
      }
    return .object([
      ("pid", process.map { .number(UInt64($0.pid)) } ?? .null),
      ("command", process.map { .string($0.command) } ?? .null),
      (
        "networkNamespace",
        .object([
          ("cookie", .number(namespace)), ("name", namespaceName.map { .string($0) } ?? .null),
        ])
      ),
      (
        "cgroup",
        .object([
          ("path", cgroup.map { .string($0) } ?? .null),
          ("id", cgroupID == 0 ? .null : .number(cgroupID)),
        ])
      ),
      ("bound", bound.map { .string("\($0)") } ?? .null),
      ("covered", covered.0), ("problem", covered.1),
    ])
  }
}
