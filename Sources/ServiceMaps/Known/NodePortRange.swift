/// The numbers from which Services get node ports (`--service-node-port-range`).
public struct NodePortRange: Hashable, Sendable, CustomStringConvertible {
  public let first: Port
  public let last: Port

  /// nil when `last` comes before `first`.
  public init?(_ first: Port, _ last: Port) {
    guard first <= last else { return nil }
    self.first = first
    self.last = last
  }

  /// `30000-32767`, or one number.
  public init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count <= 2, let low = NodePortRange.port(parts[0]),
      let high = NodePortRange.port(parts[parts.count - 1])
    else { return nil }
    self.init(low, high)
  }

  private static func port(_ text: Substring) -> Port? {
    guard text.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let number = Int(text) else { return nil }
    return Port(number)
  }

  private init(numbers: ClosedRange<UInt16>) {
    // 0 is no port; the ranges given here do not begin with it.
    guard let first = Port(numbers.lowerBound), let last = Port(numbers.upperBound) else {
      self = .standard
      return
    }
    self.first = first
    self.last = last
  }

  /// 30000-32767, the API server's default.
  public static let standard = NodePortRange(numbers: 30_000...32_767)

  public func contains(_ port: Port) -> Bool { first <= port && port <= last }

  public var description: String { "\(first)-\(last)" }

  /// The numbers to give out: first those that are not meant to be picked by hand, which are the
  /// lowest min(max(16, size/32), 128) (KEP-3682), then those, too.
  var bands: [Range<UInt32>] {
    let (start, end) = (UInt32(first.number), UInt32(last.number) + 1)
    let size = end - start
    let picked = size < 32 ? 0 : min(max(16, size / 32), 128)
    return [(start + picked)..<end, start..<(start + picked)]
  }
}
