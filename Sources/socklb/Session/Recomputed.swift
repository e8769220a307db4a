import ServiceDataplane
import ServiceMaps

/// The table as it should be: from the known objects and the settings, as every writer computes it.
struct Recomputed {
  let table: ServiceTable

  init(_ state: StateDirectory) throws(DataplaneError) {
    let (known, bytes) = try KnownStore.load(state)
    guard bytes != nil else {
      throw .damaged(
        "\(state.path)/objects is missing, which holds what should be served",
        remedy: "restore it, or apply all manifests at once with --prune")
    }
    table =
      TableCompiler(options: NodeOptions.compileOptions(try state.readSettings()))
      .compile(known).table
  }
}
