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

  /// The names of the kernel tests as their sources have them, with `*` for each interpolation.
  private static func kernelTestNames() throws -> Set<String> {
    var names = Set<String>()
    for source in try sources("Tests/KernelTests") {
      for start in ["KernelTest(", " e2e("] {
        for rest in source.split(separator: start, omittingEmptySubsequences: false).dropFirst() {
          let rest = rest.drop { $0.isWhitespace }
          if rest.first == "\"", let name = pattern(rest.dropFirst()) { names.insert(name) }
        }
      }
    }
    return names
  }

  /// The literal that begins here, with `*` for each interpolation; nil when it does not end.
  private static func pattern(_ text: Substring) -> String? {
    var result = ""
    var depth = 0
    var previous: Character = " "
    for character in text {
      defer { previous = character }
      if depth > 0 {
        if character == "(" { depth += 1 }
        if character == ")" { depth -= 1 }
      } else if previous == "\\" {
        guard character == "(" else { return nil }
        depth = 1
        result += "*"
      } else if character == "\"" {
        return result
      } else if character != "\\" {
        result.append(character)
      }
    }
    return nil
  }

  /// A list of kernel tests that nobody runs would cover nothing.
  @Test func everyListOfKernelTestsIsRun() throws {
    let sources = try Self.sources("Tests/KernelTests")
    let main = try #require(sources.first { $0.contains("let allTests: [KernelTest]") })
    let run = main.split(separator: "let allTests: [KernelTest]")[1]
      .split { !$0.isLetter && !$0.isNumber }.map(String.init)
    for source in sources {
      for line in source.split(separator: "\n") where line.hasPrefix("let ") {
        guard line.contains(": [KernelTest]") else { continue }
        let name = line.dropFirst(4).prefix { $0 != ":" }
        #expect(name == "allTests" || run.contains(String(name)), "\(name) is not run")
      }
    }
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
    let kernel = try Self.kernelTestNames()
    #expect(kernel.count > 100)
    var count = 0
    for row in try Self.rows() where !row[row.count - 1].hasPrefix("does not apply: ") {
      for span in Self.spans(row[row.count - 1]) {
        count += 1
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
