import ServiceDataplane

/// One test: a name, and what it does inside a sandbox of its own.
struct KernelTest: Sendable {
  /// Something the kernel has only from some version on. Nothing else is a reason to skip.
  struct Feature: Sendable {
    var name: String
    var since: KernelVersion
  }

  var name: String
  /// Whether it says something about another kernel than the one it was written on, and needs
  /// nothing that a virtual machine lacks.
  var runsInVM: Bool
  /// Not so for what a larger test of the same does on this kernel.
  var runsHere = true
  /// Seconds.
  var timeLimit: Int
  var needs: Feature?
  /// Why no other test may run at the same time; nil when it does not matter.
  var reasonToBeAlone: String?
  var body: @Sendable (Sandbox) throws -> Void

  init(
    _ name: String, inVM runsInVM: Bool = true, timeLimit: Int = 60, needs: Feature? = nil,
    _ body: @escaping @Sendable (Sandbox) throws -> Void
  ) {
    self.name = name
    self.runsInVM = runsInVM
    self.timeLimit = timeLimit
    self.needs = needs
    self.body = body
  }

  /// The same test, left out in virtual machines.
  var onThisKernelOnly: KernelTest {
    var copy = self
    copy.runsInVM = false
    return copy
  }

  /// The same test, in virtual machines alone: a smaller one of what another test does on this kernel.
  var inVMOnly: KernelTest {
    var copy = self
    copy.runsHere = false
    return copy
  }

  /// The same test, with no other one beside it: for what is measured of the machine as a whole, such as
  /// its time or its memory. Other namespaces, cgroups and directories are no reason.
  func alone(_ reason: String) -> KernelTest {
    var copy = self
    copy.reasonToBeAlone = reason
    return copy
  }

  /// The same test, with more time until it is taken for stuck: emulated processors that share the
  /// machine with other work get a part of one.
  var slowed: KernelTest {
    var copy = self
    copy.timeLimit *= 3
    return copy
  }

  var isAlone: Bool { reasonToBeAlone != nil }

  /// The feature that this kernel is too old for.
  var missingFeature: Feature? {
    guard let needs, let running = KernelVersion.running, running < needs.since else { return nil }
    return needs
  }
}

/// Why a test failed.
struct Failure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

func check(
  _ condition: Bool, _ what: @autoclosure () -> String, line: Int = #line, file: String = #fileID
) throws {
  if !condition { throw Failure("\(what()) (\(file):\(line))") }
}

func checkEqual<T: Equatable>(
  _ found: T, _ expected: T, _ what: @autoclosure () -> String, line: Int = #line,
  file: String = #fileID
) throws {
  try check(
    found == expected, "\(what()): \(found), expected \(expected)", line: line, file: file)
}
