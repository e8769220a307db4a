/// The difference between two tables as `diff -u` prints it, on the lines of the `frontends` view.
///
/// Both tables are sorted by key, so a merge finds in one pass what a general algorithm would
/// search for, and only the lines that are shown are written.
public struct TableDiff: Sendable {
  /// One line of the comparison: positions in the old and the new table.
  private enum Line {
    case same(old: Int, new: Int)
    case removed(old: Int)
    case added(new: Int)
  }

  private let old: [Frontend]
  private let new: [Frontend]
  private let lines: [Line]
  /// Positions in `lines` of what differs.
  private let differences: [Int]

  public init(from old: ServiceTable, to new: ServiceTable) {
    self.old = old.frontends
    self.new = new.frontends
    let lines = TableDiff.compare(old.frontends, new.frontends)
    self.lines = lines
    differences = lines.indices.filter { i in
      if case .same = lines[i] { false } else { true }
    }
  }

  /// The tables are equal; there is nothing to print.
  public var isEmpty: Bool { differences.isEmpty }

  /// UTF-8 text; no bytes at all when the tables are equal.
  ///
  /// - Parameter context: how many equal lines are shown around a difference.
  public func unified(
    from oldName: String = "live", to newName: String = "merged", context: Int = 3
  ) -> [UInt8] {
    var output = OutputBuffer()
    if isEmpty { return [] }
    output.append("--- \(oldName)\n+++ \(newName)\n")
    var first = 0
    var numbers = (old: 0, new: 0)
    var counted = 0
    while first < differences.count {
      var last = first
      while last + 1 < differences.count
        && differences[last + 1] - differences[last] <= 2 * context + 1
      {
        last += 1
      }
      let start = max(0, differences[first] - context)
      let end = min(lines.count, differences[last] + context + 1)
      count(counted..<start, &numbers)
      let before = numbers
      count(start..<end, &numbers)
      counted = end
      output.append("@@ -")
      output.append(range: before.old, numbers.old - before.old)
      output.append(" +")
      output.append(range: before.new, numbers.new - before.new)
      output.append(" @@\n")
      for line in lines[start..<end] { append(line, to: &output) }
      first = last + 1
    }
    return output.bytes
  }

  private func count(_ range: Range<Int>, _ numbers: inout (old: Int, new: Int)) {
    for line in lines[range] {
      switch line {
      case .same: numbers = (numbers.old + 1, numbers.new + 1)
      case .removed: numbers.old += 1
      case .added: numbers.new += 1
      }
    }
  }

  private func append(_ line: Line, to output: inout OutputBuffer) {
    switch line {
    case .same(let i, _):
      output.append(" ")
      output.append(old[i])
    case .removed(let i):
      output.append("-")
      output.append(old[i])
    case .added(let i):
      output.append("+")
      output.append(new[i])
    }
    output.append("\n")
  }

  /// Between two equal lines, what was removed comes before what was added, as diff has it.
  private static func compare(_ old: [Frontend], _ new: [Frontend]) -> [Line] {
    var lines: [Line] = []
    lines.reserveCapacity(max(old.count, new.count))
    var added: [Int] = []
    var (i, j) = (0, 0)
    while i < old.count || j < new.count {
      if i == old.count || (j < new.count && new[j].key < old[i].key) {
        added.append(j)
        j += 1
      } else if j == new.count || old[i].key < new[j].key {
        lines.append(.removed(old: i))
        i += 1
      } else if old[i] != new[j] {
        lines.append(.removed(old: i))
        added.append(j)
        i += 1
        j += 1
      } else {
        lines += added.map { .added(new: $0) }
        added.removeAll(keepingCapacity: true)
        lines.append(.same(old: i, new: j))
        i += 1
        j += 1
      }
    }
    return lines + added.map { .added(new: $0) }
  }
}

extension OutputBuffer {
  /// As diff writes it: `,1` is left out, and an empty range names the line before it.
  fileprivate mutating func append(range before: Int, _ count: Int) {
    append(number: UInt(count == 0 ? before : before + 1))
    if count != 1 {
      append(",")
      append(number: UInt(count))
    }
  }
}
