/// The problems of a file: the first of them, and how many more there are.
struct ProblemList {
  let limit: Int
  private var kept: [TextProblem] = []
  private var omitted = 0

  init(limit: Int) { self.limit = limit }

  /// So many that reading on would only add noise.
  var isHopeless: Bool { omitted > 20 * limit }

  var isEmpty: Bool { kept.isEmpty }

  var count: Int { kept.count + omitted }

  mutating func add(_ problem: TextProblem) {
    if kept.count < limit { kept.append(problem) } else { omitted += 1 }
  }

  /// What was kept, and a last line that counts the rest.
  var all: [TextProblem] {
    if omitted == 0 { return kept }
    let rest = isHopeless ? "more; the rest of the file was not read" : "\(omitted) more"
    return kept + [TextProblem("and \(rest)")]
  }
}
