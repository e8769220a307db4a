import Synchronization

/// Values that the end of the process takes care of: to take known objects apart, one by one, takes a
/// twentieth of the time of a command.
enum UntilExit {
  private static let values = Mutex<[any Sendable]>([])

  static func keep(_ value: some Sendable) { values.withLock { $0.append(value) } }
}
