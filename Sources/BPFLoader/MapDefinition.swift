/// What a map is besides its name and how many entries it has room for.
public struct MapDefinition: Hashable, Sendable {
  /// `enum bpf_map_type`.
  public var type: UInt32
  /// In bytes.
  public var keySize: Int
  /// In bytes.
  public var valueSize: Int
  /// BPF_F_…, as the map was created.
  public var flags: UInt32

  public init(type: UInt32, keySize: Int, valueSize: Int, flags: UInt32) {
    self.type = type
    self.keySize = keySize
    self.valueSize = valueSize
    self.flags = flags
  }
}

extension MapDefinition {
  /// BPF_MAP_TYPE_ARRAY or BPF_MAP_TYPE_PERCPU_ARRAY: every element is there, zero at first.
  public var isArray: Bool { type == 2 || isPerCPU }
  /// BPF_MAP_TYPE_PERCPU_ARRAY.
  public var isPerCPU: Bool { type == 6 }
}
