import ServiceMaps

/// What `doctor` says, as text and as facts.
struct DoctorReport {
  let findings: [Finding]

  var isHealthy: Bool { count(.failure) == 0 }

  private func count(_ verdict: Finding.Verdict) -> Int {
    findings.count { $0.verdict == verdict }
  }

  func text(_ style: Style) -> String {
    var lines: [String] = []
    for finding in findings {
      let verdict = pad(word(finding.verdict), 9)
      let painted =
        switch finding.verdict {
        case .ok: style.good(verdict)
        case .warning: style.warning(verdict)
        case .failure: style.bad(verdict)
        }
      lines.append("\(painted)\(pad(finding.check, 13))\(finding.message)")
      if let remedy = finding.remedy { lines.append(pad("", 22) + "-> \(remedy)") }
    }
    lines.append(
      "\(findings.count) checks: \(count(.ok)) ok, \(count(.warning)) warnings, "
        + "\(count(.failure)) failed")
    return lines.map { $0 + "\n" }.joined()
  }

  private func word(_ verdict: Finding.Verdict) -> String {
    switch verdict {
    case .ok: "ok"
    case .warning: "warning"
    case .failure: "FAIL"
    }
  }

  var facts: Facts {
    .members([
      ("healthy", .flag(isHealthy)),
      (
        "checks",
        .list(
          findings.map { finding in
            .members([
              ("check", .text(finding.check)), ("result", .text(finding.verdict.rawValue)),
              ("message", .text(finding.message)),
              ("remedy", finding.remedy.map { .text($0) } ?? .none),
            ])
          })
      ),
    ])
  }

  private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
