import BPFObject

/// BPF programs that socklb is measured against; no part of socklb. bpf/*.bpf.c say what they do.
public enum HookObject: String, CaseIterable, Sendable {
  /// The smallest translator that there can be.
  case floor
  /// The layout that most socket load balancers use.
  case peers

  public var elf: [UInt8] {
    switch self {
    case .floor: CompiledObject.bytes(ofBase64: EmbeddedObject.floor)
    case .peers: CompiledObject.bytes(ofBase64: EmbeddedObject.peers)
    }
  }
}
