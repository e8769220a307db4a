import ServiceDataplane
import ServiceMaps

/// What differs between the maps and the table that the known objects ask for, at one point in
/// time: neither maps nor state changed meanwhile, and no change was half made.
struct DriftCheck {
  var drifts: [Drift]
  var image: KernelTables.Image

  /// - Parameter isLocked: whether this process has the lock of the state directory.
  init(
    _ dataplane: Dataplane, _ state: StateDirectory, isLocked: Bool = false
  ) throws(DataplaneError) {
    // A process that follows a directory changes the maps first, and is asked to store all of it.
    let lock = state.isRunning && !isLocked ? try state.lock(seconds: 5) : nil
    defer { withExtendedLifetime(lock) {} }
    var seen: (StateDirectory.ObjectsOnDisk?, [String: String])?
    var table: ServiceTable?
    image = try dataplane.tables.readImage { () throws(DataplaneError) in
      let now = (try state.objectsOnDisk(), try state.readSettings())
      let isPending = try state.readPending() != nil
      let isSettled = !isPending && seen.map { $0 == now } == true
      if !isSettled || table == nil {
        seen = now
        table = try Recomputed(state).table
      }
      return isSettled
    }
    if table == nil { table = try Recomputed(state).table }
    let wanted = table ?? ServiceTable(frontends: [])
    drifts = MapCheck.drift(of: image.maps, from: wanted)
    if let pending = try state.readPending(), !image.isConsistent {
      drifts.insert(
        Drift(
          map: "state", object: "\(pending.entry.command)", found: "a change that was begun",
          expected: "none: its writer is at work, or was killed"), at: 0)
    }
    drifts += try dataplane.missingHooks().map {
      Drift(
        map: "programs", object: "-", found: $0,
        expected: "every hook: `socklb attach` attaches what is missing")
    }
  }

  /// What `doctor` says of it. Hooks have lines of their own there.
  static func finding(_ drifts: [Drift]) -> Finding {
    let drifts = drifts.filter { $0.map != "programs" }
    guard let first = drifts.first else {
      return Finding("drift", .ok, "the maps hold what the known objects ask for")
    }
    return Finding(
      "drift", .failure,
      "the maps are not what the known objects ask for: \(first)"
        + (drifts.count > 1 ? ", and \(drifts.count - 1) more" : ""),
      remedy: "`socklb verify` lists all of it, `socklb verify --repair` mends it")
  }
}

extension Drift {
  var facts: Facts {
    .members([
      ("map", .text(map)), ("object", .text(object)), ("found", .text(found)),
      ("expected", .text(expected)),
    ])
  }
}
