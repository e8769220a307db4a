/// What happened to one object, in kubectl's words.
public struct ObjectChange: Hashable, Sendable, CustomStringConvertible {
  public enum Action: String, Hashable, Sendable, CaseIterable {
    case created, configured, unchanged
    /// Removed by `--prune` because the input did not name it.
    case pruned
    /// Removed by `delete`.
    case deleted
  }

  public var id: ObjectID
  public var action: Action

  public init(id: ObjectID, action: Action) {
    self.id = id
    self.action = action
  }

  /// The line kubectl prints: `service/web created`, or `service "web" deleted`.
  public var description: String {
    action == .deleted
      ? "\(id.kind.resourceName) \"\(id.name.name)\" deleted" : "\(id) \(action.rawValue)"
  }
}

/// The outcome of `apply` or `delete` on the known objects.
public struct ChangeSet: Hashable, Sendable {
  /// One per object of the input, in its order; then what was taken along or pruned, sorted.
  /// Empty when the input was refused.
  public var changes: [ObjectChange] = []
  public var diagnostics: [Diagnostic] = []

  public init() {}

  /// The input was refused, whole: nothing was changed.
  public var isRefused: Bool { diagnostics.contains { $0.severity == .error } }

  /// Something differs from before; otherwise there is nothing to write.
  public var isChange: Bool { changes.contains { $0.action != .unchanged } }
}
