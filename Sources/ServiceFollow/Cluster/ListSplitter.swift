/// Takes the text of a list apart as it comes: each item by itself, and the list without them, so
/// that no list has to be in memory whole.
///
/// It only looks for where values begin and end; whether they make sense is for whoever reads them.
public struct ListSplitter: Sendable {
  public enum Failure: Error, Hashable, Sendable {
    /// An item, or all the rest, is larger than anything that an API server stores.
    case tooLarge
    /// It is no JSON object, or it goes on after its end.
    case noList
  }

  private enum Place { case outside, items, inItem, after }

  /// The list with `[]` for its items.
  public private(set) var head: [UInt8] = []
  private var item: [UInt8] = []
  private var place = Place.outside
  /// Of braces and brackets.
  private var depth = 0
  private var isInString = false
  private var isEscaped = false
  /// The string that was read last at the first level, to know `items` by.
  private var key: [UInt8] = []
  private var keyIsItems = false

  /// etcd takes 1.5 MB; JSON is larger than what is stored there.
  public static let largest = 64 << 20

  public init() {}

  /// The list has come to its end.
  public var isComplete: Bool { place == .after }

  /// - Parameter body: called with each item that is complete.
  public mutating func take(
    _ bytes: some Sequence<UInt8>, _ body: ([UInt8]) -> Void
  ) throws(Failure) {
    for byte in bytes {
      switch place {
      case .outside: try takeOutside(byte)
      case .items: try takeBetween(byte)
      case .inItem:
        item.append(byte)
        if item.count > Self.largest { throw .tooLarge }
        if nests(byte), depth == 2 {
          body(item)
          item.removeAll(keepingCapacity: true)
          place = .items
        }
      case .after: if !Self.isBlank(byte) { throw .noList }
      }
    }
  }

  private mutating func takeOutside(_ byte: UInt8) throws(Failure) {
    head.append(byte)
    if head.count > Self.largest { throw .tooLarge }
    if isInString && depth == 1 && byte != UInt8(ascii: "\"") { key.append(byte) }
    let wasInString = isInString
    let isChange = nests(byte)
    if isInString && !wasInString { key.removeAll(keepingCapacity: true) }
    if depth == 0 && !isChange && !Self.isBlank(byte) { throw .noList }
    if depth == 1 && isChange && byte == UInt8(ascii: "[") { throw .noList }
    if isInString || wasInString { return }
    switch byte {
    case UInt8(ascii: ":") where depth == 1:
      keyIsItems = key.elementsEqual("items".utf8)
    case UInt8(ascii: "[") where depth == 2 && keyIsItems: place = .items
    case UInt8(ascii: "}") where depth == 0: place = .after
    case UInt8(ascii: ","): keyIsItems = false
    default: break
    }
  }

  private mutating func takeBetween(_ byte: UInt8) throws(Failure) {
    switch byte {
    case UInt8(ascii: "{"):
      item.append(byte)
      _ = nests(byte)
      place = .inItem
    case UInt8(ascii: "]"):
      head.append(byte)
      _ = nests(byte)
      keyIsItems = false
      place = .outside
    case UInt8(ascii: ","): break
    default: if !Self.isBlank(byte) { throw .noList }
    }
  }

  /// Keeps count of where this is.
  ///
  /// - Returns: whether the depth has changed.
  private mutating func nests(_ byte: UInt8) -> Bool {
    if isInString {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") {
        isInString = false
      }
      return false
    }
    switch byte {
    case UInt8(ascii: "\""): isInString = true
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      depth += 1
      return true
    case UInt8(ascii: "}"), UInt8(ascii: "]"):
      depth -= 1
      return true
    default: break
    }
    return false
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09
  }
}

/// Takes the text of a watch apart: one event to a line.
public struct EventSplitter: Sendable {
  private var line: [UInt8] = []

  public init() {}

  /// The text ends within an event.
  public var isWithin: Bool { !line.isEmpty }

  public mutating func take(
    _ bytes: [UInt8], _ body: ([UInt8]) -> Void
  ) throws(ListSplitter.Failure) {
    var rest = bytes[...]
    while let end = rest.firstIndex(of: 0x0a) {
      line.append(contentsOf: rest[..<end])
      rest = rest[(end + 1)...]
      if line.contains(where: { $0 != 0x20 && $0 != 0x0d && $0 != 0x09 }) { body(line) }
      line.removeAll(keepingCapacity: true)
    }
    line.append(contentsOf: rest)
    if line.count > ListSplitter.largest { throw .tooLarge }
  }
}
