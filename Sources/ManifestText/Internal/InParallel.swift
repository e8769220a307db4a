// SAFETY, all of this file: the thread takes over the one reference that is passed to it, and is
// joined before the function returns; its result is read after that.

import Glibc

/// Computes two things at once, the second one on a thread of its own. Where there is none to be
/// had, one after the other.
package func inParallel<First, Second: Sendable>(
  _ first: () -> First, _ second: @escaping @Sendable () -> Second
) -> (First, Second) {
  let work = Work(second)
  var thread = pthread_t()
  let argument = unsafe Unmanaged.passRetained(work as AnyWork).toOpaque()
  let code = unsafe pthread_create(
    &thread, nil,
    { argument in
      guard let argument = unsafe argument else { return nil }
      unsafe Unmanaged<AnyWork>.fromOpaque(argument).takeRetainedValue().run()
      return nil
    }, argument)
  if code != 0 { unsafe Unmanaged<AnyWork>.fromOpaque(argument).release() }
  let result = first()
  if code == 0 { _ = pthread_join(thread, nil) }
  return (result, work.result ?? second())
}

private class AnyWork {
  func run() {}
}

/// Written by the thread, read after it has ended.
private final class Work<T: Sendable>: AnyWork {
  private let body: @Sendable () -> T
  private(set) var result: T?

  init(_ body: @escaping @Sendable () -> T) { self.body = body }

  override func run() { result = body() }
}
