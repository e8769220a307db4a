import BPFLoader
import BPFObject
import CServiceABI
public import ServiceMaps

/// Asks the kernel what a new socket would get: the program of explain.bpf.c, loaded for as long as
/// this lives, on the maps of the data plane that is attached. It changes nothing there.
///
/// Not for several threads at a time: there is one question.
public final class Explainer {
  private let tables: KernelTables
  private let program: BPFProgram
  private let explanation: MappedArray<svc_explanation>

  /// How often a question is asked again because the frontend has become another service port's
  /// meanwhile.
  private static let tries = 16

  public init(_ dataplane: Dataplane) throws(DataplaneError) {
    tables = dataplane.tables
    let layout = dataplane.layout
    (program, explanation) = try bpf { () throws(BPFError) in
      let open = try OpenObject(
        elf: CompiledObject.explain.elf, name: CompiledObject.explain.rawValue)
      for name in open.mapNames {
        let pin = layout.pin(ofMap: name)
        if Files.exists(pin) { try open.reuse(BPFMap(pinned: pin), as: name) }
      }
      let object = try open.load()
      return (
        try object.program("explain"),
        try MappedArray<svc_explanation>(object.map("explain"))
      )
    }
  }

  /// - Throws: `.refused` when the socket is bound to an address of the other family.
  public func ask(_ question: ExplainQuestion) throws(DataplaneError) -> ExplainAnswer {
    if let bound = question.bound, bound.family != question.key.address.family {
      throw .refused(
        "a socket that is bound to \(bound) cannot connect to \(question.key)",
        remedy: "name an address of the same family")
    }
    var wire = question.wire
    for _ in 0..<Self.tries {
      let answer = try run(wire)
      // With session affinity the program says which client it would look for. It does not look by
      // itself: in an LRU map that would count as a use.
      let isAnswered =
        answer.has_affinity == 0 || Self.isSame(answer.affinity_key, wire.affinity_key)
      if isAnswered {
        let entry = wire.has_affinity == 0 ? nil : Self.entry(wire.affinity)
        guard let result = ExplainAnswer(wire: answer, entry: entry) else { break }
        return result
      }
      wire.affinity_key = answer.affinity_key
      let found = try bpf { () throws(BPFError) in
        try tables.affinities.value(of: answer.affinity_key, or: svc_affinity())
      }
      wire.affinity = found ?? svc_affinity()
      wire.has_affinity = found == nil ? 0 : 1
    }
    throw .refused(
      "the table changes too fast to say what \(question.key) leads to", remedy: "try again")
  }

  private func run(_ question: svc_question) throws(DataplaneError) -> svc_answer {
    explanation.store(svc_explanation(question: question, answer: svc_answer()), at: 0)
    try bpf { () throws(BPFError) in try program.runOnce(named: "explain") }
    return explanation[0].answer
  }

  private static func entry(_ wire: svc_affinity) -> ExplainAnswer.Entry {
    let now = Clock.monotonicNanoseconds
    return ExplainAnswer.Entry(
      endpoint: wire.endpoint, generation: wire.generation,
      age: now > wire.last_used ? (now - wire.last_used) / 1_000_000_000 : 0)
  }

  private static func isSame(_ a: svc_affinity_key, _ b: svc_affinity_key) -> Bool {
    a.client == b.client && a.service == b.service && a.family == b.family
  }
}
