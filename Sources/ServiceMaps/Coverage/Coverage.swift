/// Which processes our programs run for, and what else runs beside them.
public struct Coverage: Sendable, Equatable {
  public enum State: Sendable, Equatable {
    /// Each hook once.
    case covered
    /// These hooks are not there.
    case missing([String])
    /// These hooks run more than once: attached to a cgroup and to one above it.
    case twice([String])
    /// The kernel did not say.
    case unknown
  }

  /// A program of somebody else in the list that ours is in.
  public struct Other: Sendable, Hashable {
    public var hook: String
    public var program: CoverageFacts.Program
    /// It runs before ours, and ours sees the address that it has left.
    public var isBefore: Bool
  }

  public struct Place: Sendable, Equatable {
    public var path: String
    public var processes: Int
    public var state: State
    /// It lies in a cgroup that we are attached to.
    public var isExpected: Bool
    public var others: [Other]
  }

  /// Sorted by path.
  public var places: [Place]
  let facts: CoverageFacts

  public init(_ facts: CoverageFacts) {
    self.facts = facts
    let attached = Set(facts.anchors.filter(\.isLive).map(\.id))
    places = facts.places.map { place in
      Place(
        path: place.path, processes: place.processes, state: Self.state(place, facts),
        isExpected: !place.ids.isDisjoint(with: attached), others: Self.others(place, facts))
    }
    .sorted { $0.path < $1.path }
  }

  private static func state(_ place: CoverageFacts.Place, _ facts: CoverageFacts) -> State {
    guard let programs = place.programs else { return .unknown }
    func count(_ hook: String) -> Int {
      let own = facts.own[hook] ?? []
      return (programs[hook] ?? []).count { own.contains($0) }
    }
    let missing = facts.hooks.filter { count($0) == 0 }
    if !missing.isEmpty { return .missing(missing) }
    let twice = facts.hooks.filter { count($0) > 1 }
    return twice.isEmpty ? .covered : .twice(twice)
  }

  private static func others(_ place: CoverageFacts.Place, _ facts: CoverageFacts) -> [Other] {
    var result: [Other] = []
    for hook in facts.hooks {
      let ids = place.programs?[hook] ?? []
      let own = facts.own[hook] ?? []
      guard let first = ids.firstIndex(where: own.contains) else { continue }
      for (position, id) in ids.enumerated() where !own.contains(id) {
        let program =
          facts.others[id] ?? CoverageFacts.Program(id: id, name: nil, type: "unknown type")
        result.append(Other(hook: hook, program: program, isBefore: position < first))
      }
    }
    return result
  }

  // MARK: What follows

  /// Cgroups that our programs ought to run for.
  public var expected: [Place] { places.filter(\.isExpected) }
  public var coveredCount: Int { expected.count { $0.state == .covered } }

  /// Where they ought to run and do not, or run twice: a line for each.
  public var problems: [String] {
    expected.compactMap { place in
      switch place.state {
      case .covered, .unknown: nil
      case .missing(let hooks):
        "\(listed(hooks)) not effective for \(place.path) (\(processes(place)))"
      case .twice(let hooks):
        "\(listed(hooks)) effective twice for \(place.path) (\(processes(place))): attached to it "
          + "or a cgroup above it as well"
      }
    }
  }

  private func listed(_ hooks: [String]) -> String {
    hooks.count == facts.hooks.count ? "all hooks" : hooks.joined(separator: ", ")
  }

  private func processes(_ place: Place) -> String {
    place.processes == 1 ? "1 process" : "\(place.processes) processes"
  }

  /// One line for `status`.
  public var summary: String {
    if let obstacle = facts.obstacle { return "not asked: \(obstacle)" }
    let processes = expected.reduce(0) { $0 + $1.processes }
    return "\(coveredCount) of \(expected.count) cgroups with processes (\(processes) processes) "
      + "run every hook once"
  }

  /// True when the kernel was asked.
  public var isKnown: Bool { facts.obstacle == nil }
}
