public import ArgumentParser
public import Logging
import ServiceDataplane
public import ServiceMaps

/// Options that every command has.
struct CommonOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Directory on a bpffs where programs and maps are pinned.", valueName: "dir"))
  var pin = Dataplane.defaultPin

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Directory that remembers what was applied, over reboots. It belongs to one --pin.",
      valueName: "dir"))
  var state = "/var/lib/socklb"

  @Flag(name: .long, help: "Print the whole verifier log when the kernel refuses a program.")
  var verbose = false

  func validate() throws {
    for (option, path) in [("--pin", pin), ("--state", state)] where !path.hasPrefix("/") {
      throw ValidationError("\(option) needs an absolute path, not '\(path)'")
    }
    if pin.hasSuffix("/") { throw ValidationError("--pin must not end with '/'") }
    if pin.split(separator: "/").last?.contains(".") == true {
      throw ValidationError("--pin: bpffs allows no dot in names: '\(pin)'")
    }
  }

  var stateDirectory: StateDirectory { StateDirectory(state) }

  /// Runs a command's body: failures are said on standard error and become the exit code.
  func run(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as DataplaneError {
      Output.error("\(error)")
      if verbose { for line in error.verifierLog { Output.message("    \(line)") } }
      throw Exit.code(for: error)
    }
  }
}

/// Where manifests come from.
struct ManifestOptions: ParsableArguments {
  @Option(
    name: [.customShort("f"), .customLong("filename")],
    help: ArgumentHelp(
      "A manifest, a directory of manifests (*.yaml, *.yml, *.json), or - for standard input. "
        + "May be given more than once.", valueName: "file"))
  var filenames: [String] = []

  @Flag(name: [.customShort("R"), .long], help: "Read directories with what is below them.")
  var recursive = false
}

/// Where Services without a clusterIP get theirs.
struct AllocationOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Ranges from which Services without a clusterIP get one. The first 256 addresses of each "
        + "are left for hand-picked ones.", valueName: "cidrs"))
  var serviceCidr = ServiceCIDRs.standard

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Ports from which NodePort and LoadBalancer Services without a clusterIP get their node "
        + "ports.", valueName: "range"))
  var serviceNodePortRange = NodePortRange.standard

  var cidrs: ServiceCIDRs { serviceCidr }
}

extension ServiceCIDRs: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
  public var defaultValueDescription: String { description }
}

extension Logger.Level: ExpressibleByArgument {}

extension DumpFormat: ExpressibleByArgument {}
extension DumpView: ExpressibleByArgument {}
extension TraceRender.Format: ExpressibleByArgument {}
extension TopTable.Order: ExpressibleByArgument {}

extension ExplainTarget: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}

extension IPAddress: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}
