import SocketKit

/// Servers for TCP or UDP, one per address, all in this process. UDP servers echo on demand.
struct Pods {
  let variant: Variant
  let type: sk_type
  let places: [Place]
  private let sockets: [Socket]

  var descriptors: [Int32] { sockets.map(\.descriptor) }

  init(_ variant: Variant, _ type: sk_type, _ numbers: some Sequence<Int>, port: Int = 8080) throws
  {
    self.variant = variant
    self.type = type
    // A pod knows nothing of the client's mapped addresses.
    let own: Variant = variant == .mapped ? .v4 : variant
    places = numbers.map { own.pod($0, port: port) }
    sockets = try places.map { place in
      let socket = try Socket(own, type)
      try socket.bind(place)
      if type == SK_TCP { try socket.listen() }
      return socket
    }
  }

  /// As a client's socket writes the address of a pod.
  func seen(_ place: Place) -> Place {
    variant == .mapped ? Place("::ffff:" + place.address, place.port) : place
  }

  /// The one connection that is waiting at any of the pods, and which pod that is.
  func accept() throws -> (pod: Place, connection: Socket) {
    for _ in 0..<1000 {
      for (place, socket) in zip(places, sockets) {
        if let connection = try socket.accept() { return (place, connection) }
      }
      sk_sleep(2)
    }
    throw Failure("no pod was connected to within 2 s")
  }

  /// Which pod somebody has connected to; nil when nobody has.
  func acceptNow() throws -> Place? {
    for (place, socket) in zip(places, sockets) where try socket.accept() != nil { return place }
    return nil
  }

  /// The one datagram that is waiting at any of the pods, and which pod that is.
  func receive() throws -> (pod: Place, datagram: Socket.Received, reply: Socket) {
    for _ in 0..<1000 {
      for (place, socket) in zip(places, sockets) {
        if let datagram = try socket.receive(within: 0) { return (place, datagram, socket) }
      }
      sk_sleep(2)
    }
    throw Failure("no pod received a datagram within 2 s")
  }

  /// Receives one datagram and sends its text back.
  @discardableResult
  func echo() throws -> Place {
    let (pod, datagram, socket) = try receive()
    try socket.send("re: " + datagram.text, to: datagram.from)
    return pod
  }

  /// Nobody has come, and nobody comes soon.
  func checkIdle() throws {
    sk_sleep(20)
    for (place, socket) in zip(places, sockets) {
      if type == SK_TCP {
        try check(try socket.accept() == nil, "somebody connected to \(place)")
      } else {
        try check(try socket.receive(within: 0) == nil, "a datagram came to \(place)")
      }
    }
  }
}
