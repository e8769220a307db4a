// SAFETY, all of this file: the thread takes over the one reference that is passed to it; its
// result is written before the thread ends and read after it was joined.

import Glibc
import Synchronization

/// Work that goes on on a thread of its own until somebody takes its result. The processor is left to
/// others first.
package final class Background<Value: Sendable> {
  private let thread: pthread_t
  private let task: Task<Value>
  private var isJoined = false

  /// - Parameter whenDone: called on that thread as its last act.
  /// - Throws: when there is no thread to be had; then nothing was run.
  package init(
    _ work: @escaping @Sendable () -> Value, whenDone: @escaping @Sendable () -> Void
  ) throws(NoThread) {
    let task = Task(work, whenDone)
    var thread = pthread_t()
    let argument = unsafe Unmanaged.passRetained(task as AnyTask).toOpaque()
    let code = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<AnyTask>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, argument)
    guard code == 0 else {
      unsafe Unmanaged<AnyTask>.fromOpaque(argument).release()
      throw NoThread(errno: code)
    }
    self.thread = thread
    self.task = task
  }

  /// Whether `result` is there without waiting.
  package var isDone: Bool { task.isDone.load(ordering: .acquiring) }

  /// Waits for its end.
  package func result() -> Value? {
    if !isJoined {
      isJoined = true
      _ = pthread_join(thread, nil)
    }
    return task.value
  }

  deinit { if !isJoined { _ = pthread_join(thread, nil) } }
}

private class AnyTask {
  func run() {}
}

/// Written by the thread, read after it has ended.
private final class Task<Value: Sendable>: AnyTask {
  private let body: @Sendable () -> Value
  private let whenDone: @Sendable () -> Void
  private(set) var value: Value?
  let isDone = Atomic(false)

  init(_ body: @escaping @Sendable () -> Value, _ whenDone: @escaping @Sendable () -> Void) {
    self.body = body
    self.whenDone = whenDone
  }

  override func run() {
    // Of this thread alone, which is Linux's way. Not allowed: then not.
    _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)
    value = body()
    isDone.store(true, ordering: .releasing)
    whenDone()
  }
}
