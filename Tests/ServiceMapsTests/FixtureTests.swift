import Foundation
import ServiceMaps
import Testing

/// Golden files: what each manifest is to become, written from the rules and not by the program.
///
/// A `.dump` holds the lines of `dump frontends`, those of `dump backends` that say `kept`, then `! severity Kind namespace/name` for each
/// thing the compiler has to say. A first line like `#! node=node-a zone=zone-a
/// addresses=192.168.0.10,fd00:192::10` says what is compiled for; other words are
/// `nodeport-addresses`, `localhost=no`, `algorithm` and `terminate`.
@Suite struct FixtureTests {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Fixtures")

  static let names: [String] = {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
  }()

  static let ranges = cidrs("172.30.0.0/16,fd00:172:30::/112")

  static func objects(of name: String) throws -> [ManifestObject] {
    let file = folder.appending(path: "\(name).yaml")
    let decoded = decodeManifests([
      ManifestFile(name: file.lastPathComponent, bytes: Array(try Data(contentsOf: file)))
    ])
    #expect(decoded.diagnostics.filter { $0.severity == .error } == [])
    return decoded.objects
  }

  static func options(of name: String) throws -> CompileOptions {
    let text = try String(contentsOf: folder.appending(path: "\(name).yaml"), encoding: .utf8)
    var options = CompileOptions()
    guard text.hasPrefix("#! "), let line = text.split(separator: "\n").first else {
      return options
    }
    for word in line.dropFirst(3).split(separator: " ") {
      let parts = word.split(separator: "=", maxSplits: 1)
      let value = String(parts[1])
      switch parts[0] {
      case "node": options.node.name = value
      case "zone": options.node.zone = value
      case "addresses": options.node.addresses = value.split(separator: ",").map { ip(String($0)) }
      case "nodeport-addresses": options.nodePortAddresses = right(NodePortAddresses(value))
      case "localhost": options.localhostNodePorts = value != "no"
      case "terminate": options.defaultTermination = right(Termination(value))
      case "algorithm": options.defaultAlgorithm = right(Algorithm(rawValue: value))
      default: Issue.record("\(name).yaml: unknown word \(word)")
      }
    }
    return options
  }

  static func lines(of objects: [ManifestObject], _ options: CompileOptions) -> [String] {
    var known = KnownObjects()
    let changes = known.merge(objects, cidrs: ranges)
    #expect(changes.diagnostics == [])
    let compiled = TableCompiler(options: options).compile(known)
    let backends = TableDump(compiled.table).string(.backends).split(separator: "\n")
    return compiled.lines + backends.filter { $0.hasSuffix(" kept") }.map(String.init)
      + compiled.diagnostics.map { "! \($0.severity) \($0.object ?? "-")" }
  }

  @Test func thereAreFixtures() { #expect(FixtureTests.names.count >= 20) }

  @Test(arguments: names) func golden(_ name: String) throws {
    let dump = FixtureTests.folder.appending(path: "\(name).dump")
    let expected = try String(contentsOf: dump, encoding: .utf8)
      .split(separator: "\n").map(String.init)
    let options = try FixtureTests.options(of: name)
    let lines = FixtureTests.lines(of: try FixtureTests.objects(of: name), options)
    let changes = lines.difference(from: expected).map { change in
      switch change {
      case .insert(_, let line, _): "+ \(line)\n"
      case .remove(_, let line, _): "- \(line)\n"
      }
    }
    #expect(lines == expected, "\n\(changes.joined())")
  }

  /// Each fixture again with its documents in other orders.
  @Test(arguments: names) func orderDoesNotMatter(_ name: String) throws {
    let objects = try FixtureTests.objects(of: name)
    let options = try FixtureTests.options(of: name)
    let expected = FixtureTests.lines(of: objects, options)
    for seed in 1...20 {
      var random = SeededGenerator(seed: UInt64(seed))
      let lines = FixtureTests.lines(of: objects.shuffled(using: &random), options)
      #expect(lines == expected, "seed \(seed)")
    }
  }

  /// What is stored is what was read.
  @Test(arguments: names) func storedAndRead(_ name: String) throws {
    var known = KnownObjects()
    _ = known.merge(try FixtureTests.objects(of: name), cidrs: FixtureTests.ranges)
    let read = try KnownObjects(decoding: known.encode()) { json in
      decodeManifests([ManifestFile(name: "state", bytes: json)]).objects.first?.object
    }
    #expect(read == known)
    #expect(TableCompiler().compile(read) == TableCompiler().compile(known))
  }
}
