import ServiceDataplane

/// Colours for people: on a terminal, unless NO_COLOR is set (no-color.org).
struct Style {
  private let isOn: Bool

  /// Whatever goes to a file, a pipe or a bundle.
  static let plain = Style(isOn: false)

  /// Of standard output.
  static var standardOutput: Style { Style(isOn: StandardStreams.wantsColour) }

  private init(isOn: Bool) { self.isOn = isOn }

  func good(_ text: String) -> String { paint(text, "32") }
  func warning(_ text: String) -> String { paint(text, "33") }
  /// Of columns.
  func title(_ text: String) -> String { paint(text, "7") }
  func bad(_ text: String) -> String { paint(text, "1;31") }

  private func paint(_ text: String, _ code: String) -> String {
    isOn ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
  }
}
