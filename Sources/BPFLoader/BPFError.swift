/// A call into the kernel that failed: what was tried, on which object, and what to do about it.
public struct BPFError: Error, Sendable, CustomStringConvertible {
  /// What kind of failure it is; the command's exit code follows from it.
  public enum Code: Sendable {
    /// A capability is missing.
    case permission
    /// The kernel is too old, or was built without something.
    case unsupported
    /// The verifier refused a program.
    case rejected
    /// What is pinned has another layout than this binary.
    case layoutMismatch
    /// There is no such object.
    case notFound
    /// Any other failure.
    case failed
  }

  public var code: Code
  /// "attaching connect4 to the cgroup /sys/fs/cgroup"
  public var operation: String
  /// 0 when no system call failed.
  public var errno: Int32
  /// What the user can do.
  public var remedy: String?
  /// The verifier's log, line by line; empty when it has nothing to do with the failure.
  public var verifierLog: [String] = []

  public init(
    _ code: Code, _ operation: String, errno: Int32 = 0, remedy: String? = nil,
    verifierLog: [String] = []
  ) {
    self.code = code
    self.operation = operation
    self.errno = errno
    self.remedy = remedy
    self.verifierLog = verifierLog
  }

  /// One line, and the last lines of the verifier log when there is one.
  public var description: String {
    var text = operation
    if errno != 0 { text += ": \(Errno.text(errno))" }
    if let remedy { text += "; \(remedy)" }
    for line in verifierLog.suffix(5) { text += "\n    \(line)" }
    return text
  }
}

extension BPFError {
  /// Maps errno to a code and a remedy.
  ///
  /// - Parameter missing: the kernel feature that the call needs and its first version, for
  ///   EINVAL and the like.
  static func call(_ operation: String, errno: Int32, missing: String? = nil) -> BPFError {
    switch errno {
    case Errno.permissionDenied, Errno.accessDenied:
      return BPFError(
        .permission, operation, errno: errno,
        remedy: "this needs CAP_BPF and CAP_NET_ADMIN (and CAP_SYS_ADMIN to mount bpffs): "
          + "run it as root, or give the service these capabilities")
    case Errno.notFound:
      return BPFError(.notFound, operation, errno: errno)
    case Errno.noMemory:
      return BPFError(
        .failed, operation, errno: errno,
        remedy: "the kernel has not enough memory for maps of this size: attach with smaller "
          + "--max-services, --max-frontends or --max-backends")
    case Errno.notSupported, Errno.invalid, Errno.noSystemCall:
      return BPFError(
        missing == nil ? .failed : .unsupported, operation, errno: errno,
        remedy: missing.map { "the kernel lacks \($0); socklb needs Linux 6.1 or newer" })
    default:
      return BPFError(.failed, operation, errno: errno)
    }
  }
}
