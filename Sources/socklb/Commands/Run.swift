import ArgumentParser
import Logging
import ServiceDataplane

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Attach, and keep serving what a directory of manifests says.",
    discussion: """
      Attaches, or adopts what is attached, makes the kernel serve the objects of the directory, and \
      follows every change of its files: what differs is served within milliseconds. A file that \
      cannot be used keeps the objects of its last good version, and says so. Objects of a file that \
      is removed go; objects that other commands made known stay, unless --prune is given. Ends with \
      SIGTERM or Ctrl-C; the data plane stays as it is then, and the next run goes on from there.
      """)

  @OptionGroup var common: CommonOptions

  @Option(
    name: .customLong("manifests"),
    help: ArgumentHelp(
      "The directory to follow: its *.yaml, *.yml and *.json, as `apply -f` reads them.",
      valueName: "dir"))
  var directory: String

  @Flag(name: [.customShort("R"), .long], help: "Follow the directories below it too.")
  var recursive = false

  @Flag(name: .long, help: "The directory is the whole truth: every other known object goes.")
  var prune = false

  @Flag(name: .long, help: "Serve nothing when no file has a Service any more.")
  var allowEmpty = false

  @Flag(name: .long, help: "Take everything down at the end, instead of leaving it at work.")
  var detachOnExit = false

  @Flag(name: .long, help: "Wait for the end of another run, instead of leaving with exit code 75.")
  var wait = false

  @Option(name: .long, help: "How messages are written to standard error: text or json.")
  var logFormat = LogFormat.text

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The least important messages to write: debug, info, notice, warning or error.",
      valueName: "level"))
  var logLevel = Logger.Level.info

  @OptionGroup(title: "Metrics and health") var beside: BesideOptions
  @OptionGroup var allocation: AllocationOptions
  @OptionGroup var node: NodeOptions
  @OptionGroup var capacity: CapacityOptions
  @OptionGroup var history: HistoryOptions
  @OptionGroup var attach: AttachOptions

  func validate() throws {
    if !directory.hasPrefix("/") {
      throw ValidationError("--manifests needs an absolute path, not '\(directory)'")
    }
  }

  func run() throws {
    try common.run {
      // Before the state directory is made.
      try Capabilities.checkAttach()
      let session = try LiveSession(self)
      Output.redirect(to: session.log)
      try session.run()
    }
  }
}
