/// A program that runs at a tracepoint (`tp_btf/…`) for as long as this value lives.
public struct TracepointLink: Sendable {
  private let link: FileDescriptor

  /// - Parameter name: what error messages call it.
  public init(_ program: BPFProgram, named name: String) throws(BPFError) {
    switch Calls.attachTracepoint(program: program.descriptor.number) {
    case .failure(let failure):
      throw .call(
        "attaching \(name)", errno: failure.errno, missing: "BTF tracepoints like \(name)")
    case .success(let fd): link = FileDescriptor(owning: fd)
    }
  }
}
