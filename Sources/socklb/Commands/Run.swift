import ArgumentParser
import ClusterClient
import Logging
import ServiceDataplane

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Attach, and keep serving what a directory of manifests or a cluster says.",
    discussion: """
      Attaches, or adopts what is attached, and makes the kernel serve what there is: the objects in a \
      directory (--manifests), or those of a cluster (--kubeconfig, --in-cluster). What changes is \
      served within milliseconds. Ends with SIGTERM or Ctrl-C; the data plane stays as it is then, \
      and the next run goes on from there.

      A directory: a file that cannot be used keeps the objects of its last good version, and says \
      so. Objects of a file that is removed go; objects that other commands made known stay, unless \
      --prune is given.

      A cluster: Services and EndpointSlices of all namespaces, this node (--node-name), and its \
      Pods' host ports. What is known from before is served until the API server has said what there \
      is, and while it cannot be reached; then exactly what it says. The way to it must not lead \
      through a Service: give --server with an address of its own where the configuration has the \
      clusterIP.
      """)

  @OptionGroup var common: CommonOptions

  @Option(
    name: .customLong("manifests"),
    help: ArgumentHelp(
      "The directory to follow: its *.yaml, *.yml and *.json, as `apply -f` reads them.",
      valueName: "dir"))
  var directory: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Follow the cluster of this kubeconfig; may be given more than once, and the first that says "
        + "something counts.", valueName: "file"))
  var kubeconfig: [String] = []

  @Option(
    name: .long, help: ArgumentHelp("The kubeconfig's context (default: its current-context)."))
  var context: String?

  @Flag(name: .long, help: "Follow the cluster in which this runs as a Pod.")
  var inCluster = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "The API server's address, https://host:port, instead of the configured one; may be given more "
        + "than once, and they are tried in turn.", valueName: "url"))
  var server: [String] = []

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
    let sources = [directory != nil, !kubeconfig.isEmpty, inCluster].filter { $0 }.count
    if sources != 1 {
      throw ValidationError(
        "run needs \(sources == 0 ? "one" : "exactly one") of --manifests, --kubeconfig and "
          + "--in-cluster")
    }
    if let directory, !directory.hasPrefix("/") {
      throw ValidationError("--manifests needs an absolute path, not '\(directory)'")
    }
    if directory != nil {
      if !server.isEmpty { throw ValidationError("--server is for a cluster, not for --manifests") }
    } else if recursive || prune || allowEmpty {
      throw ValidationError(
        "--recursive, --prune and --allow-empty are for --manifests; a cluster is always the whole truth"
      )
    }
    if context != nil && kubeconfig.isEmpty {
      throw ValidationError("--context is for --kubeconfig")
    }
  }

  /// What is to be followed.
  func source(_ log: Logger, _ waker: Waker) throws(DataplaneError) -> any LiveSource {
    if let directory { return try DirectorySource(directory, self, log) }
    let kept = try common.stateDirectory.readSettings()
    let name = node.settings(over: kept)["node-name"] ?? ThisNode.hostName
    let (inCluster, kubeconfig, context, server) = (inCluster, kubeconfig, context, server)
    do {
      return try ClusterSource(node: name, waker, log) {
        () throws(ClusterConfigurationError) in
        inCluster
          ? try .inCluster(servers: server)
          : try .kubeconfig(kubeconfig, context: context, servers: server)
      }
    } catch {
      throw .refused("the way to the cluster is not known: \(error)", remedy: "nothing was changed")
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
