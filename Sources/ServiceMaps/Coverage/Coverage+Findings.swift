extension Coverage {
  /// What `doctor` says about it.
  public var findings: [Finding] {
    if let obstacle = facts.obstacle {
      return [
        Finding(
          "effective", .warning, "which programs are effective was not asked: \(obstacle)",
          remedy: "run it as root, or with CAP_NET_ADMIN")
      ]
    }
    return anchorFindings + [effectiveFinding] + problemFindings + otherFindings
      + [sightFinding].compactMap { $0 }
  }

  private var anchorFindings: [Finding] {
    facts.anchors.filter { !$0.isLive }.map { anchor in
      Finding(
        "attached", .failure,
        anchor.path.map { "every link to the cgroup \($0) is detached" }
          ?? "the cgroup that was attached to (id \(anchor.id)) is gone",
        remedy: "`socklb attach` removes its pins and attaches again; tables and sockets stay")
    }
  }

  private var effectiveFinding: Finding {
    let outside = places.count - expected.count
    let more =
      outside == 0
      ? "" : "; \(outside) more lie outside of the cgroups that socklb is attached to"
    if coveredCount == expected.count {
      return Finding("effective", .ok, summary + more)
    }
    return Finding("effective", .failure, summary + more, remedy: "`socklb attach` mends it")
  }

  private var problemFindings: [Finding] {
    problems.map {
      Finding(
        "effective", .failure, $0,
        remedy: "`socklb attach` attaches what is missing; `socklb status` shows the links")
    }
  }

  /// One line per program, with where it is.
  private var otherFindings: [Finding] {
    struct Group: Hashable {
      var program: CoverageFacts.Program
      var isBefore: Bool
    }
    var hooks: [Group: Set<String>] = [:]
    var paths: [Group: Set<String>] = [:]
    for place in places {
      for other in place.others {
        let group = Group(program: other.program, isBefore: other.isBefore)
        hooks[group, default: []].insert(other.hook)
        paths[group, default: []].insert(place.path)
      }
    }
    if hooks.isEmpty {
      return [Finding("others", .ok, "no other agent's program is on the hooks of socklb")]
    }
    return hooks.keys.sorted {
      ($0.program.id, $0.isBefore ? 0 : 1) < ($1.program.id, $1.isBefore ? 0 : 1)
    }
    .map { group in
      let names = hooks[group, default: []].sorted()
      let places = paths[group, default: []].sorted()
      // Ours are named after their hooks; nobody else's need be.
      let isSocklb = group.program.name.map(facts.hooks.contains) ?? false
      return Finding(
        "others", .warning,
        "\(group.program.name.map { "another program, \($0)" } ?? "another program") "
          + "(id \(group.program.id), \(group.program.type)), runs "
          + "\(group.isBefore ? "before" : "after") ours at \(names.joined(separator: ", ")) "
          + "for \(Self.some(places))",
        remedy: isSocklb
          ? "this may be a second socklb: `socklb detach --pin` of one of them"
          : group.isBefore
            ? "what it rewrites is not seen as a Service's address by socklb: let one of the two "
              + "translate Services"
            : "it sees backends in the place of Services: let one of the two translate Services")
    }
  }

  private var sightFinding: Finding? {
    let hidden = facts.outOfSight.values.reduce(0, +)
    if hidden > 0 {
      return Finding(
        "sight", .warning,
        "\(hidden) processes are in cgroups that cannot be seen from here: "
          + Self.some(facts.outOfSight.keys.sorted()),
        remedy: "run it in the first cgroup namespace, with the whole cgroup2 hierarchy mounted")
    }
    if !facts.seesAllProcesses {
      return Finding(
        "sight", .warning, "this process does not see all processes of the machine",
        remedy: "run it in the first pid namespace (a Pod: hostPID)")
    }
    return nil
  }

  /// A few of them by name, the others as a number.
  static func some(_ names: [String]) -> String {
    let shown = names.prefix(3).joined(separator: ", ")
    return names.count > 3 ? "\(shown) and \(names.count - 3) more" : shown
  }
}

extension CgroupMounts {
  /// The place where systemd mounts cgroup2 when it is the only hierarchy.
  static let usualPlace = "/sys/fs/cgroup"

  public var findings: [Finding] {
    guard let first = unified.first else {
      return [
        Finding(
          "cgroup2", .failure, "no cgroup2 file system is mounted",
          remedy: "mount -t cgroup2 none /sys/fs/cgroup/unified")
      ]
    }
    if Self.needsNamespaceRoot(first) || first.root != "/" {
      return [
        Finding(
          "cgroup2", .warning, "the mount at \(first.path) shows \(first.root) of the hierarchy",
          remedy: "cgroups outside of it are not seen, and not attached to by default")
      ]
    }
    guard isHybrid else {
      return [Finding("cgroup2", .ok, "mounted at \(first.path)")]
    }
    // Before 5.15, net_cls and net_prio took the place where a socket keeps its cgroup.
    let marking = ["net_cls", "net_prio"].filter { controllers[$0] != nil }
    return [
      Finding(
        "cgroup2", .ok,
        "mounted at \(first.path), beside \(controllers.count) hierarchies of version 1 (hybrid"
          + (first.path == Self.usualPlace ? "" : ": not at \(Self.usualPlace)") + "); "
          + (marking.isEmpty
            ? "socklb needs none of them"
            : "\(marking.joined(separator: " and ")) are among them, which turn off nothing "
              + "since Linux 5.15"))
    ]
  }
}
