import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// A socket for which the kernel has no memory beyond its record. `net.core.optmem_max` bounds what
/// it may have; it belongs to the network namespace since Linux 6.8, so not in the old kernels.
let memoryTests: [KernelTest] = [
  KernelTest("optmem_exhausted_refuses_the_second_vip_and_spoils_nothing", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_UDP, 1...3)
    let (first, second) = (Variant.v4.vip(1), Variant.v4.vip(2))
    func serve(_ places: [Place]) throws -> [Frontend] {
      [
        try frontend(first, .udp, of: "test/one", places),
        try frontend(second, .udp, of: "test/two", places),
      ]
    }
    let dataplane = try sandbox.attach(try serve(pods.places))
    try Disk.write("1", to: "/proc/sys/net/core/optmem_max")
    let client = try Socket(.v4, SK_UDP)
    func next() throws -> Place {
      try client.send("x", to: first)
      let pod = try pods.echo()
      try checkEqual(try client.receive()?.from, first, "the source of the reply")
      return pod
    }
    let backend = try next()
    let before = try dataplane.counters()
    for _ in 0..<5 {
      try checkEqual(client.sendError("y", to: second), ENOMEM, "sendto the second VIP")
    }
    try checkEqual(try dataplane.tables.socketUse().noMemory, 5, "calls without memory")
    try checkEqual(try dataplane.counters(), before, "what was not sent is not counted")
    try checkEqual(try next(), backend, "the backend of the first VIP")
    // To be moved takes no memory.
    try dataplane.serve(try serve(pods.places.filter { $0 != backend }))
    try check(try next() != backend, "a datagram went to the backend that is gone")
    // Nor does a connected socket need any.
    let connected = try Socket(.v4, SK_UDP)
    try connected.connect(first)
    try checkEqual(try connected.peerName, first, "the peer")
  }
]
