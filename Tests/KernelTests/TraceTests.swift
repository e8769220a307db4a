import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// `trace`: each way to choose, each reason to refuse, each thing that becomes of a connection.
let traceTests: [KernelTest] = Variant.allCases.flatMap(tracesOf)

private func tracesOf(_ variant: Variant) -> [KernelTest] {
  let connect = variant == .v4 ? "connect4" : "connect6"
  // A sendto() to a mapped address runs the hook of IPv4.
  let send = variant == .v6 ? "sendmsg6" : "sendmsg4"
  return [
    KernelTest("trace_\(variant)_says_how_a_backend_was_chosen") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...2)
      let udp = try Pods(variant, SK_UDP, 1...2)
      let vips = (1...5).map { variant.vip($0) }
      try sandbox.attach([
        frontend(vips[0], .tcp, of: "test/web", portName: "http", pods.places),
        frontend(vips[1], .tcp, of: "test/one", [pods.places[0]]),
        frontend(vips[2], .tcp, of: "test/turn", pods.places).with(algorithm: .roundRobin),
        frontend(vips[3], .tcp, of: "test/kept", pods.places).with(affinity: 100),
        frontend(vips[4], .udp, of: "test/dns", portName: "dns", udp.places),
      ])
      let trace = try TraceCommand(sandbox)
      for vip in vips[..<3] { _ = try whoAnswers(vip, pods) }
      for _ in 0..<2 { _ = try whoAnswers(vips[3], pods) }
      let writer = try Socket(variant, SK_UDP)
      for _ in 0..<2 { try writer.send("x", to: vips[4]) }
      let connected = try Socket(variant, SK_UDP)
      for _ in 0..<2 { try connected.connect(vips[4]) }
      let seen = variant == .v6 ? "[\(vips[0].address)]:80" : "172.30.0.1:80"
      let first = try trace.await(connect, "test/web:http", "(random, 1 of 2): established after")
      try check(first.contains("\(getpid())/"), "no process: \(first)")
      try check(first.contains(" \(seen)/TCP "), "no VIP: \(first)")
      try trace.await(connect, "test/one:80", "(the only one): established after")
      try trace.await(connect, "test/turn:80", "(round robin, 1 of 2): established")
      try trace.await(connect, "test/kept:80", "(random, 1 of 2): established")
      try trace.await(connect, "test/kept:80", "(session affinity, 1 of 2): established")
      try trace.await(send, "test/dns:dns", "/UDP", "(random, 1 of 2)")
      try trace.await(send, "test/dns:dns", "(the socket's, from before; there are 2)")
      try trace.await(connect, "test/dns:dns", "/UDP", "(random, 1 of 2)")
      try trace.await(connect, "test/dns:dns", "(the socket's, from before; there are 2)")
      try trace.end()
      let lines = try trace.lines
      try checkEqual(lines.count, 9, "lines: \(lines)")
      try check(try trace.messages.contains("9 lines, 0 decisions and 0 outcomes lost"), "summary")
      withExtendedLifetime((pods, udp, writer, connected)) {}
    },
    KernelTest("trace_\(variant)_says_why_a_call_was_refused") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...1)
      let vips = (1...4).map { variant.vip($0) }
      let none = [variant == .v6 ? "fd00:ffff::/64" : "203.0.113.0/24"]
      let table = ServiceTable(
        frontends: [
          try frontend(vips[0], .tcp, of: "test/empty", []),
          try frontend(vips[0], .udp, of: "test/empty", []),
          try frontend(vips[1], .tcp, of: "test/local", []).with(whenEmpty: .drop),
          try frontend(vips[2], .tcp, of: "test/ranges", pods.places).with(
            kind: .loadBalancer, sourceRanges: none),
          try frontend(vips[3], .tcp, of: "test/web", pods.places),
        ], guardedAddresses: [vips[3].address].compactMap { IPAddress($0) })
      try sandbox.attach(table)
      let trace = try TraceCommand(sandbox)
      for (vip, error) in zip(vips, [ECONNREFUSED, EHOSTUNREACH, EACCES]) {
        try checkEqual(try Socket(variant, SK_TCP).connectError(vip), error, "\(vip)")
      }
      try checkEqual(
        try Socket(variant, SK_UDP).sendError("x", to: vips[0]), ECONNREFUSED, "sendto")
      let other = variant.vip(4, port: 81)
      try checkEqual(try Socket(variant, SK_TCP).connectError(other), ECONNREFUSED, "\(other)")
      try trace.await(
        connect, "test/empty:80 -> refused: no endpoints (ECONNREFUSED)")
      try trace.await(send, "test/empty:80 -> refused: no endpoints (ECONNREFUSED)")
      try trace.await(
        "test/local:80 -> refused: a traffic policy keeps the endpoints away (EHOSTUNREACH)")
      try trace.await("test/ranges:80 -> refused: outside of the source ranges (EACCES)")
      try trace.await(
        ":81/TCP test/web -> refused: no such port of the Service (ECONNREFUSED)")
      try trace.end()
      let lines = try trace.lines
      try checkEqual(lines.count, 5, "lines: \(lines)")
      withExtendedLifetime(pods) {}
    },
    KernelTest("trace_\(variant)_says_what_became_of_a_connection", timeLimit: 90) { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...2)
      // Nothing listens at 3, at 4 somebody who does not accept, to 5 there is no route.
      let own: Variant = variant == .mapped ? .v4 : variant
      let full = try Socket(own, SK_TCP)
      try full.bind(own.pod(4))
      try full.listen(backlog: 0)
      let vips = (1...4).map { variant.vip($0) }
      let away = Place(variant == .v6 ? "2001:db8::1" : "203.0.113.1", 8080)
      try sandbox.attach([
        frontend(vips[0], .tcp, of: "test/web", [pods.places[0]]),
        frontend(vips[1], .tcp, of: "test/shut", [own.pod(3)]),
        frontend(vips[2], .tcp, of: "test/full", [own.pod(4)]),
        frontend(vips[3], .tcp, of: "test/away", [away]),
      ])
      let trace = try TraceCommand(sandbox, ["--follow-close"])
      let failures = try TraceCommand(sandbox, ["--failures"], name: "failures")
      let good = try Socket(variant, SK_TCP)
      try good.connect(vips[0])
      let accepted = try pods.accept().connection
      try good.send("hello")
      let broken = try Socket(variant, SK_TCP)
      try broken.connect(vips[0])
      var breaking: Socket? = try pods.accept().connection
      try breaking?.closeAtOnce()
      try check(try Socket(variant, SK_TCP).connectError(vips[1]) >= 0, "refused")
      try check(try Socket(variant, SK_TCP).connectError(vips[3]) > 0, "no route")
      let waiting = try (0..<6).map { _ in
        let socket = try Socket(variant, SK_TCP)
        var tries: Int32 = 1
        setsockopt(
          socket.descriptor, Int32(IPPROTO_TCP), TCP_SYNCNT, &tries,
          socklen_t(MemoryLayout<Int32>.size))
        _ = socket.connectError(vips[2])
        return socket
      }
      try trace.await("test/web:80", "(the only one): established after")
      try trace.await("test/shut:80", ": refused by the backend after")
      try trace.await("test/away:80", ": no SYN was sent", seconds: 10)
      try trace.await(connect, "test/full:80", ": no answer yet", seconds: 10)
      try trace.await(
        "outcome", "test/full:80", ": timed out after 3", " retransmission", seconds: 15)
      // Two are let in, so the close of another one is one that gave up.
      var last: Socket? = try Socket(variant, SK_TCP)
      _ = last?.connectError(vips[2])
      sk_sleep(50)
      last = nil
      let gaveUp = try trace.await("test/full:80", ": given up by the client after ")
      try check(gaveUp.hasSuffix(" ms"), "sooner than the 50 ms it waited: \(gaveUp)")
      // The first one ends as it should, the second one with a reset.
      _ = try accepted.receive()
      _ = shutdown(good.descriptor, Int32(SHUT_WR))
      _ = shutdown(accepted.descriptor, Int32(SHUT_WR))
      breaking = nil
      try trace.await("outcome", "test/web:80", ": ended with ECONNRESET after")
      let closed = try trace.await("outcome", "test/web:80", ": closed after")
      try check(closed.contains("5 bytes sent, 0 received"), closed)
      try trace.end()
      try failures.end()
      let failed = try failures.lines
      try check(
        failed.contains { $0.contains("test/shut:80") && $0.contains("the only one") },
        "failures: \(failed)")
      try check(
        failed.contains { $0.contains("test/full:80") && $0.contains("timed out") }, "\(failed)")
      try check(
        failed.contains { $0.contains("test/web:80") && $0.contains("ECONNRESET") }, "\(failed)")
      try check(
        !failed.contains { $0.contains("established") || $0.contains("closed") }, "\(failed)")
      withExtendedLifetime((pods, full, waiting, broken)) {}
    },
  ]
}
