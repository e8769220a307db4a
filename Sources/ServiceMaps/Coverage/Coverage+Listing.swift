extension Coverage {
  /// What runs where, a line for each cgroup with processes and hook: the ids of programs in the order
  /// in which they run, with a star at those that are socklb's.
  public var listing: String {
    var text = ""
    for place in facts.places.sorted(by: { $0.path < $1.path }) {
      text += "\(place.path) (\(place.processes) processes)\n"
      guard let programs = place.programs else {
        text += "  not asked\n"
        continue
      }
      for hook in facts.hooks {
        let ids = (programs[hook] ?? []).map { id in
          "\(id)\(facts.own[hook]?.contains(id) == true ? "*" : "")"
        }
        text += "  \(hook): \(ids.isEmpty ? "none" : ids.joined(separator: " "))\n"
      }
    }
    for other in facts.others.values.sorted(by: { $0.id < $1.id }) {
      text += "program \(other.id): \(other.name ?? "without a name"), \(other.type)\n"
    }
    if let obstacle = facts.obstacle { text += "not asked: \(obstacle)\n" }
    return text
  }
}
