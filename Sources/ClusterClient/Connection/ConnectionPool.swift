import NIOCore
import Synchronization

/// The connections of a client: those that wait for a request, and those that have one.
final class ConnectionPool: Sendable {
  /// A server may close a connection that nobody uses; before it does so, this side does.
  static let idleLimit = TimeAmount.seconds(90)
  static let most = 4

  private struct State {
    var idle: [ClusterConnection] = []
    var busy: [ObjectIdentifier: ClusterConnection] = [:]
    /// Not yet connections: looked at only to close them.
    var opening: [ObjectIdentifier: any Channel] = [:]
    var isClosed = false
  }

  private let state = Mutex(State())

  /// The latest used connection to that server.
  func take(_ server: ClusterServer, generation: Int) -> ClusterConnection? {
    state.withLock { state in
      guard
        let index = state.idle.lastIndex(where: {
          $0.server == server && $0.generation == generation
        })
      else { return nil }
      let connection = state.idle.remove(at: index)
      state.busy[ObjectIdentifier(connection)] = connection
      return connection
    }
  }

  /// A new connection, which has a request at once.
  func add(_ connection: ClusterConnection) {
    let isClosed = state.withLock { state in
      state.busy[ObjectIdentifier(connection)] = connection
      return state.isClosed
    }
    if isClosed { connection.close(.shutDown) }
  }

  /// A connection's request is over. On its event loop.
  ///
  /// - Parameter isKept: it can have another one.
  func release(_ connection: ClusterConnection, isKept: Bool) {
    let isIdle = state.withLock { state in
      state.busy[ObjectIdentifier(connection)] = nil
      state.idle.removeAll { $0 === connection }
      let isRetired = connection.isRetired.load(ordering: .relaxed)
      guard isKept, !isRetired, !state.isClosed, state.idle.count < Self.most else { return false }
      state.idle.append(connection)
      return true
    }
    guard isIdle else {
      connection.channel.close(promise: nil)
      return
    }
    // Used meanwhile, it has come to the end of the list, and another of these looks after it.
    let uses = connection.countUse()
    connection.channel.eventLoop.scheduleTask(in: Self.idleLimit) { [weak self, weak connection] in
      guard let self, let connection, connection.uses == uses else { return }
      self.closeIdle { $0 === connection }
    }
  }

  /// Connections made with older client certificates have no further request; those that have one now are closed after
  /// `delay`.
  func retire(before generation: Int, in delay: TimeAmount) {
    closeIdle { $0.generation < generation }
    let busy = state.withLock { state in
      state.busy.values.filter {
        $0.generation < generation && !$0.isRetired.exchange(true, ordering: .relaxed)
      }
    }
    for connection in busy {
      let nanoseconds = delay.nanoseconds > 0 ? Int64.random(in: 0...delay.nanoseconds) : 0
      connection.channel.eventLoop.scheduleTask(in: .nanoseconds(nanoseconds)) {
        [weak connection] in
        guard let connection else { return }
        connection.close(.superseded(connection.server))
      }
    }
  }

  func isOpening(_ channel: any Channel) {
    let isClosed = state.withLock { state in
      state.opening[ObjectIdentifier(channel)] = channel
      return state.isClosed
    }
    channel.closeFuture.whenComplete { [weak self] _ in self?.hasOpened(channel) }
    if isClosed { channel.close(promise: nil) }
  }

  func hasOpened(_ channel: any Channel) {
    state.withLock { $0.opening[ObjectIdentifier(channel)] = nil }
  }

  private func closeIdle(where isMeant: (ClusterConnection) -> Bool) {
    let closed = state.withLock { state in
      let closed = state.idle.filter(isMeant)
      state.idle.removeAll(where: isMeant)
      return closed
    }
    for connection in closed { connection.channel.close(promise: nil) }
  }

  /// Closes everything; responses end with `shutDown`.
  func close() {
    let (connections, channels) = state.withLock { state in
      state.isClosed = true
      defer {
        state.idle = []
        state.opening = [:]
      }
      return (state.idle + state.busy.values, Array(state.opening.values))
    }
    for connection in connections { connection.close(.shutDown) }
    for channel in channels { channel.close(promise: nil) }
  }

  /// For tests.
  var counts: (idle: Int, busy: Int) { state.withLock { ($0.idle.count, $0.busy.count) } }
}
