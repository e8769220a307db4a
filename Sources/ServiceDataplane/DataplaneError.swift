public import BPFLoader
public import ServiceMaps

/// A failure of a command that reaches the kernel or the disk.
public enum DataplaneError: Error, Sendable, CustomStringConvertible {
  /// A BPF call failed.
  case bpf(BPFError)
  /// Another system call failed: what was tried, and errno.
  case system(String, errno: Int32, remedy: String? = nil)
  /// The machine lacks something: which, and what to do.
  case unsupported(String, remedy: String)
  /// The process lacks these capabilities.
  case notPermitted(missing: [String])
  /// Nothing is attached at this pin directory.
  case notAttached(pin: String)
  /// The command would do harm, or cannot be done in this state.
  case refused(String, remedy: String)
  /// The table does not fit into the maps.
  case capacity(CapacityError)
  /// What is on disk cannot be read.
  case damaged(String, remedy: String)

  public var description: String {
    switch self {
    case .bpf(let error): error.description
    case .system(let what, let errno, let remedy):
      what + ": " + SystemText.error(errno) + (remedy.map { "; \($0)" } ?? "")
    case .unsupported(let what, let remedy), .refused(let what, let remedy),
      .damaged(let what, let remedy):
      what + "; " + remedy
    case .notPermitted(let missing):
      "this needs \(missing.joined(separator: " and ")), which this process does not have; run it "
        + "as root (sudo), or give a systemd unit AmbientCapabilities="
        + missing.joined(separator: " ")
    case .notAttached(let pin):
      "socklb is not attached: nothing is pinned at \(pin); run `socklb attach` first"
    case .capacity(let error): error.description
    }
  }

  /// The whole verifier log, where there is one.
  public var verifierLog: [String] {
    if case .bpf(let error) = self { return error.verifierLog }
    return []
  }
}

/// Runs BPF calls in a function that throws `DataplaneError`.
func bpf<T: ~Copyable>(_ body: () throws(BPFError) -> T) throws(DataplaneError) -> T {
  do { return try body() } catch { throw .bpf(error) }
}
