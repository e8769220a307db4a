import ServiceDataplane
import ServiceMaps
import SocketKit
import Synchronization

/// Threads that connect to VIPs without a pause and look where they got to.
///
/// In the sandbox no route leads to a VIP, so what is not translated fails; and a socket that is
/// connected to a pod on the loopback interface has the pod's address as its own.
final class ConnectLoad: Sendable {
  struct Target: Sendable {
    var vip: Place
    var transport: TransportProtocol
    var backends: [Place]
  }

  private let targets: [Target]
  private let variant: Variant
  private let isStopped = Atomic(false)
  private let isListening = Atomic(false)
  private let count = Atomic(0)
  private let isDone = Atomic(false)
  private let threads = Mutex<[Background]>([])

  /// - Parameter pods: numbers of those that TCP targets lead to.
  init(_ variant: Variant, _ targets: [Target], pods: ClosedRange<Int>, threads: Int = 2) throws {
    self.variant = variant
    self.targets = targets
    try start { try self.accept(from: pods) }
    while !isListening.load(ordering: .acquiring) { sk_sleep(1) }
    for number in 0..<threads { try start { try self.connect(from: number) } }
  }

  private func start(_ body: @escaping @Sendable () throws -> Void) throws {
    let thread = try Background(body)
    threads.withLock { $0.append(thread) }
  }

  /// How many there were so far.
  var connects: Int { count.load(ordering: .relaxed) }

  private func accept(from numbers: ClosedRange<Int>) throws {
    let listeners = try numbers.map { number in
      let listener = try Socket(variant, SK_TCP)
      try listener.bind(variant.pod(number))
      try listener.listen()
      return listener
    }
    isListening.store(true, ordering: .releasing)
    while !isDone.load(ordering: .relaxed) {
      for listener in listeners { while try listener.accept() != nil {} }
      sk_sleep(1)
    }
  }

  private func connect(from start: Int) throws {
    var turn = start
    while !isStopped.load(ordering: .relaxed) {
      let target = targets[turn % targets.count]
      let client = try Socket(variant, target.transport == .tcp ? SK_TCP : SK_UDP)
      if target.transport == .tcp { try client.closeAtOnce() }
      try client.connect(target.vip)
      let reached = try client.ownName.address
      try check(
        target.backends.contains { $0.address == reached },
        "connect \(turn) to \(target.vip) got to \(reached)")
      try checkEqual(try client.peerName, target.vip, "getpeername of connect \(turn)")
      count.add(1, ordering: .relaxed)
      turn += 1
    }
  }

  /// Ends the threads.
  ///
  /// - Returns: how many connects there were.
  /// - Throws: what went wrong first.
  @discardableResult
  func stop() throws -> Int {
    isStopped.store(true, ordering: .relaxed)
    var failures: [any Error] = []
    // Those who connect first: they need somebody who accepts.
    for (number, thread) in threads.withLock({ $0 }).enumerated().reversed() {
      if number == 0 { isDone.store(true, ordering: .relaxed) }
      do { try thread.join() } catch { failures.append(error) }
    }
    if let failure = failures.first { throw failure }
    return connects
  }
}
