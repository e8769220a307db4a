import BPFLoader
import CServiceABI

extension Dataplane {
  /// Gives back the records of sockets that vanished without running sock_release: those that the
  /// kernel itself had (NFS), and subflows of MPTCP. That is seldom worth the look: only when
  /// many records are taken.
  ///
  /// - Parameters:
  ///   - always: however few are taken.
  ///   - meanwhile: for tests: runs after it was found out who is alive.
  /// - Returns: how many were given back.
  @discardableResult
  public func sweepSockets(
    always: Bool = false, meanwhile: () -> Void = {}
  ) throws(DataplaneError) -> Int {
    let store = tables.sockets
    guard always || store.taken > store.count / 8 else { return 0 }
    // A socket that this process cannot see would be taken for dead.
    guard NetworkNamespaces.seesAllProcesses else { return 0 }
    let object = try bpf { () throws(BPFError) in
      try SocketIterators([.listTCP, .listUDP, .listOpen, .readClock], of: layout)
    }
    let start = try bpf { () throws(BPFError) in try object.now(layout) }
    // A younger one may belong to a socket that is not to be seen yet.
    let old = store.all().filter { !$0.socket.flow.isYoung(at: start) }
    guard !old.isEmpty else { return 0 }
    let live = try liveCookies(object, in: Set(old.map(\.socket.flow.netns)))
    meanwhile()
    let gone = old.filter { !live.contains($0.socket.cookie) }
    // Should one of them be alive after all: from here on no program finds its record, and those
    // that found it before have ended after the grace period.
    // Those that were closed since they were listed may be other sockets' records already.
    let dead = gone.filter(store.hide)
    guard !dead.isEmpty else { return 0 }
    try bpf { () throws(BPFError) in try tables.grace.wait() }
    var freed = 0
    for record in dead {
      if store.release(record) { freed += 1 } else { store.show(record) }
    }
    return freed
  }

  private func liveCookies(
    _ object: borrowing SocketIterators, in namespaces: Set<UInt32>
  ) throws(DataplaneError) -> Set<UInt64> {
    let (tcp, udp, open) = try bpf { () throws(BPFError) in
      (
        try object.iterator(.listTCP), try object.iterator(.listUDP), try object.iterator(.listOpen)
      )
    }
    let found = try NetworkNamespaces.visit(namespaces) { () throws(DataplaneError) in
      try bpf { () throws(BPFError) in
        try tcp.read(as: UInt64.self) + udp.read(as: UInt64.self)
      }
    }
    var live = Set(try bpf { () throws(BPFError) in try open.read(as: UInt64.self) })
    for cookies in found.values { live.formUnion(cookies) }
    return live
  }
}
