// SAFETY, all of this file: the thread takes over the one reference that is passed to it, and is
// joined before the function returns; its result is read after that.

import Glibc

/// The system has no thread to give.
package struct NoThread: Error {
  package var errno: Int32
}

/// Runs `work` on a thread of its own, which ends with it, and `meanwhile` on this one.
///
/// - Throws: when there is no thread to be had; then nothing was run.
package func onOwnThread<Value: Sendable, Other>(
  _ work: @escaping @Sendable () -> Value, while meanwhile: () -> Other
) throws(NoThread) -> (value: Value, other: Other) {
  let work = Work(work)
  var thread = pthread_t()
  let argument = unsafe Unmanaged.passRetained(work as AnyWork).toOpaque()
  let code = unsafe pthread_create(
    &thread, nil,
    { argument in
      guard let argument = unsafe argument else { return nil }
      unsafe Unmanaged<AnyWork>.fromOpaque(argument).takeRetainedValue().run()
      return nil
    }, argument)
  guard code == 0 else {
    unsafe Unmanaged<AnyWork>.fromOpaque(argument).release()
    throw NoThread(errno: code)
  }
  let other = meanwhile()
  _ = pthread_join(thread, nil)
  guard let value = work.value else { throw NoThread(errno: EINVAL) }
  return (value, other)
}

private class AnyWork {
  func run() {}
}

/// Written by the thread, read after it has ended.
private final class Work<Value: Sendable>: AnyWork {
  private let body: @Sendable () -> Value
  private(set) var value: Value?

  init(_ body: @escaping @Sendable () -> Value) { self.body = body }

  override func run() { value = body() }
}
