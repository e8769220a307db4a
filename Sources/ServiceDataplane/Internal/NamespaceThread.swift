import CKernel
import Threads

/// A thread that may go into other network namespaces, because it does not come back.
enum NamespaceThread {
  /// Runs `body` on a thread of its own and waits for its end.
  static func run<T: Sendable>(
    _ body: @escaping @Sendable () throws(DataplaneError) -> T
  ) throws(DataplaneError) -> T {
    let result: Result<T, DataplaneError>
    do {
      result = try onOwnThread({ Result(catching: body) }, while: {}).value
    } catch {
      throw .system("starting a thread", errno: error.errno)
    }
    return try result.get()
  }

  /// Only for a thread made by `run`.
  static func enter(_ namespace: Int32) -> Bool { ck_enter_namespace(namespace) == 0 }
}
