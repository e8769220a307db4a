import ServiceDataplane

/// What `attach` keeps in the state directory besides the options of the node: what it was attached
/// to, and who may read.
enum AttachSettings {
  private static let cgroup = "cgroup."
  private static let group = "group"

  /// - Parameter group: as it was given now; nil: as it was kept.
  static func settings(
    cgroups: [String], group: String?, over kept: [String: String]
  ) -> [String: String] {
    var result = kept.filter { !$0.key.hasPrefix(cgroup) }
    // One line each: a line end cannot be kept, and no tool makes such a cgroup.
    for (number, path) in cgroups.filter({ !$0.contains("\n") }).enumerated() {
      result[cgroup + "\(number)"] = path
    }
    if let group { result[self.group] = group }
    return result
  }

  static func cgroups(_ settings: [String: String]) -> [String] {
    settings.filter { $0.key.hasPrefix(cgroup) }
      .sorted { ($0.key.utf8.count, $0.key) < ($1.key.utf8.count, $1.key) }.map(\.value)
  }

  static func group(_ settings: [String: String]) throws(DataplaneError) -> Group {
    guard let name = settings[group] else { return .root }
    guard let group = Group(name) else {
      throw .refused(
        "there is no group \(name), which `attach --group` named earlier",
        remedy: "make it, or name another one with --group (root: nobody besides root)")
    }
    return group
  }
}
