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
      guard what.count >= 2, ServiceNames.isKind(what[0]) else {
        throw ValidationError("-f FILE, or `service NAMESPACE/NAME` is needed")
      }
      _ = try ServiceNames.parse(what.dropFirst())
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
        change = try Change(session.known, options: session.options) { $0.delete(objects) }
      } else {
        change = try deleteServices(session)
      }
      try Apply.report(change, session.commit(change), .text)
    }
  }

  private func deleteServices(_ session: WriteSession) throws -> Change {
    var missing = false
    let names = try ServiceNames.parse(what.dropFirst())
    let change = try Change(session.known, options: session.options) { known in
      var all = ChangeSet()
      for name in names {
        let one = known.deleteService(name)
        if one.isRefused {
          missing = true
          Output.diagnostics(one.diagnostics)
        }
        all.changes += one.changes
      }
      return all
    }
    if missing {
      try session.finishInterrupted()
      throw Exit.failure
    }
    return change
  }
}
