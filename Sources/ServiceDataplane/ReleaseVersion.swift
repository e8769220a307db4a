/// The version of a release of socklb.
public struct ReleaseVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
  public var major: UInt8
  public var minor: UInt8
  public var patch: UInt8

  public init(_ major: UInt8, _ minor: UInt8, _ patch: UInt8) {
    self.major = major
    self.minor = minor
    self.patch = patch
  }

  /// This one.
  public static let current = ReleaseVersion(0, 1, 0)

  /// As `svc_header.version` has it.
  init(packed: UInt32) {
    self.init(
      UInt8(truncatingIfNeeded: packed >> 16), UInt8(truncatingIfNeeded: packed >> 8),
      UInt8(truncatingIfNeeded: packed))
  }

  var packed: UInt32 { UInt32(major) << 16 | UInt32(minor) << 8 | UInt32(patch) }

  public var description: String { "\(major).\(minor).\(patch)" }

  public static func < (a: ReleaseVersion, b: ReleaseVersion) -> Bool { a.packed < b.packed }
}
