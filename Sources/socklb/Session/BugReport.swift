import ServiceDataplane
import ServiceMaps

/// `doctor --bundle`: everything that a bug report needs, as one archive. What cannot be had is in it as
/// its error.
struct BugReport {
  private let common: CommonOptions
  private let examination: Examination
  private var archive: TarArchive
  private var contents: [String] = []
  /// All files are in a directory of this name.
  private let directory: String

  init(_ common: CommonOptions, _ examination: Examination) {
    self.common = common
    self.examination = examination
    let now = UTCTime(seconds: WallClock.seconds)
    archive = TarArchive(time: now)
    directory = "socklb-" + now.description.filter { $0.isNumber || $0 == "T" || $0 == "Z" }
    collect()
    addContents()
  }

  func write(to path: String) throws(DataplaneError) {
    guard let bytes = Gzip.compress(archive.encode()) else {
      throw .refused(
        "there is no memory to compress the bundle", remedy: "free some, and try again")
    }
    try OutputFile.write(path, bytes, for: .owner)
  }

  private mutating func add(_ name: String, _ what: String, _ make: () throws -> String) {
    addBytes(name, what) { Array(try make().utf8) }
  }

  private mutating func addBytes(_ name: String, _ what: String, _ make: () throws -> [UInt8]) {
    var bytes: [UInt8]
    var outcome = what
    do { bytes = try make() } catch {
      outcome = "NOT THERE: \(error)"
      bytes = Array("error: \(error)\n".utf8)
      if let error = error as? DataplaneError {
        bytes += error.verifierLog.map { $0 + "\n" }.joined().utf8
      }
    }
    contents.append("\(name)  \(outcome)\n")
    archive.append(.init("\(directory)/\(name)", bytes))
  }

  private mutating func collect() {
    let (common, examination) = (common, examination)
    let state = common.stateDirectory
    let report = DoctorReport(findings: examination.findings)
    add("doctor.txt", "what doctor found") { report.text(.plain) }
    add("doctor.json", "the same, for programs") { report.facts.json + "\n" }
    add("versions.txt", "socklb and the kernel") {
      """
      socklb \(Socklb.version), table layout \(Dataplane.layoutVersion)
      \(Machine.kernelVersion)

      """
    }
    add("status.txt", "socklb status") { try StatusReport.read(common).text(.plain) }
    add("status.json", "socklb status -o json") { try StatusReport.read(common).facts.json + "\n" }
    addBytes("dump-all.json", "socklb dump all -o json") {
      let (_, snapshot) = try Dataplane.readSnapshot(at: common.pin, withCounters: true)
      return TableDump(snapshot.table, counters: snapshot.counters).render(.all, as: .json)
    }
    addBytes("describe.txt", "socklb describe, of every Service, without its annotations") {
      try Self.descriptions(common)
    }
    addBytes("objects.json", "socklb dump objects -o json, redacted") {
      try KnownStore.load(state).0.redactedManifests()
    }
    addBytes("history.txt", "socklb history -o wide") {
      try HistoryRows(state, state.readHistory()).text(isWide: true)
    }
    add("pending.txt", "a change that was begun and not finished") {
      try state.readPending().map { String(decoding: $0.encode(), as: UTF8.self) } ?? "none\n"
    }
    add("settings.txt", "options that are kept") {
      try state.readSettings().sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }.joined()
    }
    add("verify.txt", "socklb verify") {
      guard let drifts = examination.drifts else {
        return "not compared; doctor.txt says why in the line `drift`\n"
      }
      return drifts.isEmpty ? "no difference\n" : drifts.map { "\($0)\n" }.joined()
    }
    add("effective.txt", "which programs run for which cgroup, in their order") {
      let dataplane = try Dataplane(reading: common.pin)
      return try dataplane.coverage(dataplane.attachments()).listing
    }
    add("maps.txt", "maps that are pinned: name, type, sizes of key and value, entries, flags") {
      try Dataplane.maps(pinnedAt: common.pin).map { map in
        "\(map.name) type=\(map.type) key=\(map.keySize) value=\(map.valueSize) "
          + "entries=\(map.maxEntries) flags=0x\(String(map.flags, radix: 16))\n"
      }.joined()
    }
    add("mounts.txt", "cgroup and bpf file systems in /proc/mounts") { try Machine.mounts() }
    add("kernel-config.txt", "options of the kernel's build that matter") {
      try Machine.kernelConfiguration()
    }
    if !examination.verifierLog.isEmpty {
      add("verifier.txt", "the verifier's whole log") {
        examination.verifierLog.map { $0 + "\n" }.joined()
      }
    }
  }

  /// Without annotations that socklb does not read: they may hold whole manifests.
  private static func descriptions(_ common: CommonOptions) throws -> [UInt8] {
    let state = common.stateDirectory
    let (known, _) = try KnownStore.load(state)
    let options = NodeOptions.compileOptions(try state.readSettings())
    let counters =
      (try? Dataplane.readSnapshot(at: common.pin, withCounters: true))?.1.counters ?? [:]
    var output: [UInt8] = []
    for description in ServiceDescription.all(in: known, options: options, counters: counters) {
      if !output.isEmpty { output += "\n".utf8 }
      output += description.redacted.render()
    }
    return output
  }

  private mutating func addContents() {
    let text = """
      What is in this bundle, made by `socklb doctor --bundle`:

      \(contents.joined())
      It has names, labels and addresses of Services, endpoints, Pods and nodes, and paths of cgroups.
      Annotations other than socklb.io/…, and what Pods run (images, commands, environment, volumes),
      are not in it: `redacted` stands in their place. There is no environment and no command line
      of any process. Look through it before you give it away.

      """
    archive.append(.init("\(directory)/README.txt", Array(text.utf8)))
  }
}
