import Glibc

extension Plot {
  private struct Line {
    var name: String
    var variant: String
    var points: [(size: Double, reading: Reading)]
  }

  /// A line for each case and variant against the size, which is on a logarithmic axis.
  func lines() throws -> SVG {
    let lines = collect()
    let names = Self.distinct(lines.map(\.name))
    let sizes = Set(lines.flatMap { $0.points.map(\.size) }).sorted()
    guard let first = sizes.first, let last = sizes.last, first > 0, last > first else {
      throw Wrong(what: "lines take cases named NAME @ SIZE, of two sizes at least")
    }
    let (left, right, top, bottom) = (74.0, 640.0, 84.0, 420.0)
    let far = lines.map { SVG.width(of: "\($0.variant), \($0.name)", size: 12) }.max() ?? 0
    var drawing = SVG(width: right + far + 40, height: bottom + 56)
    drawing.label(title, 16, 28, size: 17, isBold: true)
    legend(&drawing, 16, 54)

    let most = lines.flatMap { $0.points.map { max($0.reading.high, $0.reading.median) } }.max()
    let scale = Self.scale(most ?? 0)
    func y(_ value: Double) -> Double { bottom - max(value, 0) / scale.top * (bottom - top) }
    func x(_ size: Double) -> Double {
      left + 14 + log(size / first) / log(last / first) * (right - left - 28)
    }
    for value in stride(from: 0, through: scale.top * 1.001, by: scale.step) {
      drawing.line([(left, y(value)), (right, y(value))], SVG.grid)
      drawing.label(Self.number(value), left - 8, y(value) + 4, .end, color: SVG.pale)
    }
    for size in sizes {
      drawing.line([(x(size), top), (x(size), bottom)], SVG.grid)
      drawing.label(Self.number(size), x(size), bottom + 18, .middle, color: SVG.pale)
    }
    drawing.line([(left, top), (left, bottom), (right, bottom)], SVG.pale)
    drawing.label(unit, 22, (top + bottom) / 2, .middle, color: SVG.pale, isUpright: true)
    drawing.label(
      "Services in the table", (left + right) / 2, bottom + 40, .middle, color: SVG.pale)

    for line in lines {
      let dashes = ["", "6 4", "2 3", "8 3 2 3"][(names.firstIndex(of: line.name) ?? 0) % 4]
      let color = color(line.variant)
      drawing.line(
        line.points.map { (x($0.size), y($0.reading.median)) }, color, width: 2, dashes: dashes)
      for (size, reading) in line.points {
        drawing.line([(x(size), y(reading.low)), (x(size), y(reading.high))], color)
        drawing.dot(x(size), y(reading.median), color)
      }
    }
    nameEnds(of: lines, in: &drawing, right + 10, top, y)
    return drawing
  }

  /// Beside the end of each line what it is; those that end side by side are moved apart.
  private func nameEnds(
    of lines: [Line], in drawing: inout SVG, _ x: Double, _ top: Double, _ y: (Double) -> Double
  ) {
    let ends = lines.compactMap { line in
      line.points.last.map { (line: line, y: y($0.reading.median)) }
    }.sorted { $0.y > $1.y }
    var free = Double.infinity
    for end in ends {
      let place = min(end.y, free)
      drawing.label(
        "\(end.line.variant), \(end.line.name)", x, place + 4, color: color(end.line.variant),
        size: 12)
      free = place - 15
    }
  }

  private func collect() -> [Line] {
    let parts = readings.compactMap { reading -> (name: String, size: Double, reading: Reading)? in
      let halves = reading.name.split(separator: " @ ")
      guard halves.count == 2, let size = Double(halves[1]) else { return nil }
      return (String(halves[0]), size, reading)
    }
    let all = Self.distinct(parts.map(\.name))
    // What others go on from is no line of its own.
    let names = all.filter { name in !all.contains { $0.hasPrefix(name + " ") } }
    return names.flatMap { name in
      variants.compactMap { variant in
        let points = parts.filter {
          $0.reading.variant == variant && ($0.name == name || name.hasPrefix($0.name + " "))
        }.sorted { $0.size < $1.size }
        return points.isEmpty
          ? nil
          : Line(name: name, variant: variant, points: points.map { ($0.size, $0.reading) })
      }
    }
  }
}
