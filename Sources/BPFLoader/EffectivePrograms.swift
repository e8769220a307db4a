/// Which programs the kernel runs for the processes of a cgroup, whoever attached them and
/// wherever above it (BPF_PROG_QUERY with BPF_F_QUERY_EFFECTIVE, 4.15).
public struct EffectivePrograms: Sendable {
  /// By hook, program ids in the order in which they run: those of the cgroup itself first, then
  /// those of each cgroup above it. A program that is attached twice is there twice.
  public var byHook: [SocketHook: [UInt32]]

  /// - Parameter cgroup: an open directory of a cgroup2 file system.
  public init(of cgroup: FileDescriptor, path: String) throws(BPFError) {
    byHook = [:]
    for hook in SocketHook.allCases {
      switch Calls.effectivePrograms(cgroup: cgroup.number, type: hook.attachType) {
      case .failure(let failure):
        throw .call(
          "asking which \(hook.rawValue) programs run for the cgroup \(path)",
          errno: failure.errno)
      case .success(let ids): byHook[hook] = ids
      }
    }
  }
}

extension BPFProgram {
  /// "cgroup_sock_addr", or the number of a type that has no business on our hooks.
  public var typeName: String {
    Calls.programType(descriptor.number).map(Calls.programTypeName) ?? "unknown type"
  }
}
