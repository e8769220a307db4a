/// The difference between two tables as `diff -u` prints it, on the lines of the `frontends` view,
/// and behind them one line for each endpoint that is kept.
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

  private let old: Side
  private let new: Side
  private let lines: [Line]
  /// Positions in `lines` of what differs.
  private let differences: [Int]

  /// What is compared: frontends, then kept endpoints; positions go over both.
  private struct Side {
    var frontends: [Frontend]
    var kept: [KeptEndpoint]
    var labels: [ServicePortName: Port]

    init(_ table: ServiceTable, kept: [KeptEndpoint]) {
      frontends = table.frontends
      self.kept = kept
      labels = table.keptLabels
    }
  }

  public init(from old: ServiceTable, to new: ServiceTable) {
    self.old = Side(old, kept: old.keptEndpoints)
    self.new = Side(new, kept: TableDiff.kept(by: new, after: old))
    var lines = TableDiff.compare(self.old.frontends, self.new.frontends, by: \.key)
    let (oldCount, newCount) = (old.frontends.count, new.frontends.count)
    lines += TableDiff.compare(self.old.kept, self.new.kept, by: \.self).map { line in
      switch line {
      case .same(let i, let j): .same(old: i + oldCount, new: j + newCount)
      case .removed(let i): .removed(old: i + oldCount)
      case .added(let j): .added(new: j + newCount)
      }
    }
    self.lines = lines
    differences = lines.indices.filter { i in
      if case .same = lines[i] { false } else { true }
    }
  }

  /// A computed table names all endpoints that may be kept. Those are kept that are used now:
  /// others have no id that a socket could remember.
  private static func kept(by new: ServiceTable, after old: ServiceTable) -> [KeptEndpoint] {
    if new.keptEndpoints.isEmpty { return [] }
    var known = Set(old.keptEndpoints)
    let services = Set(new.keptEndpoints.lazy.map(\.service))
    for frontend in old.frontends where services.contains(frontend.service) {
      for backend in frontend.backends {
        known.insert(KeptEndpoint(service: frontend.service, backend: backend))
      }
    }
    return new.keptEndpoints.filter(known.contains)
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
      append(i, of: old, to: &output)
    case .removed(let i):
      output.append("-")
      append(i, of: old, to: &output)
    case .added(let i):
      output.append("+")
      append(i, of: new, to: &output)
    }
    output.append("\n")
  }

  private func append(_ i: Int, of side: Side, to output: inout OutputBuffer) {
    guard i >= side.frontends.count else {
      output.append(side.frontends[i])
      return
    }
    let endpoint = side.kept[i - side.frontends.count]
    output.append(endpoint, label: side.labels[endpoint.service])
    output.append(": in no list, but it serves, and sockets that have it stay")
  }

  /// Between two equal lines, what was removed comes before what was added, as diff has it.
  private static func compare<Element: Equatable, Key: Comparable>(
    _ old: [Element], _ new: [Element], by key: (Element) -> Key
  ) -> [Line] {
    var lines: [Line] = []
    lines.reserveCapacity(max(old.count, new.count))
    var added: [Int] = []
    var (i, j) = (0, 0)
    while i < old.count || j < new.count {
      if i == old.count || (j < new.count && key(new[j]) < key(old[i])) {
        added.append(j)
        j += 1
      } else if j == new.count || key(old[i]) < key(new[j]) {
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
