import SocketKit

/// What a run of the real command came to.
struct Outcome {
  var code: Int32
  var output: String
  var errors: String

  /// Both, for messages.
  var all: String { "exit \(code)\n\(output)\(errors)" }
}

extension Sandbox {
  /// Runs `socklb` with the sandbox's pin and state directories.
  ///
  /// - Parameter seconds: until it is taken for stuck. Emulated processors that share the machine with
  ///   other work take half a minute for what is usually done in one second.
  @discardableResult
  func run(
    _ arguments: [String], input: String? = nil, pin: String? = nil, state: String? = nil,
    by wrapper: [String] = [], seconds: Int = 120
  ) throws -> Outcome {
    var inputFile = "/dev/null"
    if let input {
      inputFile = directory + "/input"
      try Disk.write(input, to: inputFile)
    }
    let (output, errors) = (directory + "/stdout", directory + "/stderr")
    let process = try Process(
      wrapper + commandLine(arguments, pin: pin, state: state), input: inputFile, output: output,
      errors: errors)
    guard let code = process.wait(seconds: seconds) else {
      throw Failure("socklb \(arguments) did not end within \(seconds) s")
    }
    return Outcome(code: code, output: try Disk.read(output), errors: try Disk.read(errors))
  }

  /// Starts `socklb` and leaves it running.
  func start(_ arguments: [String], input: String) throws -> Process {
    let inputFile = directory + "/input"
    try Disk.write(input, to: inputFile)
    return try Process(
      commandLine(arguments), input: inputFile, output: directory + "/stdout",
      errors: directory + "/stderr")
  }

  /// The same without input, with its output in a file of its own.
  func start(_ arguments: [String], output: String, by wrapper: [String]) throws -> Process {
    try Process(wrapper + commandLine(arguments), output: output, errors: output + "-errors")
  }

  /// As `run`, for what must succeed.
  @discardableResult
  func succeed(_ arguments: [String], input: String? = nil) throws -> Outcome {
    let outcome = try run(arguments, input: input)
    try check(outcome.code == 0, "socklb \(arguments): \(outcome.all)")
    return outcome
  }

  private func commandLine(
    _ arguments: [String], pin: String? = nil, state: String? = nil
  ) -> [String] {
    [socklb] + arguments + ["--pin", pin ?? self.pin, "--state", state ?? self.state]
  }
}
