import NIOPosix
import Synchronization

/// Runs credential plugins on a thread of their own, which is made with the first one.
final class PluginRunner: Sendable {
  private let pool = Mutex<NIOThreadPool?>(nil)
  private let isEnding = Atomic(false)
  private let running = Atomic(0)
  /// The most that a plugin may print.
  private static let outputLimit = 1 << 20

  /// - Parameter environment: this process's, to which the plugin's own variables are added.
  func run(
    _ plugin: ExecPlugin, information: String, environment: [String: String]
  ) async -> Result<ExecCredential, ClusterError> {
    var variables = environment
    for variable in plugin.environment { variables[variable.name] = variable.value.value }
    variables["KUBERNETES_EXEC_INFO"] = information
    let order = ChildProcess.Order(
      command: plugin.command, arguments: plugin.arguments,
      environment: variables.map { "\($0.key)=\($0.value)" }, milliseconds: plugin.seconds * 1000,
      bytes: Self.outputLimit,
      isUnwanted: { self.isEnding.load(ordering: .acquiring) })
    let outcome: Result<ChildProcess.Outcome, FileFailure>
    guard let threads = threads() else { return .failure(.shutDown) }
    do {
      outcome = try await threads.runIfActive {
        self.running.add(1, ordering: .sequentiallyConsistent)
        defer { self.running.subtract(1, ordering: .sequentiallyConsistent) }
        guard !self.isEnding.load(ordering: .sequentiallyConsistent) else {
          throw CancellationError()
        }
        return ChildProcess.run(order)
      }
    } catch {
      return .failure(.shutDown)
    }
    if isEnding.load(ordering: .acquiring) { return .failure(.shutDown) }
    return Self.credential(plugin, outcome)
  }

  private static func credential(
    _ plugin: ExecPlugin, _ outcome: Result<ChildProcess.Outcome, FileFailure>
  ) -> Result<ExecCredential, ClusterError> {
    func failure(_ what: String) -> Result<ExecCredential, ClusterError> {
      .failure(.credentials("the credential plugin \(plugin.command) " + what))
    }
    let result: ChildProcess.Outcome
    switch outcome {
    case .failure(let error):
      let hint = error.isMissing ? plugin.installHint.map { "\n" + $0 } ?? "" : ""
      return failure("cannot be started: \(System.errorText(error.errno))\(hint)")
    case .success(let outcome): result = outcome
    }
    let messages = said(result.messages)
    switch result.ending {
    case .timedOut:
      return failure("had not ended after \(plugin.seconds) s and was killed\(messages)")
    case .tooMuchOutput: return failure("printed more than \(outputLimit) bytes and was killed")
    case .signalled(let signal): return failure("was ended by signal \(signal)\(messages)")
    case .exited(let code) where code != 0: return failure("failed with status \(code)\(messages)")
    case .exited: break
    }
    switch ExecCredential.parse(result.output, apiVersion: plugin.apiVersion) {
    case .success(let credential): return .success(credential)
    case .failure(let problem): return failure(problem.message)
    }
  }

  /// The last lines of its messages, in one line and without control characters.
  private static func said(_ messages: [UInt8]) -> String {
    let text = String(decoding: messages.suffix(2000), as: UTF8.self).split(
      whereSeparator: \.isNewline
    )
    .map { String($0.trimmed.filter { character in !character.isControl }) }
    .filter { !$0.isEmpty }.suffix(8).joined(separator: " | ")
    return text.isEmpty ? "" : ": \(text)"
  }

  /// nil: it has ended.
  private func threads() -> NIOThreadPool? {
    pool.withLock { pool in
      if isEnding.load(ordering: .sequentiallyConsistent) { return nil }
      if let pool { return pool }
      let new = NIOThreadPool(numberOfThreads: 1)
      new.start()
      pool = new
      return new
    }
  }

  /// Kills what is running, so that it does not outlive this process.
  ///
  /// - Returns: false when it is not gone after a third of a second.
  @discardableResult
  func end() -> Bool {
    isEnding.store(true, ordering: .sequentiallyConsistent)
    for _ in 0..<66 where running.load(ordering: .sequentiallyConsistent) > 0 {
      System.sleep(milliseconds: 5)
    }
    return running.load(ordering: .sequentiallyConsistent) == 0
  }

  /// Returns when its thread has ended.
  func shutdown() async {
    isEnding.store(true, ordering: .sequentiallyConsistent)
    let pool = pool.withLock { pool in
      defer { pool = nil }
      return pool
    }
    if let pool { try? await pool.shutdownGracefully() }
  }
}

extension Character {
  fileprivate var isControl: Bool {
    unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f }
  }
}
