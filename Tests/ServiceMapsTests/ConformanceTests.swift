import Foundation
import Testing

/// `docs/conformance.md` names tests that there are, and says something in each row.
@Suite struct ConformanceTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// The text of each Swift file below a folder.
  private static func sources(_ folder: String) throws -> [String] {
    let folder = root.appending(path: folder)
    let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String }
    return try (names ?? []).filter { $0.hasSuffix(".swift") }.sorted().map {
      try String(contentsOf: folder.appending(path: $0), encoding: .utf8)
    }
  }

  private static func rows() throws -> [[String]] {
    let text = try String(
      contentsOf: root.appending(path: "docs/conformance.md"), encoding: .utf8)
    return text.split(separator: "\n").filter { $0.hasPrefix("| ") }.map { line in
      line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }
    .filter { $0.last != "covered by" }
  }

  /// The texts in backquotes.
  private static func spans(_ cell: String) -> [String] {
    cell.split(separator: "`", omittingEmptySubsequences: false).enumerated()
      .filter { $0.offset % 2 == 1 }.map { String($0.element) }
  }

  @Test func everyRowIsCoveredOrSaysWhyNot() throws {
    let rows = try Self.rows()
    #expect(rows.count >= 140)
    for row in rows {
      #expect(row.count == 3, "\(row)")
      let isExcused = row.contains { $0.hasPrefix("does not apply: ") }
      #expect(isExcused || !Self.spans(row[row.count - 1]).isEmpty, "\(row)")
    }
  }

  @Test func everyNamedTestExists() throws {
    let unit = try Self.sources("Tests/ServiceMapsTests")
    let kernel = try Self.sources("Tests/KernelTests").joined()
    var count = 0
    for row in try Self.rows() where !row[row.count - 1].hasPrefix("does not apply: ") {
      for span in Self.spans(row[row.count - 1]) {
        count += 1
        if span == "kernel: (to do)" { continue }
        let isThere: Bool
        if let name = span.after("kernel: ") {
          isThere = kernel.contains(name)
        } else if let name = span.after("golden: ") {
          isThere = FixtureTests.names.contains(name)
        } else {
          let parts = span.split(separator: ".")
          isThere =
            parts.count == 2
            && unit.contains {
              $0.contains("struct \(parts[0]) {") && $0.contains("func \(parts[1])(")
            }
        }
        #expect(isThere, "\(row[0]): there is no test \(span)")
      }
    }
    #expect(count > 200)
  }
}

extension String {
  fileprivate func after(_ prefix: String) -> String? {
    hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
  }
}
