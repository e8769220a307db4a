import BPFLoader
import CServiceABI
import Glibc
import ServiceDataplane
import ServiceMaps
import Synchronization
import Threads

/// A reader of the trace that listens only while something is measured, on another processor if
/// there is one: as `socklb trace` does, it comes 50 times a second and takes what there is.
final class HookReader: Sendable {
  private let reader: Mutex<TraceReader>
  /// What programs look at.
  private let control: MappedArray<svc_tracing>
  private let isOver = Atomic(false)

  /// - Parameter pin: of a data plane that nobody traces. It may be detached afterwards: programs and
  ///   maps are open elsewhere.
  init(pin: String) throws {
    reader = Mutex(
      try Dataplane(pin: pin).trace(
        TraceFilter(), bufferSize: 8 << 20, outcomes: false, followClose: false))
    control = try MappedArray(BPFMap(pinned: pin + "/maps/trace"))
    reader.withLock { $0.keepsPlaceForEver() }
    listens(false)
  }

  /// The lease of the first reader, and the latest of all.
  private func listens(_ listens: Bool) {
    for offset in [8, 0] { control.publish(listens ? .max : 0, at: 0, offset: offset) }
  }

  /// Traces while `body` runs.
  func listen(_ body: () throws -> Void) throws {
    isOver.store(false, ordering: .relaxed)
    listens(true)
    defer { listens(false) }
    let (problem, result) = try onOwnThread {
      while !self.isOver.load(ordering: .relaxed) {
        if let problem = self.take() { return problem }
        usleep(20_000)
      }
      return self.take() ?? ""
    } while: {
      defer { isOver.store(true, ordering: .relaxed) }
      return Result { try body() }
    }
    try result.get()
    if !problem.isEmpty { throw Wrong(what: "the reader of the trace: \(problem)") }
    let lost = reader.withLock { $0.losses.decisions }
    if lost > 0 { throw Wrong(what: "the reader of the trace lost \(lost) decisions") }
  }

  /// - Returns: what went wrong.
  private func take() -> String? {
    reader.withLock { reader in
      do {
        while try reader.take({ _ in }, { _, _, _ in }) {}
        return nil
      } catch { return "\(error)" }
    }
  }
}
