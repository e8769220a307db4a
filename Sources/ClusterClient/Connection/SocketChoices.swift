import NIOCore
import NIOPosix

/// How sockets to servers are set up.
enum SocketChoices {
  static func bootstrap(
    _ loop: any EventLoop, connect limit: TimeAmount,
    opened: @escaping @Sendable (any Channel) -> Void
  ) -> ClientBootstrap {
    var bootstrap = ClientBootstrap(group: loop)
      .connectTimeout(limit)
      .channelOption(.socketOption(.so_keepalive), value: 1)
      // Bounds what one read brings, and so what a stopped reader leaves in memory.
      .channelOption(.maxMessagesPerRead, value: 2)
      .channelInitializer { channel in
        opened(channel)
        return channel.eventLoop.makeSucceededVoidFuture()
      }
    for (option, value) in tcp {
      bootstrap = bootstrap.channelOption(
        ChannelOptions.Types.SocketOption(level: .tcp, name: .init(rawValue: Int32(option))),
        value: value)
    }
    return bootstrap
  }
}
