import BPFLoader
import CServiceABI
import ServiceMaps

extension Dataplane {
  /// Ends the sockets that were connected to backends that are gone, as the policy of their
  /// service says: their applications connect anew, and get a backend that is there.
  ///
  /// It looks at what sockets remember, not at what was changed: sockets that a killed writer
  /// left over are found too. When there are none, it costs one look at `sockets`; else one walk
  /// through the sockets of each network namespace that has some.
  ///
  /// - Parameters:
  ///   - change: what was committed: it knows the services that are gone since.
  ///   - way: for tests: not to use the best way that there is.
  ///   - meanwhile: for tests: runs after each walk, before its results are noted.
  public func endLostSockets(
    after change: KernelTables.Preparation? = nil, way: TerminationWay? = nil,
    meanwhile: () -> Void = {}
  ) throws(DataplaneError) -> EndedSockets {
    try endLostSockets(way: way, meanwhile: meanwhile) { change?.service($0, $1) }
  }

  /// The same after changes that were made with a `ResidentTable`.
  public func endLostSockets(
    after former: [FormerService]
  ) throws(DataplaneError) -> EndedSockets {
    try endLostSockets(way: nil, meanwhile: {}) { id, family in
      former.first { $0.id == id && $0.family == family }?.record
    }
  }

  private func endLostSockets(
    way: TerminationWay?, meanwhile: () -> Void, before: (UInt32, IPFamily) -> ServiceRecord?
  ) throws(DataplaneError) -> EndedSockets {
    var result = EndedSockets()
    var lost = try findLost(before)
    // Twice: a connect() that was translated before the change may have come to its end only now.
    for _ in 0..<2 where !lost.isEmpty {
      lost = try end(lost, way: way, &result, meanwhile)
      guard !lost.isEmpty else { break }
      Files.sleep(milliseconds: 20)
    }
    return result
  }

  private func findLost(
    _ before: (UInt32, IPFamily) -> ServiceRecord?
  ) throws(DataplaneError) -> [LostSocket] {
    try bpf { () throws(BPFError) in
      try tables.lostSockets(before) { () throws(BPFError) in
        let map = try BPFMap(pinned: layout.map("more_flows"))
        let iterators = try SocketIterators([.listMoreFlows], of: layout)
        return try iterators.iterator(.listMoreFlows, over: map).read(as: svc_socket.self)
      }
    }
  }

  /// How sockets are ended on this kernel.
  public func terminationWay() -> TerminationWay { terminationWay(udp: true, tcp: true) }

  private func terminationWay(udp: Bool, tcp: Bool) -> TerminationWay {
    do {
      _ = try SocketIterators([.endTCP, .endUDP], of: layout)
      return .sockDestroy
    } catch {
      if error.code == .permission { return .none("it takes more rights to find out") }
    }
    let obstacles = [
      udp ? SockDiag.obstacle(tcp: false) : nil, tcp ? SockDiag.obstacle(tcp: true) : nil,
    ]
    .compactMap { $0 }
    if obstacles.isEmpty { return .sockDiag }
    return .none(
      "the kernel has no bpf_sock_destroy (Linux 6.5) and " + obstacles.joined(separator: " and "))
  }

  /// One walk. Returns those that have to be looked for again.
  private func end(
    _ lost: [LostSocket], way: TerminationWay?, _ result: inout EndedSockets,
    _ meanwhile: () -> Void
  ) throws(DataplaneError) -> [LostSocket] {
    let tcp = lost.contains(where: \.flow.isTCP)
    let udp = lost.contains { !$0.flow.isTCP }
    let outcomes: [UInt64: Int32]
    var now: UInt32 = 0
    let way = way ?? terminationWay(udp: udp, tcp: tcp)
    switch way {
    case .none(let reason):
      for socket in lost { result.countFailure(socket.service, reason) }
      return []
    case .sockDestroy:
      outcomes = try walk(
        lost, (udp ? [.endUDP] : []) + (tcp ? [.endTCP] : []), &now
      ) { iterators throws(BPFError) in
        for iterator in iterators { _ = try iterator.read() }
        return [:]
      }
    case .sockDiag:
      outcomes = try walk(
        lost, (udp ? [.locateUDP] : []) + (tcp ? [.locateTCP] : []), &now
      ) { iterators throws(BPFError) in
        var outcomes: [UInt64: Int32] = [:]
        for iterator in iterators {
          for found in try iterator.read(as: svc_located.self) {
            outcomes[found.cookie] = -SockDiag.end(found)
          }
        }
        return outcomes
      }
    }
    meanwhile()
    return settle(lost, outcomes, now, &result)
  }

  /// Runs iterators in every network namespace that one of the sockets is in.
  ///
  /// - Returns: by cookie, what the programs or `body` found: 0, -errno or `svc_ending_result`;
  ///   nothing for sockets that may be where this process cannot look.
  private func walk(
    _ lost: [LostSocket], _ programs: [SocketIterators.Program], _ now: inout UInt32,
    _ body: @escaping @Sendable ([BPFIterator]) throws(BPFError) -> [UInt64: Int32]
  ) throws(DataplaneError) -> [UInt64: Int32] {
    let object = try bpf { () throws(BPFError) in
      try SocketIterators(programs + [.readClock], of: layout) { object throws(BPFError) in
        try object.setMaxEntries(lost.count, ofMap: "endings")
      }
    }
    let endings = try bpf { () throws(BPFError) in
      try HashMap<UInt64, svc_ending>(object.map("endings"))
    }
    var iterators: [BPFIterator] = []
    do {
      now = try object.now(layout)
      try endings.update(lost.map(\.cookie), lost.map(\.ending))
      for program in programs { iterators.append(try object.iterator(program)) }
    } catch {
      throw .bpf(error)
    }
    let walks = iterators
    let visited = try NetworkNamespaces.visit(Set(lost.map(\.flow.netns))) {
      () throws(DataplaneError) in try bpf { () throws(BPFError) in try body(walks) }
    }
    var outcomes: [UInt64: Int32] = [:]
    for (cookie, ending) in try bpf({ () throws(BPFError) in try endings.all() }) {
      outcomes[cookie] = ending.result
    }
    for (cookie, outcome) in visited.values.flatMap({ $0 }) { outcomes[cookie] = outcome }
    if !NetworkNamespaces.seesAllProcesses {
      let notFound = Int32(SVC_ENDING_NOT_FOUND.rawValue)
      for socket in lost
      where outcomes[socket.cookie] == notFound && visited[socket.flow.netns] == nil {
        outcomes[socket.cookie] = nil
      }
    }
    return outcomes
  }

  private func settle(
    _ lost: [LostSocket], _ outcomes: [UInt64: Int32], _ now: UInt32, _ result: inout EndedSockets
  ) -> [LostSocket] {
    var again: [LostSocket] = []
    for socket in lost {
      switch outcomes[socket.cookie] {
      case nil:
        result.countFailure(
          socket.service,
          "this command does not see all processes (a container needs the pid namespace of the host)"
        )
      case 0:
        result.count(socket.service, tcp: socket.flow.isTCP)
        if let record = socket.record { tables.sockets.markPast(record) }
      case Int32(SVC_ENDING_CHANGED.rawValue): break
      case let outcome? where outcome < 0:
        result.countFailure(socket.service, SystemText.error(-outcome))
      case _ where socket.flow.isYoung(at: now): again.append(socket)
      default:
        // Disconnected, or closed and not yet released: not to be looked for with every change.
        if let record = socket.record { tables.sockets.markPast(record) }
      }
    }
    return again
  }
}
