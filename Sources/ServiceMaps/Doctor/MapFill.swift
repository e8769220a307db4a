/// How full the maps are, against what they may grow to.
public struct MapFill: Sendable, Hashable {
  /// One kind of entry.
  public struct Use: Sendable, Hashable {
    public var what: String
    public var used: Int
    public var room: Int
    /// How far the room grows by itself.
    public var limit: Int

    public init(_ what: String, used: Int, room: Int, limit: Int) {
      self.what = what
      self.used = used
      self.room = room
      self.limit = limit
    }

    fileprivate var isNearlyFull: Bool { used > 0 && used * 5 > limit * 4 }
  }

  public var uses: [Use]

  public init(uses: [Use]) { self.uses = uses }

  /// - Parameter limits: nil: they do not grow.
  public init(_ states: [FamilyState], limits: Capacities?) {
    uses = states.flatMap { state -> [Use] in
      let room = state.capacities
      func use(_ what: String, _ used: Int, _ of: KeyPath<Capacities, Int>) -> Use {
        Use(
          "\(what) of \(state.family)", used: used, room: room[keyPath: of],
          limit: max(room[keyPath: of], limits?[keyPath: of] ?? 0))
      }
      let listed = state.lists.values.reduce(0) { $0 + Int($1.count) }
      return [
        use("service ports", state.services.count, \.services),
        use("frontends", state.frontends.count, \.frontends),
        use("backends", listed + state.keptEndpoints().count, \.backends),
      ]
    }
  }

  public var findings: [Finding] {
    let full = uses.filter(\.isNearlyFull)
    guard full.isEmpty else {
      return full.map { use in
        Finding(
          "room", .warning,
          use.used >= use.limit
            ? "the maps are full: \(use.used) \(use.what), and there may be no more"
            : "\(use.used) of \(use.limit) \(use.what): \(use.used * 100 / use.limit) %",
          remedy: "`socklb attach \(use.option) N` lets them grow further, also while they are in "
            + "use; what does not fit is refused as a whole")
      }
    }
    let fullest = uses.filter { $0.limit > 0 }.max { $0.used * $1.limit < $1.used * $0.limit }
    return [
      Finding(
        "room", .ok,
        fullest.map {
          "the fullest maps have \($0.used) of \($0.limit) \($0.what) that they may grow to"
        } ?? "there is room")
    ]
  }

  /// - Parameters:
  ///   - records: taken, of the sockets' map, which has a fixed size.
  ///   - setFull: sockets that found no record, since attach.
  public static func sockets(records: Int, capacity: Int, setFull: UInt64) -> Finding {
    let text = "\(records) of \(capacity) records of sockets are taken"
    if capacity > 0, records * 5 > capacity * 4 {
      return Finding(
        "room", .warning, text,
        remedy: "the rest is remembered in memory of the sockets themselves: nothing is lost, "
          + "but each of them costs more; see what holds so many with `socklb dump sockets`")
    }
    return Finding(
      "room", .ok, text + (setFull > 0 ? "; \(setFull) times there was none at its place" : ""))
  }
}

extension MapFill.Use {
  fileprivate var option: String {
    what.hasPrefix("service")
      ? "--max-services"
      : what.hasPrefix("front")
        ? "--max-frontends"
        : "--max-backends"
  }
}
