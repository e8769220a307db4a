/// A struct as the kernel's type information (BTF) describes it.
public struct BTFStruct: Hashable, Sendable {
  public struct Member: Hashable, Sendable {
    public var name: String
    /// In bytes from the beginning of the struct.
    public var offset: Int

    public init(name: String, offset: Int) {
      self.name = name
      self.offset = offset
    }
  }

  public var name: String
  /// In bytes.
  public var size: Int
  public var members: [Member]

  public init(name: String, size: Int, members: [Member]) {
    self.name = name
    self.size = size
    self.members = members
  }
}

extension BPFMap {
  /// The named structs of the object that this map was loaded with (bpf_map_info.btf_id).
  /// Empty when it was loaded without type information.
  public func structs() throws(BPFError) -> [BTFStruct] {
    switch Calls.structs(ofMap: descriptor.number) {
    case .failure(let failure):
      throw .call("reading the types of the map \(name)", errno: failure.errno)
    case .success(let structs): return structs
    }
  }

  /// What its keys and values are (bpf_map_info.btf_id); takes CAP_SYS_ADMIN.
  ///
  /// - Returns: nil when the map was made without type information.
  public func types() throws(BPFError) -> MapTypes? {
    switch Calls.types(ofMap: descriptor.number) {
    case .failure(let failure):
      throw .call("reading the types of the map \(name)", errno: failure.errno)
    case .success(let types): return types
    }
  }
}
