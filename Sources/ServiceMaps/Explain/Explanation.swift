/// What a new socket of a client gets that connects to an address, and why.
///
/// What was decided is the answer of the program; here it gets names, and what it was decided from.
public struct Explanation: Sendable {
  /// The raw value is the contract of `explain -o json`.
  public enum Result: String, Sendable {
    case translated, refused
    /// It goes to the address itself.
    case untouched
  }

  /// An endpoint of the list.
  public struct Candidate: Hashable, Sendable {
    public var backend: Backend
    /// How many of `outOf` such connects get it.
    public var chance: UInt64
    public var outOf: UInt64
  }

  /// Session affinity of the service port.
  public struct Affinity: Hashable, Sendable {
    /// Seconds.
    public var timeout: UInt32
    public var client: ExplainAnswer.Client?
    /// What the client's entry names; nil: nothing is remembered, or the list has it no more.
    public var backend: Backend?
  }

  /// A socket of the client's process that stays where it is.
  public struct StayingSocket: Hashable, Sendable {
    public var backend: Backend
    public var isConnected: Bool
    /// Seconds.
    public var age: UInt64

    public init(backend: Backend, isConnected: Bool, age: UInt64) {
      self.backend = backend
      self.isConnected = isConnected
      self.age = age
    }
  }

  public var key: FrontendKey
  public var result: Result
  /// nil: untouched.
  public var reason: TraceDecision.Reason?
  /// Of the frontend.
  public var service: ServicePortName?
  public var kind: FrontendKind?
  /// The Service whose clusterIP it is, where no frontend was found.
  public var owner: NamespacedName?
  public var algorithm: Algorithm = .random
  public var udpChoice: UDPChoice = .socket
  public var sourceRanges: [IPPrefix] = []
  /// What they are compared with; nil: not known.
  public var source: IPAddress?
  public var affinity: Affinity?
  /// Sorted.
  public var candidates: [Candidate] = []
  /// The one that it surely gets, or that a draw with `seed` gives.
  public var backend: Backend?
  /// nil: none was given, or nothing is drawn.
  public var seed: UInt64?
  /// nil: the objects are not known here.
  public var leftOut: [LeftOutEndpoint]?
  /// The kernel has other endpoints than the objects ask for.
  public var hasDrifted = false
  /// What comes near, where no frontend was found.
  public var near: [NearMiss] = []
  public var mayBeBackend = false
  public var staying: [StayingSocket] = []

  /// - Parameters:
  ///   - states: what the maps held when it was answered.
  ///   - objects: nil when they cannot be read.
  ///   - source: the address that an unbound socket of the client has; nil: not known.
  ///   - seed: nil: none was given.
  public init(
    _ answer: ExplainAnswer, to question: ExplainQuestion, states: [FamilyState],
    objects: ExplainedObjects?, source: IPAddress? = nil, seed: UInt64? = nil
  ) {
    key = question.key
    reason = answer.reason
    mayBeBackend = answer.mayBeBackend
    result = answer.reason == nil ? .untouched : answer.backend == nil ? .refused : .translated
    guard let found = answer.found,
      let state = states.first(where: { $0.family == question.key.address.family })
    else {
      let finder = NearMissFinder(states: states, objects: objects)
      owner = finder.owner(of: key.address)
      near = finder.near(key)
      return
    }
    let record = state.frontends[found.frontend]
    let service = state.services[found.service]
    self.service =
      service?.name ?? .unnamed(id: found.service, transport: question.key.transport)
    kind = record?.kind
    algorithm = service?.algorithm ?? .random
    udpChoice = record?.udpChoice ?? .socket
    sourceRanges = record?.sourceRanges ?? []
    self.source = question.bound ?? source
    let slots = state.slots(in: found.list)
    if let timeout = service?.affinityTimeout {
      let entry = answer.client?.entry
      affinity = Affinity(
        timeout: timeout, client: answer.client,
        backend: slots.first {
          $0.endpoint == entry?.endpoint && $0.generation == entry?.generation
        }?.backend)
    }
    choose(answer, slots.map(\.backend), seed)
    if let service = self.service, let group = objects?.group(of: key, service) {
      leftOut = group.leftOut
      hasDrifted = group.inUse != candidates.map(\.backend)
    }
  }

  /// Who gets how much. Of a refused call, nobody gets anything.
  private mutating func choose(
    _ answer: ExplainAnswer, _ backends: [Backend], _ seed: UInt64?
  ) {
    let isDrawn = answer.reason == .random
    let isRefused = answer.backend == nil
    candidates = backends.map { backend in
      Candidate(
        backend: backend,
        chance: isRefused ? 0 : isDrawn || backend == answer.backend ? 1 : 0,
        outOf: isDrawn ? UInt64(backends.count) : 1)
    }
    .sorted { $0.backend < $1.backend }
    if isDrawn, seed == nil { return }
    backend = answer.backend
    if isDrawn { self.seed = seed }
  }
}

extension FamilyState {
  fileprivate func slots(in range: SlotRange) -> [Slot] {
    range.indices.upperBound <= slots.count ? Array(slots[range.indices]) : []
  }
}

/// The known objects, and what the rules make of them, each Service once.
public final class ExplainedObjects {
  let known: KnownObjects
  private let options: CompileOptions
  private var descriptions: [NamespacedName: ServiceDescription?] = [:]
  /// What an address has of many Services takes one compilation.
  private lazy var surroundings = ServiceDescription.Surroundings(known, options)

  public init(_ known: KnownObjects, _ options: CompileOptions) {
    self.known = known
    self.options = options
  }

  public func description(of service: NamespacedName) -> ServiceDescription? {
    if let found = descriptions[service] { return found }
    let made = known[ObjectID(kind: .service, name: service)]?.service.map {
      ServiceDescription($0, surroundings)
    }
    descriptions.updateValue(made, forKey: service)
    return made
  }

  /// The endpoints behind a frontend; nil for a host port, which has its Pod.
  func group(
    of key: FrontendKey, _ service: ServicePortName
  ) -> ServiceDescription.FrontendGroup? {
    description(of: service.service)?.groups.first { group in
      group.frontends.contains { $0.key == key && $0.leftTo == nil }
    }
  }
}
