/// What a change came to, in numbers.
public struct ChangeSummary: Hashable, Sendable, CustomStringConvertible {
  public struct Count: Hashable, Sendable {
    public var added = 0
    public var changed = 0
    public var removed = 0

    public init(added: Int = 0, changed: Int = 0, removed: Int = 0) {
      self.added = added
      self.changed = changed
      self.removed = removed
    }

    mutating func add(_ other: Count) {
      added += other.added
      changed += other.changed
      removed += other.removed
    }

    public var isEmpty: Bool { added == 0 && changed == 0 && removed == 0 }

    /// `+2 ~1 -3`, without what is zero.
    var text: String {
      [("+", added), ("~", changed), ("-", removed)].filter { $0.1 != 0 }
        .map { "\($0)\($1)" }.joined(separator: " ")
    }
  }

  /// Known objects.
  public var objects = Count()
  /// Frontends of the table; one that has other backends, or another rule, is changed.
  public var frontends = Count()
  /// Backends of service ports, however many frontends lead there; never `changed`.
  public var backends = Count()

  public init() {}

  public init(_ changes: ChangeSet, from old: ServiceTable, to new: ServiceTable) {
    for change in changes.changes {
      switch change.action {
      case .created: objects.added += 1
      case .configured: objects.changed += 1
      case .pruned, .deleted: objects.removed += 1
      case .unchanged: break
      }
    }
    count(old.frontends, new.frontends)
  }

  /// Adds what one more change came to, of the whole table or of some service ports.
  ///
  /// Both are sorted by key.
  public mutating func add(_ changes: ChangeSet, from old: [Frontend], to new: [Frontend]) {
    let more = ChangeSummary(
      changes, from: ServiceTable(frontends: old), to: ServiceTable(frontends: new))
    add(more)
  }

  public mutating func add(_ more: ChangeSummary) {
    objects.add(more.objects)
    frontends.add(more.frontends)
    backends.add(more.backends)
  }

  /// Both are sorted by key.
  private mutating func count(_ old: [Frontend], _ new: [Frontend]) {
    var touched = Set<ServicePortName>()
    var (i, j) = (0, 0)
    while i < old.count || j < new.count {
      if i == old.count || (j < new.count && new[j].key < old[i].key) {
        frontends.added += 1
        touched.insert(new[j].service)
        j += 1
      } else if j == new.count || old[i].key < new[j].key {
        frontends.removed += 1
        touched.insert(old[i].service)
        i += 1
      } else {
        if old[i] != new[j] {
          frontends.changed += 1
          touched.formUnion([old[i].service, new[j].service])
        }
        i += 1
        j += 1
      }
    }
    if touched.isEmpty { return }
    let before = ChangeSummary.lists(old, of: touched)
    let after = ChangeSummary.lists(new, of: touched)
    for service in touched {
      let (before, after) = (before[service] ?? [], after[service] ?? [])
      if before.isEmpty && after.count == 1 {
        // In one list each backend is once.
        backends.added += after[0].count
        continue
      }
      let (gone, come) = (Set(before.joined()), Set(after.joined()))
      backends.removed += gone.count { !come.contains($0) }
      backends.added += come.count { !gone.contains($0) }
    }
  }

  private static func lists(
    _ frontends: [Frontend], of services: Set<ServicePortName>
  ) -> [ServicePortName: [[Backend]]] {
    var result: [ServicePortName: [[Backend]]] = [:]
    for frontend in frontends where services.contains(frontend.service) {
      result[frontend.service, default: []].append(frontend.backends)
    }
    return result
  }

  public var isEmpty: Bool { objects.isEmpty && frontends.isEmpty && backends.isEmpty }

  /// `objects +2 ~1, frontends +1, backends +3 -1`, or `nothing`.
  public var description: String {
    let parts = [("objects", objects), ("frontends", frontends), ("backends", backends)]
      .filter { !$0.1.isEmpty }
    return parts.isEmpty
      ? "nothing" : parts.map { "\($0) \($1.text)" }.joined(separator: ", ")
  }
}
