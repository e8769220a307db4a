/// `socklb report`: what is known of a node, as one HTML page that needs nothing else.
///
/// It is read without scripts; a few lines of script sort and filter.
public struct ReportPage: Sendable {
  /// One line of the history.
  public struct Change: Sendable {
    public var entry: HistoryEntry
    /// `current`, `kept` or `-`.
    public var state: String

    public init(entry: HistoryEntry, state: String) {
      self.entry = entry
      self.state = state
    }
  }

  public var node: String
  public var kernel: String
  public var version: String
  public var made: UTCTime
  public var pin: String
  /// nil: nothing is attached.
  public var generation: UInt64?
  /// Where programs are attached, a line for each place; or that nothing is.
  public var attachments: [String]
  public var findings: [Finding]
  /// Sorted by name.
  public var services: [ServiceDescription]
  /// nil: `whyNoSockets` says why.
  public var sockets: SocketSpread?
  public var whyNoSockets = ""
  /// nil: nobody asked for it.
  public var observation: TraceObservation?
  /// The newest first.
  public var history: [Change]

  public init(
    node: String, kernel: String, version: String, made: UTCTime, pin: String,
    generation: UInt64?, attachments: [String], findings: [Finding],
    services: [ServiceDescription], history: [Change]
  ) {
    self.node = node
    self.kernel = kernel
    self.version = version
    self.made = made
    self.pin = pin
    self.generation = generation
    self.attachments = attachments
    self.findings = findings
    self.services = services
    self.history = history
  }

  /// - Returns: UTF-8 text.
  public func render() -> [UInt8] {
    var html = HTMLWriter()
    html.reserve(64 << 10 + services.count * 2048)
    html.markup(
      """
      <!doctype html>
      <html lang="en"><head><meta charset="utf-8">
      <meta name="viewport" content="width=device-width,initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'
      """)
    for what: StaticString in ["style", "script"] {
      html.markup("; ")
      html.markup(what)
      html.markup("-src '")
      html.markup(Self.ownOnly)
      html.markup("'")
    }
    html.markup(
      """
      ">
      <title>socklb on\u{20}
      """)
    html.text(node)
    html.markup("</title>\n<style>")
    html.markup(Self.style)
    html.markup("</style></head>\n<body><main>\n")
    writeHeader(to: &html)
    writeHealth(to: &html)
    writeBusiest(to: &html)
    writeObservation(to: &html)
    writeServices(to: &html)
    writeHistory(to: &html)
    html.markup("</main>\n<script>")
    html.markup(Self.script)
    html.markup("</script></body></html>\n")
    return html.output.bytes
  }

  /// What stands in the page itself; nothing from elsewhere.
  private static let ownOnly: StaticString = "unsafe-inline"

  // MARK: The top of the page

  private func count(_ verdict: Finding.Verdict) -> Int {
    findings.count { $0.verdict == verdict }
  }

  private func writeHeader(to html: inout HTMLWriter) {
    html.markup("<header><div><h1>socklb <span>on ")
    html.text(node.isEmpty ? "this node" : node)
    html.markup("</span></h1>")
    if count(.failure) > 0 {
      html.markup("<p class=\"badge bad\">something failed</p>")
    } else if count(.warning) > 0 {
      html.markup("<p class=\"badge warn\">works, with warnings</p>")
    } else {
      html.markup("<p class=\"badge good\">all is well</p>")
    }
    html.markup("</div>\n<dl>")
    fact("Made", "\(made)", &html)
    fact("Kernel", "Linux \(kernel)", &html)
    fact("Version", "socklb \(version)", &html)
    fact("Generation", generation.map { "\($0)" } ?? "nothing is attached", &html)
    fact("Pinned at", pin, &html)
    for place in attachments { fact("Attached to", place, &html) }
    html.markup("</dl>\n")
    html.markup("<ul class=\"tiles\">")
    tile(UInt64(services.count), "Services", &html)
    tile(endpointCount, "endpoints in use", &html)
    tile(services.reduce(0) { $0 + $1.translated }, "translated", &html)
    tile(services.reduce(0) { $0 + $1.refused }, "refused", &html)
    if let sockets { tile(UInt64(sockets.total), "sockets now", &html) }
    html.markup("</ul></header>\n")
  }

  private var endpointCount: UInt64 {
    services.reduce(0) { sum, service in
      sum + UInt64(Set(service.groups.flatMap(\.inUse)).count)
    }
  }

  private func fact(_ name: StaticString, _ value: String, _ html: inout HTMLWriter) {
    html.markup("<div><dt>")
    html.markup(name)
    html.markup("</dt><dd>")
    html.text(value)
    html.markup("</dd></div>")
  }

  private func tile(_ number: UInt64, _ name: StaticString, _ html: inout HTMLWriter) {
    html.markup("<li><b>")
    html.count(number)
    html.markup("</b> ")
    html.markup(name)
    html.markup("</li>")
  }

  // MARK: Health

  private func writeHealth(to html: inout HTMLWriter) {
    html.markup("<section id=\"health\"><h2>Health</h2>\n")
    let told = findings.filter { $0.verdict != .ok }
    if told.isEmpty {
      html.markup("<p>")
      html.number(findings.count)
      html.markup(" checks, and nothing to complain about.</p>\n")
    } else {
      html.markup("<ul class=\"findings\">\n")
      for finding in told.sorted(by: { $0.verdict == .failure && $1.verdict != .failure }) {
        write(finding, to: &html)
      }
      html.markup("</ul>\n")
    }
    let fine = findings.filter { $0.verdict == .ok }
    if !fine.isEmpty {
      html.markup("<details><summary>")
      html.number(fine.count)
      html.markup(" checks that are well</summary><ul class=\"findings\">\n")
      for finding in fine { write(finding, to: &html) }
      html.markup("</ul></details>\n")
    }
    html.markup(
      "<p class=\"note\"><code>socklb doctor</code> also tries every hook.</p></section>\n")
  }

  private func write(_ finding: Finding, to html: inout HTMLWriter) {
    switch finding.verdict {
    case .ok: html.markup("<li><i class=\"mark good\">ok</i><div><b>")
    case .warning: html.markup("<li><i class=\"mark warn\">warning</i><div><b>")
    case .failure: html.markup("<li><i class=\"mark bad\">failed</i><div><b>")
    }
    html.text(finding.check)
    html.markup("</b> ")
    html.prose(finding.message)
    if let remedy = finding.remedy {
      html.markup("<p>")
      html.prose(remedy)
      html.markup("</p>")
    }
    html.markup("</div></li>\n")
  }

  // MARK: History

  private func writeHistory(to html: inout HTMLWriter) {
    html.markup("<section id=\"history\"><h2>Changes</h2>\n")
    if history.isEmpty {
      html.markup("<p>No change is known.</p></section>\n")
      return
    }
    html.markup(
      """
      <div class="wide"><table><thead><tr><th class="n">Generation</th><th>Time</th><th>State</th>\
      <th>Command</th><th>Change</th><th class="n">Objects</th><th>Digest</th></tr></thead><tbody>

      """)
    for change in history {
      html.markup("<tr><td class=\"n\">")
      html.number(change.entry.generation)
      html.markup("</td><td>")
      html.text("\(change.entry.time)")
      html.markup("</td><td>")
      html.text(change.state)
      html.markup("</td><td>")
      html.text(change.entry.command)
      html.markup("</td><td>")
      html.text("\(change.entry.summary)")
      html.markup("</td><td class=\"n\">")
      html.count(change.entry.objectCount)
      html.markup("</td><td><code>")
      html.text(change.entry.objects)
      html.markup("</code></td></tr>\n")
    }
    html.markup("</tbody></table></div></section>\n")
  }
}

extension ServiceDescription {
  var translated: UInt64 { ports.reduce(0) { $0 + $1.counters.translated } }
  var refused: UInt64 { ports.reduce(0) { $0 + $1.counters.refused } }
}
