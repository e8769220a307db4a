/// The running kernel's version, and the oldest one that socklb runs on.
public struct KernelVersion: Comparable, Sendable, CustomStringConvertible {
  public var major: Int
  public var minor: Int

  /// bpf_set_retval (5.18) and the socket storage helpers in all hooks; tested from here on.
  public static let oldest = KernelVersion(major: 6, minor: 1)

  public init(major: Int, minor: Int) {
    self.major = major
    self.minor = minor
  }

  /// Reads a release like "6.1.0-47-cloud-amd64".
  public init?(release: String) {
    let numbers = release.split(separator: ".", maxSplits: 2)
    guard numbers.count >= 2, let major = Int(numbers[0]),
      let minor = Int(numbers[1].prefix { $0.isNumber })
    else { return nil }
    self.init(major: major, minor: minor)
  }

  public static var running: KernelVersion? { KernelVersion(release: Host.kernelRelease) }

  /// - Throws: when the running kernel is known to be too old.
  public static func check() throws(DataplaneError) {
    guard let running, running < oldest else { return }
    throw .unsupported(
      "this kernel is Linux \(Host.kernelRelease)",
      remedy: "socklb needs Linux \(oldest) or newer (bpf_set_retval, cgroup links)")
  }

  public static func < (a: KernelVersion, b: KernelVersion) -> Bool {
    (a.major, a.minor) < (b.major, b.minor)
  }

  public var description: String { "\(major).\(minor)" }
}
