public import ClusterClient
public import Logging

/// Creates Events at the API server, one after the other. It never holds anybody up: what cannot be sent,
/// or is too much, is dropped, since the log has said it.
public final class ClusterNotices: Sendable {
  /// An Event as JSON, and its namespace.
  public struct Notice: Sendable {
    public var namespace: String
    public var json: [UInt8]

    public init(namespace: String, json: [UInt8]) {
      self.namespace = namespace
      self.json = json
    }
  }

  private let queue: AsyncStream<Notice>.Continuation
  private let task: Task<Void, Never>
  /// So many wait at most; the oldest are kept, as they are nearest to the cause.
  private static let most = 50
  /// Between two, so that a thousand broken objects are no flood.
  private static let pause = Duration.milliseconds(200)

  public init(_ client: ClusterClient, _ log: Logger) {
    let (notices, queue) = AsyncStream.makeStream(
      of: Notice.self, bufferingPolicy: .bufferingOldest(Self.most))
    self.queue = queue
    task = Task.detached {
      for await notice in notices {
        var request = ClusterRequest("/api/v1/namespaces/\(notice.namespace)/events")
        request.method = "POST"
        request.headers.append((name: "Content-Type", value: "application/json"))
        request.body = notice.json
        do {
          let answer = try await client.send(request)
          _ = try await answer.collect(upTo: 1 << 16)
          if answer.status >= 300 {
            log.debug("\(answer.server) answers \(answer.status) to an Event")
          }
        } catch { log.debug("an Event was not sent: \(error)") }
        try? await Task.sleep(for: Self.pause)
      }
    }
  }

  public func send(_ notice: Notice) { queue.yield(notice) }

  public func end() {
    queue.finish()
    task.cancel()
  }
}
