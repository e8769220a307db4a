import Glibc
import PathKit
import SocketKit

/// A namespace, for as long as the value lives, or a socket in it does.
final class PathNamespace {
  private let file: Int32

  init() throws { file = try Call.check(sk_new_network(), "making a network namespace") }

  deinit { close(file) }

  /// Where other programs find it.
  var path: String { "/proc/\(getpid())/fd/\(file)" }

  /// This thread is in it while `body` runs.
  @discardableResult
  func inside<T>(_ body: () throws -> T) throws -> T {
    let home = try Call.check(sk_own_network(), "finding this namespace")
    defer { close(home) }
    try Call.check(sk_enter_network(file), "entering a namespace")
    defer { _ = sk_enter_network(home) }
    return try body()
  }
}

/// The client's namespace, where the rules are, and the pods' behind it, joined by a veth pair.
///
/// There is no other way out of either. Each packet passes the client's namespace once, as it
/// passes a node's when a pod sends it; on a loopback interface it would pass all rules twice.
struct PathNetwork {
  let client: PathNamespace
  let pods: PathNamespace
  /// For all pods.
  let listener: Int32

  init() throws {
    client = try PathNamespace()
    pods = try PathNamespace()
    let tool = try PathTool(["ip", "-batch", "-"])
    let here = PathPlaces.text(PathPlaces.client)
    let there = PathPlaces.text(PathPlaces.gateway)
    let peer = pods.path
    try client.inside {
      try tool.run(
        PathInput(
          """
          link set lo up
          link add eth0 type veth peer name eth0 netns \(peer)
          link set eth0 addrgenmode none
          addr add \(here)/\(PathPlaces.linkPrefix) dev eth0
          link set eth0 up

          """))
      // A lost SYN is an error within seconds.
      try Call.check(
        pk_set("/proc/sys/net/ipv4/tcp_syn_retries", "1"), "setting tcp_syn_retries")
    }
    listener = try pods.inside {
      try tool.run(
        PathInput(
          """
          link set lo up
          link set eth0 addrgenmode none
          addr add \(there)/\(PathPlaces.linkPrefix) dev eth0
          link set eth0 up
          route add local \(PathPlaces.servedRange) dev lo

          """))
      return try PathCall.check(pk_listen())
    }
    try client.inside {
      try tool.run(
        PathInput(
          """
          route add \(PathPlaces.podRange) via \(there)
          route add \(PathPlaces.serviceRange) via \(there)

          """))
    }
  }
}

/// A call of PathKit's that leaves its step.
enum PathCall {
  @discardableResult
  static func check<T: BinaryInteger>(_ result: T) throws -> T {
    try Call.check(result, String(cString: pk_failed_step()))
  }
}
