import Glibc

/// Runs a function in a thread of its own.
final class Background: @unchecked Sendable {
  private var thread = pthread_t()
  private let body: @Sendable () throws -> Void
  private var error: (any Error)?

  init(_ body: @escaping @Sendable () throws -> Void) throws {
    self.body = body
    let this = Unmanaged.passRetained(self).toOpaque()
    let result = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let this = Unmanaged<Background>.fromOpaque(argument).takeRetainedValue()
        do { try this.body() } catch { this.error = error }
        return nil
      }, this)
    try CallFailed.check(-result, "pthread_create")
  }

  /// Waits for the end, and throws what the function threw.
  func join() throws {
    pthread_join(thread, nil)
    if let error { throw error }
  }
}
