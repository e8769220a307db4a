/// What happened to the connects and datagrams of one service port.
public struct ServiceCounters: Hashable, Sendable {
  /// Sent on to a backend.
  public var translated: UInt64 = 0
  /// Refused because there was no backend.
  public var refused: UInt64 = 0

  public init(translated: UInt64 = 0, refused: UInt64 = 0) {
    self.translated = translated
    self.refused = refused
  }
}
