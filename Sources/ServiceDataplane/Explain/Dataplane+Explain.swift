import BPFLoader
import CServiceABI
public import ServiceMaps

extension Dataplane {
  /// Says what new sockets of a client get. Needs no lock, and changes nothing.
  ///
  /// Answers and table are of one generation, unless a writer is at work all the time.
  ///
  /// - Parameters:
  ///   - objects: nil when they cannot be read.
  ///   - seed: for choices that are drawn.
  /// - Returns: the report, and whether it is of one moment.
  public static func explain(
    _ target: ExplainTarget, at pin: String, from place: ExplainPlace, bound: IPAddress? = nil,
    seed: UInt64? = nil, objects: ExplainedObjects? = nil
  ) throws(DataplaneError) -> (report: ExplainReport, isConsistent: Bool) {
    var tries = 0
    while true {
      let dataplane = try Dataplane(reading: pin)
      try dataplane.checkLayout()
      let explainer = try Explainer(dataplane)
      let client = try dataplane.explainClient(at: place, bound: bound)
      let before = dataplane.tables.generation
      let snapshot = try dataplane.tables.readSnapshot()
      let sources = try dataplane.source(of: client.namespace)
      var explanations: [Explanation] = []
      for key in target.keys(in: snapshot.states) {
        let question = ExplainQuestion(
          key: key, namespace: client.namespace, cgroup: client.cgroupID, bound: bound,
          seed: seed ?? 0)
        explanations.append(
          Explanation(
            try explainer.ask(question), to: question, states: snapshot.states, objects: objects,
            source: sources[key.address.family], seed: seed))
      }
      tries += 1
      let isConsistent =
        snapshot.isConsistent && before == dataplane.tables.generation
        && !dataplane.tables.isReplaced
      // A writer that is at work for seconds, or was killed, is not waited for again.
      guard isConsistent || !snapshot.isConsistent && !dataplane.tables.isReplaced || tries == 10
      else {
        Files.sleep(milliseconds: 10)
        continue
      }
      if case .process(let pid) = place { try dataplane.addStaying(pid, &explanations) }
      let missing =
        explanations.isEmpty ? target.missing(in: snapshot.states, objects) : nil
      return (
        ExplainReport(
          client: client, explanations: explanations, unserved: missing.map { [$0] } ?? []),
        isConsistent
      )
    }
  }

  /// What unbound sockets of a network namespace have for an address, as far as that was looked at.
  private func source(of namespace: UInt64) throws(DataplaneError) -> [IPFamily: IPAddress] {
    let found = try bpf { () throws(BPFError) in
      try tables.sources.value(of: namespace, or: svc_source())
    }
    return found?.addresses ?? [:]
  }

  /// UDP sockets of the process that have an endpoint already: a call of theirs chooses nothing.
  private func addStaying(
    _ pid: UInt32, _ explanations: inout [Explanation]
  ) throws(DataplaneError) {
    guard explanations.contains(where: { $0.key.transport == .udp && $0.service != nil }) else {
      return
    }
    let rows = try readSockets().dump.rows.filter { row in
      row.flow.transport == .udp && row.processes.contains { $0.pid == pid }
    }
    for index in explanations.indices {
      let key = explanations[index].key
      explanations[index].staying = rows.filter {
        key.transport == .udp && $0.flow.vip == Backend(address: key.address, port: key.port)
          && $0.backendState != .gone
      }
      .map {
        Explanation.StayingSocket(
          backend: $0.flow.backend, isConnected: $0.flow.isConnected, age: $0.age)
      }
    }
  }
}
