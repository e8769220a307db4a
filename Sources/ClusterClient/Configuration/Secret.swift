/// Text that must not be shown: a token, a password, a key. Printing it, or a value that holds it,
/// shows `(secret)`.
public struct Secret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  /// The text itself.
  public var value: String

  public init(_ value: String) { self.value = value }

  /// Whether it can follow `Bearer ` (RFC 6750): printable ASCII without spaces.
  var canBeInHeader: Bool { value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f } }

  public var description: String { "(secret)" }
  public var debugDescription: String { "(secret)" }
  public var customMirror: Mirror { Mirror(self, children: []) }
}
