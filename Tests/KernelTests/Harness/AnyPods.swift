import SocketKit

/// Thousands of pods, each with an address of its own: a few UDP sockets serve them all and say
/// to which address a datagram was sent.
struct AnyPods {
  let variant: Variant
  private let sockets: [Socket]
  private let ports: [Int]

  /// IPv4: every address of 10.0.0.0/8. IPv6: fd00::1… up to `count`.
  init(_ variant: Variant, ports: [Int] = [8080], count: Int = 0) throws {
    self.variant = variant
    self.ports = ports
    if variant == .v4 {
      try CallFailed.check(sk_add_address("10.255.0.1", 8), "adding 10.0.0.0/8")
    } else {
      for number in Sandbox.podCount + 1..<max(count, Sandbox.podCount) + 1 {
        let address = variant.pod(number).address
        try CallFailed.check(sk_add_address(address, 128), "adding \(address)")
      }
      try Sandbox.awaitAddress(variant.pod(max(count, 1), port: 0))
    }
    sockets = try ports.map { port in
      let socket = try Socket(variant, SK_UDP)
      try socket.bind(Place(variant == .v4 ? "0.0.0.0" : "::", port))
      try socket.wantDestination()
      return socket
    }
  }

  func place(_ number: Int) -> Place { variant.pod(number, port: ports[number % ports.count]) }

  /// The next datagram and where it was sent.
  func receive() throws -> (pod: Place, text: String) {
    for _ in 0..<1000 {
      for socket in sockets {
        if let datagram = try socket.receive(within: 0) { return (datagram.to, datagram.text) }
      }
      sk_sleep(2)
    }
    throw Failure("no datagram came within 2 s")
  }
}
