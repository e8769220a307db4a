import BPFLoader
import CServiceABI
public import ServiceMaps

extension Dataplane {
  /// The sockets that use services now. Needs no lock and no state directory.
  ///
  /// An iterator over the open files of all processes that this process sees (those of its pid
  /// namespace) says which sockets there are and who has them; it is loaded for this one walk.
  public func readSockets() throws(DataplaneError) -> (
    dump: SocketDump, snapshot: KernelTables.Snapshot
  ) {
    // A record is without a process only if it was there before the walk and after it.
    let before = Set(tables.sockets.all().map(\.socket.cookie))
    let iterators = try bpf { () throws(BPFError) in
      try SocketIterators([.listFiles, .readClocks], of: layout)
    }
    let users = try bpf { () throws(BPFError) in
      try iterators.iterator(.listFiles).read(as: svc_socket_user.self).map(
        SocketUser.init(wire:))
    }
    let records = tables.sockets.all().compactMap { record in
      before.contains(record.socket.cookie) ? SocketRecord(wire: record.socket) : nil
    }
    let clocks = try bpf { () throws(BPFError) in
      try iterators.iterator(.readClocks, over: BPFMap(pinned: layout.header)).read(
        as: svc_clocks.self)
    }
    let snapshot = try tables.readSnapshot()
    let dump = SocketDump(
      users: users, records: records, states: snapshot.states, places: places(of: users),
      now: KernelClocks(wire: clocks.first ?? svc_clocks()))
    return (dump, snapshot)
  }

  /// What has a better name than a number. Nothing of it is worth failing for.
  private func places(of users: [SocketUser]) -> SocketPlaces {
    var places = SocketPlaces(hostCookie: tables.hostNetworkNamespace)
    if places.hostCookie == 0 {
      places.hostInode = UInt32(truncatingIfNeeded: Files.inode("/proc/1/ns/net") ?? 0)
    }
    for name in (try? Files.list(Self.namedNamespaces)) ?? [] {
      if let inode = Files.inode(Self.namedNamespaces + "/" + name) {
        places.names[UInt32(truncatingIfNeeded: inode)] = name
      }
    }
    for pid in Set(users.lazy.filter { $0.flow != nil }.map(\.process.pid)) {
      guard let bytes = try? Files.read("/proc/\(pid)/cgroup", limit: 1 << 16) else { continue }
      places.pods[pid] = PodOfProcess(cgroups: String(decoding: bytes, as: UTF8.self))
    }
    return places
  }

  /// Where `ip netns add` and container runtimes keep network namespaces.
  private static let namedNamespaces = "/run/netns"
}
