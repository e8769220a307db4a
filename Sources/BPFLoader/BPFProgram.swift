/// A loaded program.
public struct BPFProgram: Sendable {
  public let descriptor: FileDescriptor

  init(_ descriptor: FileDescriptor) { self.descriptor = descriptor }

  /// Opens a loaded program by its id. nil when there is none any more.
  public init?(id: UInt32) {
    guard case .success(let fd) = Calls.programFD(id: id) else { return nil }
    descriptor = FileDescriptor(owning: fd)
  }

  public struct Info: Sendable {
    public var id: UInt32
    public var name: String
    /// The kernel's hash of the instructions, as 16 hexadecimal digits.
    public var tag: String
  }

  public func info() throws(BPFError) -> Info {
    switch Calls.programInfo(descriptor.number) {
    case .failure(let failure): throw .call("asking for a program's data", errno: failure.errno)
    case .success(let info):
      let tag = info.tag.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
      return Info(id: info.id, name: info.name, tag: tag)
    }
  }
}
