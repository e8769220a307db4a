public import ServiceFollow
public import ServiceMaps
import Synchronization

/// What came from an API server and was not taken in yet: written by the tasks that listen to it, read
/// by the thread that changes the table.
public final class ClusterFeed: Sendable {
  /// What is to be taken in together.
  public struct Batch: Sendable {
    /// By the names of `ClusterItem.source`.
    public var readings: [String: FollowedFiles.Reading] = [:]

    public var isEmpty: Bool { readings.isEmpty }
  }

  private struct State {
    var batch = Batch()
    /// What is there, as far as it was handed out, by kind.
    var names: [ObjectKind: Set<String>] = [:]
    var complete: Set<ObjectKind> = []
    /// Listed, or refused by the server: there is no use in waiting for it at the start.
    var answered: Set<ObjectKind> = []
    var troubles: [ObjectKind: String] = [:]
    var lists = 0
    /// Since when all that is required is there.
    var required: ContinuousClock.Instant?
    /// `metadata.uid` of what cannot be used.
    var brokenUIDs: [String: String] = [:]
  }

  private let state = Mutex(State())
  private let kinds: Set<ObjectKind>
  private let wake: @Sendable () -> Void

  /// So long the first table waits for the rest: this node's zone, addresses and host ports.
  private static let patience = Duration.seconds(10)
  /// What nothing is programmed without.
  public static let required: Set<ObjectKind> = [.service, .endpointSlice]

  /// - Parameters:
  ///   - kinds: what is followed.
  ///   - known: names of what is known from before, so that what is gone by now is said to be gone.
  ///   - wake: called, on any thread, when there is something new.
  public init(
    _ kinds: Set<ObjectKind>, known: [ObjectKind: Set<String>], wake: @escaping @Sendable () -> Void
  ) {
    self.kinds = kinds
    self.wake = wake
    state.withLock { $0.names = known }
  }

  // MARK: For those who listen

  /// Everything there is of one kind.
  func replace(_ kind: ObjectKind, with items: [ClusterItem]) {
    state.withLock { state in
      var present: Set<String> = []
      present.reserveCapacity(items.count)
      for item in items {
        if let name = Self.note(item, in: &state) { present.insert(name) }
      }
      for name in state.names[kind] ?? [] where !present.contains(name) {
        state.batch.readings[name] = .gone
      }
      state.names[kind] = present
      state.complete.insert(kind)
      state.answered.insert(kind)
      if state.required == nil, state.complete.isSuperset(of: Self.required.intersection(kinds)) {
        state.required = .now
      }
      state.troubles[kind] = nil
      state.lists += 1
    }
    wake()
  }

  /// What has happened to one kind, in this order.
  func take(_ events: [Change], of kind: ObjectKind) {
    if events.isEmpty { return }
    let isNew = state.withLock { state in
      for event in events {
        switch event {
        case .present(let item):
          if let name = Self.note(item, in: &state) {
            state.names[kind, default: []].insert(name)
          } else {
            state.names[kind]?.remove(ClusterItem.source(of: item.id))
          }
        case .deleted(let id):
          let name = ClusterItem.source(of: id)
          state.batch.readings[name] = .gone
          state.names[kind]?.remove(name)
          state.brokenUIDs[name] = nil
        }
      }
      return !state.batch.isEmpty
    }
    if isNew { wake() }
  }

  enum Change: Sendable {
    case present(ClusterItem)
    case deleted(ObjectID)
  }

  /// What keeps one kind from being followed; nil: nothing does.
  func setTrouble(_ trouble: String?, of kind: ObjectKind, isRefusal: Bool = false) {
    let isNew = state.withLock { state in
      let isFirst = isRefusal && state.answered.insert(kind).inserted
      if state.troubles[kind] == trouble { return isFirst }
      state.troubles[kind] = trouble
      return true
    }
    if isNew { wake() }
  }

  /// - Returns: its name, when it is one to be followed.
  private static func note(_ item: ClusterItem, in state: inout State) -> String? {
    let name = ClusterItem.source(of: item.id)
    var decoded = DecodedManifests()
    decoded.diagnostics = item.diagnostics
    if let object = item.object { decoded.objects = [object] }
    if item.object == nil && !item.hasErrors {
      // Most Pods have no host port, and nobody has to hear of what becomes of them.
      if state.names[item.id.kind]?.contains(name) == true || state.batch.readings[name] != nil {
        state.batch.readings[name] = .gone
      }
      return nil
    }
    if item.hasErrors { state.brokenUIDs[name] = item.uid } else { state.brokenUIDs[name] = nil }
    state.batch.readings[name] = .decoded(decoded)
    return name
  }

  // MARK: For the thread that changes the table

  /// Whether the lists are there without which nothing is programmed.
  public var isComplete: Bool {
    state.withLock { state in
      guard let since = state.required else { return false }
      return state.answered.isSuperset(of: kinds) || ContinuousClock.now - since >= Self.patience
    }
  }

  /// How long until `isComplete` whatever comes, in nanoseconds; nil: that is not known.
  public var timeUntilComplete: UInt64? {
    state.withLock { state in
      guard let since = state.required, !state.answered.isSuperset(of: kinds) else { return nil }
      let left = Self.patience - (ContinuousClock.now - since)
      return left > .zero ? UInt64(left.milliseconds + 1) * 1_000_000 : nil
    }
  }

  /// The uid of an object that cannot be used, as the server gave it.
  public func uid(ofBroken name: String) -> String? { state.withLock { $0.brokenUIDs[name] } }

  public var hasBatch: Bool { state.withLock { !$0.batch.isEmpty } }

  public func takeBatch() -> Batch {
    state.withLock { state in
      let batch = state.batch
      state.batch = Batch()
      return batch
    }
  }

  /// What was not taken in; what has come since is newer.
  public func putBack(_ readings: [String: FollowedFiles.Reading]) {
    state.withLock { $0.batch.readings.merge(readings) { newer, _ in newer } }
  }

  /// What keeps it from following, in a line; nil: nothing.
  public var trouble: String? {
    state.withLock { state in
      let all = state.troubles.sorted { $0.key < $1.key }
      guard let first = all.first else { return nil }
      // Mostly it is the same for all.
      let kinds = all.map { "\($0.key.rawValue)" }.joined(separator: ", ")
      return all.allSatisfy { $0.value == first.value }
        ? "\(kinds): \(first.value)"
        : all.map { "\($0.key.rawValue): \($0.value)" }.joined(separator: "; ")
    }
  }

  /// How the lists are doing, by kind: whether there was one, and what is wrong now.
  public var lists: [(kind: ObjectKind, isComplete: Bool, trouble: String?)] {
    state.withLock { state in
      kinds.sorted().map { ($0, state.complete.contains($0), state.troubles[$0]) }
    }
  }

  /// How often everything of one kind was listed.
  public var listCount: Int { state.withLock { $0.lists } }
}
