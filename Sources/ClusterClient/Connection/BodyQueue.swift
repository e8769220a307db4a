import NIOCore
import Synchronization

/// What came of a response and was not taken yet.
///
/// The event loop puts bytes in, one task takes them out. When more than `readAhead` bytes are waiting, the
/// channel is not read until they are taken.
final class BodyQueue: Sendable {
  static let readAhead = 32 << 10

  typealias Part = Result<[UInt8]?, ClusterError>

  private struct State {
    var bytes = ByteBuffer()
    /// Set once, with the last byte or the failure.
    var end: Result<Void, ClusterError>?
    var waiter: CheckedContinuation<Part, Never>?
    /// Nothing is read until bytes are taken.
    var isPaused = false
    var lastActivity = NIODeadline.now()
  }

  private let state = Mutex(State())
  private let channel: any Channel

  init(_ channel: any Channel) { self.channel = channel }

  // The event loop's side.

  func push(_ bytes: ByteBuffer) {
    let waiter = state.withLock { state -> (CheckedContinuation<Part, Never>, [UInt8])? in
      guard state.end == nil else { return nil }
      state.lastActivity = .now()
      if let waiter = state.waiter, bytes.readableBytes > 0 {
        state.waiter = nil
        return (waiter, Array(bytes.readableBytesView))
      }
      if state.bytes.readableBytes == 0 {
        state.bytes = bytes
      } else {
        state.bytes.writeImmutableBuffer(bytes)
      }
      return nil
    }
    if let (waiter, bytes) = waiter { waiter.resume(returning: .success(bytes)) }
  }

  /// - Returns: whether the channel is to be read on; if not, `next` asks for it.
  func wantsMore() -> Bool {
    state.withLock { state in
      state.isPaused = state.bytes.readableBytes >= Self.readAhead
      return !state.isPaused
    }
  }

  /// The first end counts.
  func finish(_ end: Result<Void, ClusterError>) {
    let waiter = state.withLock { state -> CheckedContinuation<Part, Never>? in
      guard state.end == nil else { return nil }
      state.end = end
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume(returning: end.map { nil })
  }

  /// When somebody has been waiting for bytes since then; nil when nobody is, or when it is over.
  var silence: NIODeadline? {
    state.withLock { $0.waiter == nil || $0.end != nil ? nil : $0.lastActivity }
  }

  var isFinished: Bool { state.withLock { $0.end != nil } }

  // The reader's side.

  func next() async -> Part {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        var isToRead = false
        let part = state.withLock { state -> Part? in
          if state.bytes.readableBytes > 0 {
            let bytes = Array(state.bytes.readableBytesView)
            state.bytes = ByteBuffer()
            isToRead = state.isPaused && state.end == nil
            state.isPaused = false
            return .success(bytes)
          }
          if let end = state.end { return end.map { nil } }
          // A sequence has one reader; the other one is told so instead of waiting for ever.
          if state.waiter != nil { return .failure(.cancelled) }
          state.lastActivity = .now()
          state.waiter = continuation
          return nil
        }
        if isToRead { channel.read() }
        if let part { continuation.resume(returning: part) }
        if Task.isCancelled { abandon() }
      }
    } onCancel: {
      abandon()
    }
  }

  /// Closes the connection unless the response has ended.
  func abandon() {
    let isOver = state.withLock { $0.end != nil }
    if isOver { return }
    finish(.failure(.cancelled))
    channel.close(promise: nil)
  }
}
