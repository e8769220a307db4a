extension Plot {
  /// A group of bars for each case, lying, because names of cases are long. Of one case alone each
  /// bar has its variant's name.
  func bars() -> SVG {
    let names = Self.distinct(readings.map(\.name))
    let (thick, gap, top) = (13.0, 12.0, 84.0)
    let isOne = names.count == 1
    let left = ((isOne ? variants : names).map { SVG.width(of: $0) }.max() ?? 0) + 28
    let right = left + 560
    let groups = names.map { name in readings.filter { $0.name == name } }
    let height =
      groups.reduce(0) { $0 + Double($1.count) * (thick + 2) + gap } + top + 58
    var drawing = SVG(width: right + 70, height: height)
    drawing.label(title, 16, 28, size: 17, isBold: true)
    if isOne { drawing.label(names[0], 16, 54) } else { legend(&drawing, 16, 54) }

    let scale = Self.scale(readings.map { max($0.high, $0.median) }.max() ?? 0)
    func x(_ value: Double) -> Double { left + max(value, 0) / scale.top * (right - left) }
    let bottom = height - 46
    for value in stride(from: 0, through: scale.top * 1.001, by: scale.step) {
      drawing.line([(x(value), top - 6), (x(value), bottom)], SVG.grid)
      drawing.label(Self.number(value), x(value), bottom + 18, .middle, color: SVG.pale)
    }
    drawing.label(unit, (left + right) / 2, bottom + 38, .middle, color: SVG.pale)

    var y = top
    for (name, group) in zip(names, groups) {
      let middle = y + Double(group.count) * (thick + 2) / 2 + 4
      if !isOne { drawing.label(name, left - 10, middle, .end) }
      for reading in group {
        if isOne { drawing.label(reading.variant, left - 10, y + thick - 2, .end) }
        drawing.box(left, y, x(reading.median) - left, thick, color(reading.variant))
        drawing.line(
          [(x(reading.low), y + thick / 2), (x(reading.high), y + thick / 2)], SVG.ink)
        drawing.label(
          Self.number(reading.median), max(x(reading.median), x(reading.high)) + 5,
          y + thick - 2, color: SVG.pale, size: 11)
        y += thick + 2
      }
      y += gap
    }
    drawing.line([(left, top - 6), (left, bottom)], SVG.pale)
    return drawing
  }

  func legend(_ drawing: inout SVG, _ start: Double, _ y: Double) {
    var x = start
    for variant in variants {
      drawing.box(x, y - 10, 12, 12, color(variant))
      drawing.label(variant, x + 18, y)
      x += SVG.width(of: variant) + 44
    }
  }
}
