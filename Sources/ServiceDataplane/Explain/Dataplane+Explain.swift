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
    let asking = try Asking(target, pin, place, bound, seed)
    let source = try asking.dataplane.source(of: asking.client.namespace)
    let states = asking.snapshot.states
    var explanations = asking.answers.map { question, answer in
      Explanation(
        answer, to: question, states: states, objects: objects,
        source: source[question.key.address.family], seed: seed)
    }
    if case .process(let pid) = place { try asking.dataplane.addStaying(pid, &explanations) }
    let missing = explanations.isEmpty ? target.missing(in: states, objects) : nil
    return (
      ExplainReport(
        client: asking.client, explanations: explanations, unserved: missing.map { [$0] } ?? []),
      asking.isConsistent
    )
  }

  /// Questions, answers, and the table that they are about.
  private struct Asking {
    let dataplane: Dataplane
    let client: ExplainClient
    var snapshot: KernelTables.Snapshot
    var answers: [(question: ExplainQuestion, answer: ExplainAnswer)]
    /// All of it is of one generation.
    var isConsistent: Bool

    private static let mostTries = 50

    init(
      _ target: ExplainTarget, _ pin: String, _ place: ExplainPlace, _ bound: IPAddress?,
      _ seed: UInt64?
    ) throws(DataplaneError) {
      var tries = 0
      while true {
        // Larger maps may take the place of those that were opened.
        let dataplane = try Dataplane(reading: pin)
        try dataplane.checkLayout()
        let explainer = try Explainer(dataplane)
        let client = try dataplane.explainClient(at: place, bound: bound)
        let tables = dataplane.tables
        repeat {
          snapshot = try tables.readSnapshot()
          answers = []
          let keys = target.keys(in: snapshot.states)
          // Of a Service of both families a bound socket can use one.
          let usable = keys.filter { bound == nil || $0.address.family == bound?.family }
          for key in usable.isEmpty ? keys : usable {
            let question = ExplainQuestion(
              key: key, namespace: client.namespace, cgroup: client.cgroupID, bound: bound,
              seed: seed ?? 0)
            answers.append((question, try explainer.ask(question)))
          }
          tries += 1
          isConsistent =
            snapshot.isConsistent && snapshot.generation == tables.generation
            && !tables.isReplaced
          // A writer that is at work for a second, or was killed, is not waited for again.
          let isOver = isConsistent || !snapshot.isConsistent || tries >= Self.mostTries
          if isOver, !tables.isReplaced || tries >= Self.mostTries {
            self.dataplane = dataplane
            self.client = client
            return
          }
        } while !tables.isReplaced
      }
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
