import NIOCore
import NIOHTTP1
import Synchronization

/// One connection to a server, which carries one request at a time.
final class ClusterConnection: Sendable {
  let channel: any Channel
  let server: ClusterServer
  /// Of the client certificate that it was made with.
  let generation: Int
  private let handler: NIOLoopBound<ExchangeHandler>
  /// The client certificate was replaced: no further request.
  let isRetired = Atomic(false)
  private let useCount = Atomic(0)

  init(
    _ channel: any Channel, _ server: ClusterServer, generation: Int,
    handler: NIOLoopBound<ExchangeHandler>
  ) {
    self.channel = channel
    self.server = server
    self.generation = generation
    self.handler = handler
  }

  /// Sends a request and waits for the head of its response.
  func exchange(
    _ request: ExchangeHandler.Request
  ) async -> Result<ExchangeHandler.Answer, ExchangeFailure> {
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        channel.eventLoop.execute {
          self.handler.value.start(request) { continuation.resume(returning: $0) }
        }
      }
    } onCancel: {
      channel.close(promise: nil)
    }
    if Task.isCancelled {
      if case .success(let answer) = result { answer.queue.abandon() }
      return .failure(ExchangeFailure(.cancelled, isUnused: false))
    }
    return result
  }

  /// How often it was put back.
  var uses: Int { useCount.load(ordering: .relaxed) }

  func countUse() -> Int { useCount.add(1, ordering: .relaxed).newValue }

  /// Ends it whatever it is doing; its response ends with `reason`.
  func close(_ reason: ClusterError) {
    channel.eventLoop.execute {
      self.handler.value.closeReason = reason
      self.channel.close(promise: nil)
    }
  }
}
