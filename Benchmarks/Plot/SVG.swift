/// A drawing, element by element.
struct SVG {
  enum Anchor: String { case start, middle, end }

  private let width: Double
  private let height: Double
  private var body = ""

  init(width: Double, height: Double) {
    self.width = width
    self.height = height
  }

  static let ink = "#22262b"
  static let pale = "#5d656f"
  static let grid = "#e3e6ea"

  var text: String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(n(width)) \(n(height))" \
    width="\(n(width))" height="\(n(height))" font-family="system-ui, sans-serif" font-size="13">
    <rect width="100%" height="100%" fill="#ffffff"/>
    \(body)</svg>

    """
  }

  private func n(_ value: Double) -> String {
    let rounded = (value * 10).rounded() / 10
    return rounded == rounded.rounded() ? String(Int(rounded)) : String(rounded)
  }

  private func escaped(_ text: String) -> String {
    text.reduce(into: "") { result, character in
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      default: result.append(character)
      }
    }
  }

  mutating func label(
    _ text: String, _ x: Double, _ y: Double, _ anchor: Anchor = .start, color: String = SVG.ink,
    size: Double = 13, isBold: Bool = false, isUpright: Bool = false
  ) {
    let weight = isBold ? " font-weight=\"600\"" : ""
    let turn = isUpright ? " transform=\"rotate(-90 \(n(x)) \(n(y)))\"" : ""
    body += """
      <text x="\(n(x))" y="\(n(y))" text-anchor="\(anchor.rawValue)" fill="\(color)" \
      font-size="\(n(size))"\(weight)\(turn)>\(escaped(text))</text>

      """
  }

  mutating func box(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ color: String) {
    body += """
      <rect x="\(n(x))" y="\(n(y))" width="\(n(max(width, 0)))" height="\(n(height))" \
      fill="\(color)"/>

      """
  }

  mutating func line(
    _ points: [(x: Double, y: Double)], _ color: String, width: Double = 1, dashes: String = ""
  ) {
    let path = points.map { "\(n($0.x)),\(n($0.y))" }.joined(separator: " ")
    let dash = dashes.isEmpty ? "" : " stroke-dasharray=\"\(dashes)\""
    body += """
      <polyline points="\(path)" fill="none" stroke="\(color)" stroke-width="\(n(width))"\(dash)/>

      """
  }

  mutating func dot(_ x: Double, _ y: Double, _ color: String) {
    body += "<circle cx=\"\(n(x))\" cy=\"\(n(y))\" r=\"3.5\" fill=\"\(color)\"/>\n"
  }

  /// How wide a text is, nearly: no font is at hand.
  static func width(of text: String, size: Double = 13) -> Double {
    Double(text.count) * size * 0.56
  }
}
