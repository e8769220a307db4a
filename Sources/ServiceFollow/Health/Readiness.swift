/// Whether the data plane serves what the source says, and if not, why.
public struct Readiness: Hashable, Sendable {
  /// One thing that has to be so.
  public struct Check: Hashable, Sendable {
    public var name: String
    /// nil: it is.
    public var problem: String?

    public init(_ name: String, _ problem: String?) {
      self.name = name
      self.problem = problem
    }
  }

  public var checks: [Check]

  public init(_ checks: [Check]) { self.checks = checks }

  public var isReady: Bool { checks.allSatisfy { $0.problem == nil } }

  /// `/readyz`, as components of Kubernetes answer it: `ok`, or all checks where one has failed or
  /// `?verbose` asks for them; `?exclude=NAME` leaves one out, `/readyz/NAME` asks for one.
  ///
  /// - Parameters:
  ///   - path: what comes behind `/readyz`, without the query.
  ///   - query: without the question mark.
  public func answer(path: Substring = "", query: Substring = "") -> HealthAnswer {
    var checks = checks
    if path.hasPrefix("/"), path.count > 1 {
      checks = checks.filter { $0.name == path.dropFirst() }
      if checks.isEmpty {
        return HealthAnswer(
          code: 404, headers: HealthAnswer.textHeaders, body: "there is no check of this name\n")
      }
    }
    let words = query.split(separator: "&")
    let excluded = words.filter { $0.hasPrefix("exclude=") }.map { $0.dropFirst(8) }
    let isVerbose = words.contains { $0 == "verbose" || $0.hasPrefix("verbose=") }
    var lines: [String] = []
    var isReady = true
    for check in checks {
      if excluded.contains(where: { $0 == check.name }) {
        lines.append("[+]\(check.name) excluded: ok")
      } else if let problem = check.problem {
        lines.append("[-]\(check.name) failed: \(problem)")
        isReady = false
      } else {
        lines.append("[+]\(check.name) ok")
      }
    }
    let unknown = excluded.filter { name in !self.checks.contains { $0.name == name } }
    if !unknown.isEmpty {
      lines.append("warn: some health checks cannot be excluded: no matches for \(unknown)")
    }
    lines.append("readyz check \(isReady ? "passed" : "failed")")
    let text = isReady && !isVerbose ? "ok" : lines.map { $0 + "\n" }.joined()
    return HealthAnswer(
      code: isReady ? 200 : 503, headers: HealthAnswer.textHeaders, body: text)
  }
}
