import ServiceMaps
import SocketKit

/// A frontend without a backend refuses at once, whatever the socket.
let refusalTests: [KernelTest] = Variant.allCases.flatMap { variant in
  let vip = variant.vip(1)
  return [
    KernelTest("no_backend_refuses_connect_\(variant)_tcp") { sandbox in
      let dataplane = try sandbox.attach([frontend(vip, .tcp, [])])
      try checkEqual(try Socket(variant, SK_TCP).connectError(vip), refused, "connect")
      try checkEqual(
        try dataplane.counters(), ServiceCounters(translated: 0, refused: 1), "the counters")
    },
    KernelTest("no_backend_refuses_connect_\(variant)_udp") { sandbox in
      let dataplane = try sandbox.attach([frontend(vip, .udp, [])])
      try checkEqual(try Socket(variant, SK_UDP).connectError(vip), refused, "connect")
      try checkEqual(
        try dataplane.counters(), ServiceCounters(translated: 0, refused: 1), "the counters")
    },
    KernelTest("no_backend_refuses_sendto_\(variant)") { sandbox in
      let dataplane = try sandbox.attach([frontend(vip, .udp, [])])
      try checkEqual(try Socket(variant, SK_UDP).sendError("x", to: vip), refused, "sendto")
      try checkEqual(
        try dataplane.counters(), ServiceCounters(translated: 0, refused: 1), "the counters")
    },
    KernelTest("a_refused_\(variant)_socket_can_be_used_again") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...1)
      let dataplane = try sandbox.attach([frontend(vip, .tcp, [])])
      let client = try Socket(variant, SK_TCP)
      try checkEqual(client.connectError(vip), refused, "connect")
      try dataplane.serve([frontend(vip, .tcp, pods.places)])
      try client.connect(vip)
      try checkEqual(try pods.accept().pod, pods.places[0], "the backend")
      try checkEqual(try client.peerName, vip, "getpeername")
    },
    KernelTest("a_dead_backend_\(variant)_is_the_clients_to_see") { sandbox in
      // Nothing listens there; socklb has no opinion on health.
      try sandbox.attach([frontend(vip, .tcp, [variant.pod(1)])])
      let client = try Socket(variant, SK_TCP)
      do {
        try client.connect(vip)
        throw Failure("connected to a backend that nobody serves")
      } catch let error as CallFailed {
        try checkEqual(error.code, refused, "errno of connect")
      }
    },
  ]
}
