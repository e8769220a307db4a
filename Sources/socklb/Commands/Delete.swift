import ArgumentParser
import ServiceDataplane
import ServiceMaps

struct Delete: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Forget objects, and stop serving what they described.",
    usage: """
      socklb delete -f FILE… [options]
      socklb delete service NAMESPACE/NAME… [options]
      """,
    discussion: """
      `delete -f` removes exactly the objects that the input names. `delete service` takes the \
      Service's EndpointSlices and Endpoints along. What is already gone is no error with -f.
      """)

  @OptionGroup var common: CommonOptions
  @OptionGroup var manifests: ManifestOptions

  @Argument(help: "`service` and the names of Services: NAMESPACE/NAME, or NAME in `default`.")
  var what: [String] = []

  func validate() throws {
    if manifests.filenames.isEmpty {
      guard what.count >= 2, ["service", "services", "svc"].contains(what[0]) else {
        throw ValidationError("-f FILE, or `service NAMESPACE/NAME` is needed")
      }
      for name in what.dropFirst() where Delete.parse(name) == nil {
        throw ValidationError("'\(name)' is no NAMESPACE/NAME")
      }
    } else if !what.isEmpty {
      throw ValidationError("either -f or `service NAMESPACE/NAME`, not both")
    }
  }

  func run() throws {
    try common.run {
      let objects = what.isEmpty ? try Change.decode(manifests) : []
      let session = try WriteSession(common)
      let change: Change
      if what.isEmpty {
        change = try Change(session.known) { $0.delete(objects) }
      } else {
        change = try deleteServices(session.known)
      }
      try session.commit(change)
      try Apply.report(change, .text)
    }
  }

  private func deleteServices(_ known: KnownObjects) throws -> Change {
    var missing = false
    let change = try Change(known) { known in
      var all = ChangeSet()
      for name in what.dropFirst().compactMap(Delete.parse) {
        let one = known.deleteService(name)
        if one.isRefused {
          missing = true
          Output.diagnostics(one.diagnostics)
        }
        all.changes += one.changes
      }
      return all
    }
    if missing { throw Exit.failure }
    return change
  }

  private static func parse(_ text: String) -> NamespacedName? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count <= 2, !parts.contains("") else { return nil }
    return parts.count == 1
      ? NamespacedName(namespace: "default", name: parts[0])
      : NamespacedName(namespace: parts[0], name: parts[1])
  }
}
