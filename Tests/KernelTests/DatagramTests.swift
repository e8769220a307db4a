import ServiceMaps
import SocketKit

/// UDP sockets that name the destination with each datagram.
let datagramTests: [KernelTest] = Variant.allCases.flatMap { variant in
  let hook = variant == .mapped ? "sendmsg4_mapped" : "sendmsg\(variant == .v4 ? 4 : 6)"
  return [
    KernelTest("\(hook)_sendto_reaches_a_backend_and_the_reply_comes_from_the_vip") { sandbox in
      try checkReplies(sandbox, variant) { client, text, vip in try client.send(text, to: vip) }
    },
    KernelTest("\(hook)_sendmsg_reaches_a_backend_and_the_reply_comes_from_the_vip") { sandbox in
      try checkReplies(sandbox, variant) { client, text, vip in
        try client.sendMessage(text, to: vip)
      }
    },
    KernelTest("\(hook)_leaves_unknown_addresses_alone") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...1)
      let dataplane = try sandbox.attach([frontend(variant.vip(1), .udp, pods.places)])
      let client = try Socket(variant, SK_UDP)
      for place in [variant.vip(2), variant.vip(1, port: 81)] {
        try checkEqual(client.sendError("x", to: place), networkUnreachable, "sendto \(place)")
      }
      try client.send("direct", to: pods.seen(pods.places[0]))
      try pods.echo()
      try checkEqual(
        try client.receive()?.from, pods.seen(pods.places[0]), "the source of a pod's reply")
      try checkEqual(try dataplane.counters(), ServiceCounters(), "the counters")
    },
    KernelTest("\(hook)_keeps_several_vips_of_a_socket_apart") { sandbox in
      let vips = (1...8).map { variant.vip($0) }
      let pods = try (1...8).map { try Pods(variant, SK_UDP, [$0]) }
      try sandbox.attach(
        zip(vips, pods).enumerated().map { number, pair in
          try frontend(pair.0, .udp, of: "test/web-\(number)", pair.1.places)
        })
      let client = try Socket(variant, SK_UDP)
      for round in 1...3 {
        for vip in vips { try client.send("\(round)", to: vip) }
        for (vip, pod) in zip(vips, pods) {
          try pod.echo()
          try checkEqual(try client.receive()?.from, vip, "the source of a reply")
        }
      }
    },
    KernelTest("\(hook)_shows_the_vip_last_written_to_when_two_share_a_backend") { sandbox in
      let pods = try Pods(variant, SK_UDP, 1...1)
      let vips = (1...3).map { variant.vip($0) }
      try sandbox.attach(
        vips.enumerated().map { number, vip in
          try frontend(vip, .udp, of: "test/web-\(number)", pods.places)
        })
      let client = try Socket(variant, SK_UDP)
      for vip in vips + vips.reversed() + [vips[1], vips[2], vips[1]] {
        try client.send("x", to: vip)
        try pods.echo()
        try checkEqual(try client.receive()?.from, vip, "the source of the reply")
      }
    },
    KernelTest("\(hook)_serves_more_vips_than_a_socket_remembers") { sandbox in
      let vips = (1...20).map { variant.vip($0) }
      let pods = try vips.indices.map { try Pods(variant, SK_UDP, [$0 % 16 + 1], port: 9000 + $0) }
      try sandbox.attach(
        zip(vips, pods).enumerated().map { number, pair in
          try frontend(pair.0, .udp, of: "test/web-\(number)", pair.1.places)
        })
      let client = try Socket(variant, SK_UDP)
      for _ in 1...2 {
        for (vip, pod) in zip(vips, pods) {
          try client.send("x", to: vip)
          try pod.echo()
          try checkEqual(try client.receive()?.from, vip, "the source of the reply")
        }
      }
    },
  ]
}

private func checkReplies(
  _ sandbox: Sandbox, _ variant: Variant, _ send: (Socket, String, Place) throws -> Void
) throws {
  let pods = try Pods(variant, SK_UDP, 1...3)
  let vip = variant.vip(1)
  let dataplane = try sandbox.attach([frontend(vip, .udp, pods.places)])
  let client = try Socket(variant, SK_UDP)
  for i in 1...5 {
    try send(client, "\(i)", vip)
    try pods.echo()
    let reply = try client.receive()
    try checkEqual(reply?.text, "re: \(i)", "the reply")
    try checkEqual(reply?.from, vip, "the source of the reply")
  }
  try checkEqual(
    try dataplane.counters(), ServiceCounters(translated: 5, refused: 0), "the counters")
}
