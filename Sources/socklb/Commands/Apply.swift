import ArgumentParser
import ServiceDataplane
import ServiceMaps
import Threads

struct Apply: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Merge objects into what is known and make the kernel serve them.",
    discussion: """
      Reads Service, EndpointSlice, Endpoints, Pod and Node, alone, in Lists or as many \
      documents, in YAML or JSON. The whole input is checked first; with any error in it nothing \
      is changed. An object replaces its predecessor whole, but keeps a clusterIP that the new \
      one omits. Only what differs is written.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var manifests: ManifestOptions
  @OptionGroup var allocation: AllocationOptions
  @OptionGroup var node: NodeOptions
  @OptionGroup var history: HistoryOptions

  @Flag(name: .long, help: "The input is the whole truth: every other known object goes.")
  var prune = false

  @Flag(name: .long, help: "Let --prune go on although the input has no Service.")
  var allowEmpty = false

  @Flag(
    name: .long,
    help: "Only say what would happen. Needs no root, and nothing has to be attached.")
  var dryRun = false

  @Option(
    name: .shortAndLong,
    help: "text: what happened to each object; json, yaml: the resulting table.")
  var output: DumpFormat = .text

  func run() throws {
    try common.run {
      // The input first: its problems are the user's to mend, whatever the state of this node.
      let objects = try Change.decode(manifests)
      // The digest of the input takes as long as all that comes before the change is made.
      let (prepared, digest) = inParallel(
        { Result { try prepare(objects) } }, { KnownObjects.digest(ofInput: objects) })
      let (session, change) = try prepared.get()
      let note = HistoryNote(command: prune ? "apply --prune" : "apply", input: digest)
      let ended = try session?.commit(change, note) ?? EndedSockets()
      try Apply.report(change, ended, output, suffix: dryRun ? " (dry run)" : "")
      UntilExit.keep(objects)
      UntilExit.keep(change)
      UntilExit.keep(session?.known)
    }
  }

  /// Everything up to the change itself, which a dry run does not make.
  private func prepare(_ objects: [ManifestObject]) throws -> (WriteSession?, Change) {
    let session =
      dryRun
      ? nil
      : try WriteSession(
        common, node: node, history: history, mayStartAnew: prune, reusing: objects)
    if prune && !allowEmpty && !objects.contains(where: { $0.object.kind == .service }) {
      Output.error(
        "--prune would remove every Service, because the input has none; "
          + "--allow-empty does it all the same")
      throw Exit.failure
    }
    let known = try session?.known ?? knownForDryRun(objects)
    let options = try session?.options ?? optionsForDryRun()
    let change = try Change(known, options: options) { known in
      known.merge(
        objects, prune: prune, cidrs: allocation.cidrs,
        nodePorts: allocation.serviceNodePortRange)
    }
    return (session, change)
  }

  /// What is known, as far as this user may read it.
  private func knownForDryRun(
    _ decoded: [ManifestObject]
  ) throws(DataplaneError) -> KnownObjects {
    do {
      let (known, bytes) = try KnownStore.load(common.stateDirectory, reusing: decoded)
      if bytes == nil && Dataplane.isAttached(pin: common.pin) {
        Output.message(
          "note: \(common.state) has no known objects although something is attached at "
            + "\(common.pin); this dry run starts from nothing")
      }
      return known
    } catch {
      guard error.isPermission else { throw error }
      Output.message("note: \(error); this dry run starts from nothing")
      return KnownObjects()
    }
  }

  private func optionsForDryRun() -> CompileOptions {
    let kept = (try? common.stateDirectory.readSettings()) ?? [:]
    return NodeOptions.compileOptions(node.settings(over: kept))
  }

  static func report(
    _ change: Change, _ ended: EndedSockets, _ format: DumpFormat, suffix: String = ""
  ) throws {
    switch format {
    case .text:
      let lines = change.changes.changes.map { "\($0)\(suffix)" } + ended.lines
      try Output.data(Array(lines.map { $0 + "\n" }.joined().utf8))
    case .json, .yaml:
      let table = TableDump(change.table).render(.frontends, as: format)
      try Output.data(ended.isEmpty ? table : ended.appended(to: table, as: format))
    }
  }
}
