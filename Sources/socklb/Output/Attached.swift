import ServiceDataplane
import ServiceMaps

/// What is attached, and for whom it runs.
struct Attached {
  let attachments: [Dataplane.Attachment]
  /// nil: this process may not look.
  let coverage: Coverage?
  /// What ought to be and is not, a line for each.
  let problems: [String]

  init(_ dataplane: Dataplane) throws(DataplaneError) {
    do {
      attachments = try dataplane.attachments()
    } catch {
      // Links are root's alone, whoever may read the maps.
      guard error.isPermission else { throw error }
      attachments = []
      coverage = nil
      problems = []
      return
    }
    let coverage = try dataplane.coverage(attachments)
    self.coverage = coverage
    problems = try dataplane.missingHooks() + coverage.problems
  }

  var summary: String {
    coverage?.summary ?? "not asked: only root may look at the links"
  }

  /// Cgroups with processes below those that are attached to; null when nobody could be asked.
  var facts: Facts {
    guard let coverage, coverage.isKnown else { return .none }
    return .members([
      ("cgroups", .number(UInt64(coverage.expected.count))),
      ("covered", .number(UInt64(coverage.coveredCount))),
      ("problems", .list(coverage.problems.map { .text($0) })),
    ])
  }
}
