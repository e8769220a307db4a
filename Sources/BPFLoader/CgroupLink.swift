/// A program attached to a cgroup through a link (5.7). Unpinned, it ends with its descriptor.
public struct CgroupLink: Sendable {
  public let descriptor: FileDescriptor

  /// Attaches `program` to the cgroup that `cgroup` is an open directory of.
  public static func attach(
    _ program: BPFProgram, to cgroup: FileDescriptor, as type: SocketHook, cgroupPath: String
  ) throws(BPFError) -> CgroupLink {
    switch Calls.attach(
      program: program.descriptor.number, cgroup: cgroup.number, type: type.attachType)
    {
    case .failure(let failure):
      throw .call(
        "attaching \(type.rawValue) to the cgroup \(cgroupPath)", errno: failure.errno,
        missing: "cgroup links for \(type.rawValue)")
    case .success(let fd): return CgroupLink(descriptor: FileDescriptor(owning: fd))
    }
  }

  public init(pinned path: String) throws(BPFError) {
    switch Calls.openPin(path, readOnly: false) {
    case .failure(let failure):
      throw .call("opening the pinned link \(path)", errno: failure.errno)
    case .success(let fd): descriptor = FileDescriptor(owning: fd)
    }
  }

  private init(descriptor: FileDescriptor) { self.descriptor = descriptor }

  public func pin(at path: String) throws(BPFError) {
    if let errno = Calls.pin(fd: descriptor.number, at: path) {
      throw .call("pinning a link at \(path)", errno: errno)
    }
  }

  public struct Info: Sendable {
    public var id: UInt32
    public var programID: UInt32
    /// 0: the cgroup is gone, the link does nothing any more.
    public var cgroupID: UInt64
  }

  public func info() throws(BPFError) -> Info {
    switch Calls.linkInfo(descriptor.number) {
    case .failure(let failure): throw .call("asking for a link's data", errno: failure.errno)
    case .success(let info):
      return Info(id: info.id, programID: info.programID, cgroupID: info.cgroupID)
    }
  }

  /// Runs another program of the same type from now on, in one step: every call sees the old or
  /// the new one (BPF_LINK_UPDATE, 5.7).
  ///
  /// - Returns: false when the cgroup is gone, so that no program runs.
  public func update(to program: BPFProgram) throws(BPFError) -> Bool {
    guard
      let errno = Calls.updateLink(descriptor.number, program: program.descriptor.number)
    else { return true }
    if errno == Errno.linkSevered { return false }
    throw .call("replacing the program of a link", errno: errno)
  }

  /// Ends the attachment now, even while the pin or other descriptors remain (5.9).
  public func detach() throws(BPFError) {
    if let errno = Calls.detachLink(descriptor.number) {
      throw .call("detaching a link", errno: errno)
    }
  }
}
