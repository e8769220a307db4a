/// The arguments of one command, one after the other.
struct Options {
  private var rest: ArraySlice<String>
  private let usage: String

  init(_ arguments: some Sequence<String>, usage: String) {
    rest = Array(arguments)[...]
    self.usage = usage
  }

  /// nil: there are no more.
  mutating func next() -> String? { rest.popFirst() }

  mutating func value() throws -> String {
    guard let value = rest.popFirst() else { throw wrong }
    return value
  }

  mutating func number(_ range: ClosedRange<Int>) throws -> Int {
    guard let number = Int(try value()), range.contains(number) else { throw wrong }
    return number
  }

  var wrong: Wrong { Wrong(what: usage) }
}
