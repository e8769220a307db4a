/// What a server answered. The body is yet to come.
public struct ClusterResponse: Sendable {
  public var status: Int
  /// The server that it came from.
  public var server: ClusterServer
  /// All, in the order they came.
  public var headers: [(name: String, value: String)]
  public var body: ClusterBody

  /// The first header of that name, in whatever case it is written.
  public func header(_ name: String) -> String? {
    let name = name.lowercased()
    return headers.first { $0.name.lowercased() == name }?.value
  }

  /// The whole body.
  ///
  /// - Throws: `tooLarge` when it has more than `limit` bytes; then the connection is closed.
  public func collect(upTo limit: Int) async throws(ClusterError) -> [UInt8] {
    var bytes: [UInt8] = []
    var iterator = body.makeAsyncIterator()
    while let part = try await iterator.next() {
      guard bytes.count + part.count <= limit else {
        body.close()
        throw .tooLarge(server, limit: limit)
      }
      if bytes.isEmpty { bytes = part } else { bytes += part }
    }
    return bytes
  }
}

/// The bytes of a response as they come, for one reader.
///
/// No more than some 200 KB are read ahead of the reader. The sequence ends where the response ends; a
/// response that is cut off, a silence that is too long and a broken connection are errors, after the
/// bytes that came before. A body that was read to its end gives its connection to the next request; one that is
/// dropped before, or whose reader is cancelled, closes it.
public struct ClusterBody: AsyncSequence, Sendable {
  public typealias Element = [UInt8]
  public typealias Failure = ClusterError

  let source: BodySource

  public struct AsyncIterator: AsyncIteratorProtocol {
    let source: BodySource

    /// What has come since the last call, at least a byte; nil at the end.
    public mutating func next() async throws(ClusterError) -> [UInt8]? {
      try await source.queue.next().get()
    }

    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(ClusterError) -> [UInt8]? {
      try await source.queue.next().get()
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(source: source) }

  /// Gives the response up; whoever reads finds `cancelled`.
  public func close() { source.queue.abandon() }
}

/// Gives the response up with the last copy of its body.
final class BodySource: Sendable {
  let queue: BodyQueue

  init(_ queue: BodyQueue) { self.queue = queue }

  deinit { queue.abandon() }
}
