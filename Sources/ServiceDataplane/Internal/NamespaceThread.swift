// SAFETY, all of this file: pointers given to C live until the call returns; the thread takes over
// the one reference that is passed to it, and is joined before the function returns.

import CKernel
import Glibc

/// A thread that may go into other network namespaces, because it does not come back.
enum NamespaceThread {
  /// Runs `body` on a thread of its own and waits for its end.
  static func run<T: Sendable>(
    _ body: @escaping @Sendable () throws(DataplaneError) -> T
  ) throws(DataplaneError) -> T {
    let work = Work { () throws(DataplaneError) in try body() }
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
      throw .system("starting a thread", errno: code)
    }
    _ = pthread_join(thread, nil)
    guard let result = work.result else { throw .system("running a thread", errno: EINVAL) }
    return try result.get()
  }

  /// Only for a thread made by `run`.
  static func enter(_ namespace: Int32) -> Bool { ck_enter_namespace(namespace) == 0 }
}

private class AnyWork {
  func run() {}
}

/// Written by the thread, read after it has ended.
private final class Work<T: Sendable>: AnyWork {
  private let body: () throws(DataplaneError) -> T
  private(set) var result: Result<T, DataplaneError>?

  init(_ body: @escaping () throws(DataplaneError) -> T) { self.body = body }

  override func run() {
    do { result = .success(try body()) } catch { result = .failure(error) }
  }
}
