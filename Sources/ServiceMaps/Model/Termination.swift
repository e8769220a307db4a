/// Which sockets are ended when their backend goes, so that the application connects anew.
///
/// The text is the value of the annotation `socklb.io/terminate` and of `--terminate`.
public struct Termination: OptionSet, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Connected UDP sockets.
  public static let udp = Termination(rawValue: 1)
  public static let tcp = Termination(rawValue: 2)
  /// What goes where nobody says anything: TCP learns of it by itself, connected UDP does not.
  public static let standard = Termination.udp

  /// Whether sockets of this protocol are ended.
  public func includes(_ transport: TransportProtocol) -> Bool {
    switch transport {
    case .tcp: contains(.tcp)
    case .udp: contains(.udp)
    default: false
    }
  }

  /// What may be written, for messages.
  public static let choices = "none, udp, tcp or tcp,udp"

  /// - Parameter text: `none`, or `udp` and `tcp` with a comma between them, in any order; spaces
  ///   around them do not matter.
  public init?(_ text: String) {
    self = []
    if text == "none" { return }
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      switch String(word.filter { $0 != " " }) {
      case "udp": insert(.udp)
      case "tcp": insert(.tcp)
      default: return nil
      }
    }
  }

  public var description: String {
    switch (contains(.tcp), contains(.udp)) {
    case (true, true): "tcp,udp"
    case (true, false): "tcp"
    case (false, true): "udp"
    case (false, false): "none"
    }
  }
}
