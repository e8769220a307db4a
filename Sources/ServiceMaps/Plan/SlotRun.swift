/// Slots that lie one after the other. Those of a new list take no memory beside its backends.
public struct SlotRun: Hashable, Sendable, RandomAccessCollection {
  private let backends: [Backend]
  private let endpoints: Endpoints

  private enum Endpoints: Hashable, Sendable {
    /// Ids one behind the other.
    case run(first: UInt32, generation: UInt32)
    case each([Endpoint])
  }

  private struct Endpoint: Hashable, Sendable {
    var id: UInt32
    var generation: UInt32
  }

  public init(_ slots: [Slot]) {
    backends = slots.map(\.backend)
    endpoints = .each(slots.map { Endpoint(id: $0.endpoint, generation: $0.generation) })
  }

  /// - Parameter ids: as many as backends.
  init(_ backends: [Backend], ids: Range<UInt32>, generation: UInt32) {
    self.backends = backends
    endpoints = .run(first: ids.lowerBound, generation: generation)
  }

  public var startIndex: Int { 0 }
  public var endIndex: Int { backends.count }

  public subscript(position: Int) -> Slot {
    switch endpoints {
    case .run(let first, let generation):
      Slot(
        backend: backends[position], endpoint: first + UInt32(position), generation: generation)
    case .each(let endpoints):
      Slot(
        backend: backends[position], endpoint: endpoints[position].id,
        generation: endpoints[position].generation)
    }
  }
}
