import ManifestText
import ServiceDataplane
import ServiceMaps

/// The pure stages of apply, one by one.
enum Stages {
  static func run(file: String) throws {
    let input = Bench.time("read the file") { ManifestReader.read([file], recursive: false) }
    guard let bytes = input.files.first?.bytes else { throw Wrong(what: "no file \(file)") }
    print("size\t\(bytes.count / 1000) kB")
    _ = Bench.time("parse the text (part of decode)") { parseManifest(bytes) }
    let decoded = Bench.time("decode") { decodeManifests(input.files) }
    var known = KnownObjects()
    let changes = Bench.time("merge") { known.merge(decoded.objects) }
    guard !changes.isRefused else { throw Wrong(what: "\(changes.diagnostics)") }
    let compiled = Bench.time("compile the table") { TableCompiler().compile(known) }
    let stored = Bench.time("encode the known objects") { known.encode() }
    _ = try Bench.time("decode the known objects") {
      try KnownObjects(decoding: stored)
    }
    _ = try Bench.time("decode the known objects, which are those applied") {
      try KnownObjects(decoding: stored, reusing: decoded.objects)
    }
    let state = FamilyState(family: .v4, capacities: Capacities())
    let plan = try Bench.time("plan") { try Planner.plan(from: state, to: compiled.table) }
    print("frontends\t\(compiled.table.frontends.count), keys to insert \(plan.insertKeys.count)")
  }
}
