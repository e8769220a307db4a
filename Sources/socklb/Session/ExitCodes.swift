import ArgumentParser
import BPFLoader
import ServiceDataplane

/// Every exit code of the command; docs/cli.md.
enum Exit {
  static let failure = ExitCode(1)
  static let badManifest = ExitCode(65)
  static let unsupported = ExitCode(69)
  static let inputOutput = ExitCode(74)
  /// Another `socklb run` is at work.
  static let alreadyRunning = ExitCode(75)
  static let notPermitted = ExitCode(77)

  static func code(for error: DataplaneError) -> ExitCode {
    if error.isPermission { return notPermitted }
    switch error {
    case .bpf(let error): return error.code == .unsupported ? unsupported : failure
    case .notPermitted: return notPermitted
    case .system: return inputOutput
    case .unsupported: return unsupported
    case .damaged: return inputOutput
    case .notAttached, .refused, .capacity: return failure
    }
  }
}
