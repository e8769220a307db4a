/// Where one socket's traffic to one VIP goes: a translation in use.
public struct SocketFlow: Hashable, Sendable {
  public var vip: Backend
  public var backend: Backend
  public var transport: TransportProtocol
  /// Of connect(); else of sendto() on a socket that names its destinations.
  public var isConnected: Bool
  /// The id of the service port, in the maps of the VIP's family. It may mean another one by now.
  public var service: UInt32
  public var endpoint: UInt32
  /// Of the endpoint, when it was chosen.
  public var generation: UInt32
  /// The low half of the network namespace's cookie.
  public var namespace: UInt32
  /// When the backend was chosen: in units of `KernelClocks.units`. It wraps.
  public var since: UInt32

  public init(
    vip: Backend, backend: Backend, transport: TransportProtocol, isConnected: Bool = true,
    service: UInt32, endpoint: UInt32, generation: UInt32, namespace: UInt32 = 0,
    since: UInt32 = 0
  ) {
    self.vip = vip
    self.backend = backend
    self.transport = transport
    self.isConnected = isConnected
    self.service = service
    self.endpoint = endpoint
    self.generation = generation
    self.namespace = namespace
    self.since = since
  }
}

/// One process has this socket open: what an iterator over open files says.
public struct SocketUser: Hashable, Sendable {
  /// What the socket's record is found by. Unique as long as the machine runs.
  public var cookie: UInt64
  public var process: SocketProcess
  /// SO_NETNS_COOKIE and inode of the network namespace.
  public var namespace: NetworkNamespace
  public var localAddress: IPAddress
  /// 0: not bound.
  public var localPort: UInt16
  /// The kernel's number: TCP_ESTABLISHED is 1.
  public var state: UInt8
  /// nil: the socket has used services before, and does not now.
  public var flow: SocketFlow?

  public init(
    cookie: UInt64, process: SocketProcess, namespace: NetworkNamespace, localAddress: IPAddress,
    localPort: UInt16, state: UInt8, flow: SocketFlow?
  ) {
    self.cookie = cookie
    self.process = process
    self.namespace = namespace
    self.localAddress = localAddress
    self.localPort = localPort
    self.state = state
    self.flow = flow
  }
}

/// A process and its name, as `ps -o comm` shows it.
public struct SocketProcess: Hashable, Comparable, Sendable {
  public var pid: UInt32
  public var command: String

  public init(pid: UInt32, command: String) {
    self.pid = pid
    self.command = command
  }

  public static func < (a: SocketProcess, b: SocketProcess) -> Bool {
    a.pid != b.pid ? a.pid < b.pid : a.command < b.command
  }
}

/// A network namespace, by the two numbers it has.
public struct NetworkNamespace: Hashable, Sendable {
  public var cookie: UInt64
  public var inode: UInt32

  public init(cookie: UInt64, inode: UInt32) {
    self.cookie = cookie
    self.inode = inode
  }
}

/// A flow in the array of records, with the cookie of its socket.
public struct SocketRecord: Hashable, Sendable {
  public var cookie: UInt64
  public var flow: SocketFlow

  public init(cookie: UInt64, flow: SocketFlow) {
    self.cookie = cookie
    self.flow = flow
  }
}
