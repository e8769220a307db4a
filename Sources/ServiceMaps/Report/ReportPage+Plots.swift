/// What is drawn: the busiest Services, and what was observed.
extension ReportPage {
  private static let mostBars = 15
  private static let mostPlots = 24

  // MARK: Counters

  func writeBusiest(to html: inout HTMLWriter) {
    let busy = services.filter { $0.translated + $0.refused > 0 }
      .sorted {
        ($1.translated + $1.refused, $0.service.meta.name)
          < ($0.translated + $0.refused, $1.service.meta.name)
      }
    guard let first = busy.first else { return }
    let most = Double(first.translated + first.refused)
    html.markup("<section id=\"busiest\"><h2>Busiest</h2><p class=\"note\">")
    html.markup("Connects and datagrams since <code>attach</code>: ")
    html.markup(
      "<i class=\"key fill\"></i> translated, <i class=\"key no\"></i> refused.</p>\n<ol class=\"bars\">"
    )
    for service in busy.prefix(Self.mostBars) {
      html.markup("<li><span class=\"name\">")
      html.text("\(service.service.meta.name)")
      html.markup(
        "</span><svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">")
      let (yes, no) = (
        width(service.translated, most: most), width(service.refused, most: most)
      )
      html.markup("<rect class=\"fill\" height=\"10\" width=\"")
      html.number(yes)
      html.markup("\"/><rect class=\"no\" height=\"10\" x=\"")
      html.number(yes)
      html.markup("\" width=\"")
      html.number(no)
      html.markup("\"/></svg><span class=\"n\">")
      html.count(service.translated)
      if service.refused > 0 {
        html.markup(" <em>+")
        html.count(service.refused)
        html.markup(" refused</em>")
      }
      html.markup("</span></li>\n")
    }
    html.markup("</ol>")
    if busy.count > Self.mostBars {
      html.markup("<p class=\"note\">and ")
      html.count(busy.count - Self.mostBars)
      html.markup(" more that are used; the list below has all of them.</p>")
    }
    html.markup("</section>\n")
  }

  /// What is not nothing is seen.
  private func width(_ value: UInt64, most: Double) -> Int {
    value == 0 ? 0 : max(2, Int(Double(value) * 1000 / most))
  }

  // MARK: Observation

  func writeObservation(to html: inout HTMLWriter) {
    html.markup("<section id=\"latency\"><h2>Connect latency</h2>\n")
    defer { html.markup("</section>\n") }
    guard let observation else {
      html.markup(
        """
        <p class="note">Nothing was observed for this report. <code>socklb report --observe 10s \
        -o FILE.html</code> watches every decision for ten seconds, and shows how long connections \
        took and what failed.</p>

        """)
      return
    }
    let all = observation.services.sorted {
      ($1.value.decisions, $0.key) < ($0.value.decisions, $1.key)
    }
    let decisions = all.reduce(observation.others.decisions) { $0 + $1.value.decisions }
    html.markup("<p class=\"note\">Observed for ")
    html.text(Self.duration(observation.duration))
    html.markup(": ")
    html.count(decisions)
    html.markup(" decisions")
    if observation.lost > 0 {
      html.markup("; <em>")
      html.count(observation.lost)
      html.markup(" more could not be kept up with</em>")
    }
    html.markup(". From the first SYN to the answer, for TCP.</p>\n")
    if all.isEmpty { html.markup("<p>Nobody used a Service meanwhile.</p>\n") }
    html.markup("<div class=\"plots\">\n")
    for (name, counts) in all.prefix(Self.mostPlots) { write(name, counts, to: &html) }
    html.markup("</div>\n")
    if all.count > Self.mostPlots {
      html.markup("<p class=\"note\">and ")
      html.count(all.count - Self.mostPlots)
      html.markup(" more service ports, less used.</p>\n")
    }
    writeFailures(observation, to: &html)
  }

  private func write(
    _ name: ServicePortName, _ counts: TraceObservation.Counts, to html: inout HTMLWriter
  ) {
    html.markup("<figure><figcaption><b>")
    html.text(name.label)
    html.markup("</b> ")
    html.text("\(name.transport)")
    html.markup("<br>")
    html.count(counts.decisions)
    html.markup(counts.decisions == 1 ? " decision" : " decisions")
    if let half = counts.established.bound(ofPart: 0.5),
      let most = counts.established.bound(ofPart: 0.99)
    {
      html.markup(" · half below ")
      html.text(Self.microseconds(half))
      html.markup(", 99 % below ")
      html.text(Self.microseconds(most))
    }
    html.markup("</figcaption>")
    if counts.established.count > 0 { plot(counts.established, to: &html) }
    html.markup("<ul class=\"ends\">")
    for (result, number) in counts.outcomes.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      count(number, result.rawValue, isGood: result == .established || result == .closed, &html)
    }
    for (reason, number) in counts.refusals.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      count(number, "refused: \(reason.text)", isGood: false, &html)
    }
    html.markup("</ul></figure>\n")
  }

  private func count(
    _ number: UInt64, _ text: String, isGood: Bool, _ html: inout HTMLWriter
  ) {
    html.markup(isGood ? "<li><b>" : "<li class=\"no\"><b>")
    html.count(number)
    html.markup("</b> ")
    html.text(text)
    html.markup("</li>")
  }

  /// Columns from the first to the last bucket that has something, and one beside them.
  private func plot(_ latencies: TraceObservation.Latencies, to html: inout HTMLWriter) {
    let buckets = latencies.buckets
    let first = max(0, (buckets.firstIndex { $0 > 0 } ?? 0) - 1)
    let last = min(buckets.count - 1, max((buckets.lastIndex { $0 > 0 } ?? 0) + 1, first + 7))
    let most = Double(buckets.max() ?? 1)
    let step = 320 / (last - first + 1)
    html.markup("<svg viewBox=\"0 0 330 118\" role=\"img\" aria-label=\"latency histogram\">")
    for (i, bucket) in (first...last).enumerated() {
      let height = buckets[bucket] == 0 ? 0 : max(2, Int(Double(buckets[bucket]) * 90 / most))
      html.markup("<g><title>")
      html.text(
        "\(Self.microseconds(bucket == 0 ? 0 : 1 << UInt64(bucket))) to "
          + "\(Self.microseconds(2 << UInt64(bucket))): ")
      html.count(buckets[bucket])
      html.markup("</title><rect class=\"fill\" x=\"")
      html.number(5 + i * step)
      html.markup("\" width=\"")
      html.number(step - 2)
      html.markup("\" y=\"")
      html.number(98 - height)
      html.markup("\" height=\"")
      html.number(height)
      html.markup("\"/></g>")
      if i % 2 == 1 {
        html.markup("<text y=\"112\" text-anchor=\"middle\" x=\"")
        html.number(5 + i * step)
        html.markup("\">")
        html.text(Self.microseconds(1 << UInt64(bucket)))
        html.markup("</text>")
      }
    }
    html.markup("<path class=\"axis\" d=\"M5 98.5H325\"/></svg>")
  }

  private func writeFailures(_ observation: TraceObservation, to html: inout HTMLWriter) {
    if observation.failures.isEmpty { return }
    html.markup(
      """
      <h3>What failed meanwhile, once for each kind</h3>
      <div class="wide"><table><tbody>

      """)
    for failure in observation.failures {
      html.markup("<tr><td class=\"n\"><em>")
      html.count(failure.count)
      html.markup("</em></td><td><code>")
      html.text(failure.line)
      html.markup("</code></td></tr>\n")
    }
    html.markup("</tbody></table></div>\n")
    if observation.moreFailures > 0 {
      html.markup("<p class=\"note\">and ")
      html.count(observation.moreFailures)
      html.markup(" more: <code>socklb trace --failures</code>.</p>\n")
    }
  }

  // MARK: Times

  /// A bound of a bucket: `64 µs`, `1 ms`, `2 s`; powers of two, so about.
  static func microseconds(_ value: UInt64) -> String {
    switch value {
    case ..<1000: "\(value) µs"
    case ..<1_000_000: "\((value + 512) / 1000) ms"
    default: "\((value + 500_000) / 1_000_000) s"
    }
  }

  static func duration(_ nanoseconds: UInt64) -> String {
    let milliseconds = nanoseconds / 1_000_000
    return milliseconds < 10_000
      ? "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s" : "\(milliseconds / 1000) s"
  }
}
