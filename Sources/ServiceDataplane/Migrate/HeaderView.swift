import BPFLoader

/// The header of any layout; its members are found by their names.
struct HeaderView: Sendable {
  private let memory: MappedBytes
  private let type: DataType

  /// - Parameter type: of the map's value.
  init(_ map: BPFMap, _ type: DataType) throws(DataplaneError) {
    memory = try bpf { () throws(BPFError) in try MappedBytes(map) }
    self.type = type
  }

  /// What is pinned at `path`. Takes CAP_SYS_ADMIN, to read types.
  init(pinned path: String) throws(DataplaneError) {
    let map = try bpf { () throws(BPFError) in try BPFMap(pinned: path) }
    guard let types = try bpf({ () throws(BPFError) in try map.types() }) else {
      throw .notCarried("header", "it says nothing of its layout (no BTF)")
    }
    try self.init(map, types.value)
  }

  /// 0 when this layout has no such member.
  subscript(name: String) -> UInt64 {
    get {
      guard let member = type.member(name) else { return 0 }
      let bytes = memory.bytes(at: 0, offset: member.offset, count: min(member.type.size, 8))
      // As the machine has it: the conversion to and from a word is the same both ways.
      return Self.isLittleEndian
        ? bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
        : bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
    nonmutating set {
      guard let member = type.member(name) else { return }
      let size = min(member.type.size, 8)
      let bytes = (0..<size).map { UInt8(truncatingIfNeeded: newValue >> ($0 * 8)) }
      memory.store(Self.isLittleEndian ? bytes : bytes.reversed(), at: 0, offset: member.offset)
    }
  }

  private static let isLittleEndian = UInt16(1).littleEndian == 1

  /// All of it, as it lies in memory.
  var bytes: [UInt8] { memory[0] }

  func store(_ bytes: [UInt8]) { memory.store(bytes, at: 0) }

  var instance: KernelTables.Instance {
    KernelTables.Instance(high: self["instance_high"], low: self["instance_low"])
  }

  /// The first word of every header, whatever its layout; whoever may read the map may ask.
  static func layoutVersion(_ path: String) throws(DataplaneError) -> UInt32 {
    try bpf { () throws(BPFError) in
      let map = try BPFMap(pinned: path, readOnly: !Files.mayWrite(path))
      var version: UInt32 = 0
      try RawMap(map).forEachBatch { _, values, _ in
        let bytes = values.prefix(4)
        version = (isLittleEndian ? bytes.reversed() : Array(bytes))
          .reduce(0) { $0 << 8 | UInt32($1) }
      }
      return version
    }
  }
}
