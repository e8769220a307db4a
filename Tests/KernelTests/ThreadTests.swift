import ServiceMaps
import SocketKit
import Synchronization

/// One socket, many users.
let threadTests: [KernelTest] = [
  KernelTest("sendto_from_several_threads_on_one_socket_never_mixes_services") { sandbox in
    // More VIPs than a socket remembers, so that its translations are replaced all the time.
    let services = 24
    let pods = try AnyPods(.v4)
    @Sendable func pod(_ service: Int) -> Place { Variant.v4.pod(256 + service) }
    try sandbox.attach(
      (1...services).map { number in
        try frontend(Variant.v4.vip(number), .udp, of: "test/s\(number)", [pod(number)])
      })
    let client = try Socket(.v4, SK_UDP)
    let senders = Senders(client: client)
    let threads = try (1...3).map { thread in
      try Background {
        var number = thread
        while !senders.stop.load(ordering: .relaxed) {
          number = (number * 7 + thread) % services + 1
          let error = senders.client.sendError("\(number)", to: Variant.v4.vip(number))
          // The buffers may be full: then nothing was sent.
          try check(error == 0 || error == tryAgain || error == noBuffers, "sendto: \(error)")
        }
      }
    }
    defer {
      senders.stop.store(true, ordering: .relaxed)
      for thread in threads { try? thread.join() }
    }
    for _ in 0..<60_000 {
      let (reached, text) = try pods.receive()
      guard let number = Int(text) else { throw Failure("received \(text)") }
      try checkEqual(reached, pod(number), "where a datagram to \(Variant.v4.vip(number)) went")
    }
    senders.stop.store(true, ordering: .relaxed)
    for thread in threads { try thread.join() }
  }
]

private final class Senders: Sendable {
  let stop = Atomic(false)
  nonisolated(unsafe) let client: Socket

  init(client: Socket) { self.client = client }
}
