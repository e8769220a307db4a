import Foundation
import ServiceMaps
import Testing

@Suite struct TableDiffTests {
  private func table(_ frontends: [Int: [Int]]) -> ServiceTable {
    ServiceTable(
      frontends: frontends.map { number, backends in
        TableDumpTests.frontend(
          "10.96.0.\(number)", 80, "default/web-\(number)", "",
          backends.map { backend("10.0.0.1", $0) })
      })
  }

  private func text(_ old: ServiceTable, _ new: ServiceTable) -> String {
    String(decoding: TableDiff(from: old, to: new).unified(), as: UTF8.self)
  }

  private func line(_ number: Int, _ backends: String = "-") -> String {
    "10.96.0.\(number):80/TCP ClusterIP default/web-\(number):80 affinity=none backends=\(backends)"
  }

  @Test func oneHunkWithContext() {
    let old = Dictionary(uniqueKeysWithValues: (1...20).map { ($0, [Int]()) })
    var new = old
    new[10] = [80]
    new[11] = nil
    #expect(
      text(table(old), table(new)) == """
        --- live
        +++ merged
        @@ -7,8 +7,7 @@
         \(line(7))
         \(line(8))
         \(line(9))
        -\(line(10))
        -\(line(11))
        +\(line(10, "10.0.0.1:80"))
         \(line(12))
         \(line(13))
         \(line(14))

        """)
  }

  /// Only those count that are used now: another that serves has no id that a socket could have.
  @Test func keptEndpointsHaveLinesOfTheirOwn() {
    let web = TableDumpTests.frontend("10.96.0.1", 80, "default/web", "", [backend("10.0.0.1", 1)])
    func table(_ kept: Int...) -> ServiceTable {
      ServiceTable(
        frontends: [web],
        keptEndpoints: kept.map {
          KeptEndpoint(service: web.service, backend: backend("10.0.0.1", $0))
        })
    }
    #expect(TableDiff(from: table(), to: table(7, 8)).isEmpty)
    #expect(TableDiff(from: table(7), to: table(7, 8)).isEmpty)
    var both = web
    both.backends.append(backend("10.0.0.1", 7))
    let words = ": in no list, but it serves, and sockets that have it stay"
    let before = "10.96.0.1:80/TCP ClusterIP default/web:80 affinity=none backends=10.0.0.1:1"
    let line = "-/TCP -> 10.0.0.1:7 default/web:80 kept\(words)"
    #expect(
      text(ServiceTable(frontends: [both]), table(7, 8)) == """
        --- live
        +++ merged
        @@ -1 +1,2 @@
        -\(before),10.0.0.1:7
        +\(before)
        +\(line)

        """)
    #expect(
      text(table(7), table()) == "--- live\n+++ merged\n@@ -1,2 +1 @@\n \(before)\n-\(line)\n")
  }

  @Test func nothingAndEverything() {
    let some = table([1: []])
    #expect(text(some, some) == "" && TableDiff(from: some, to: some).isEmpty)
    #expect(text(ServiceTable(), some) == "--- live\n+++ merged\n@@ -0,0 +1 @@\n+\(line(1))\n")
    #expect(text(some, ServiceTable()) == "--- live\n+++ merged\n@@ -1 +0,0 @@\n-\(line(1))\n")
  }

  /// The same bytes as `diff -u`, where there is one.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/diff")))
  func agreesWithDiff() throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "table-diff-\(ProcessInfo.processInfo.processIdentifier)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for seed in 0..<100 {
      var random = SeededGenerator(seed: UInt64(seed))
      let percent = [1, 5, 30, 90][seed % 4]
      var old: [Int: [Int]] = [:]
      var new: [Int: [Int]] = [:]
      for number in 1...200 {
        old[number] = random.chance(90) ? [80] : nil
        new[number] = old[number]
        if random.chance(percent) { new[number] = random.chance(50) ? [81] : nil }
      }
      let (left, right) = (table(old), table(new))
      for (name, table) in [("live", left), ("merged", right)] {
        try Data(TableDump(table).render()).write(to: folder.appending(path: name))
      }
      let process = Process()
      process.executableURL = URL(filePath: "/usr/bin/diff")
      process.arguments = ["-u", "--label", "live", "--label", "merged", "live", "merged"]
      process.currentDirectoryURL = folder
      let pipe = Pipe()
      process.standardOutput = pipe
      try process.run()
      let expected = pipe.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      #expect(text(left, right) == String(decoding: expected, as: UTF8.self), "seed \(seed)")
    }
  }
}
