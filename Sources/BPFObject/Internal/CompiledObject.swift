// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

/// The compiled BPF programs, as they travel inside the binary.
public enum CompiledObject: String, Sendable {
  /// The hooks and the maps of the data plane: socklb.bpf.c.
  case socklb
  /// Iterators over sockets: sockets.bpf.c.
  case sockets
  /// An iterator over open files: files.bpf.c.
  case files
  /// What carries sockets' storage over into another layout: move.bpf.c.
  case move
  /// What becomes of TCP connections: outcomes.bpf.c.
  case outcomes
  /// What a connect() would do, and why: explain.bpf.c.
  case explain
  /// How TCP connections fare, by endpoint: latencies.bpf.c.
  case latencies

  private var base64: StaticString {
    switch self {
    case .socklb: EmbeddedObject.socklb
    case .sockets: EmbeddedObject.sockets
    case .files: EmbeddedObject.files
    case .move: EmbeddedObject.move
    case .outcomes: EmbeddedObject.outcomes
    case .explain: EmbeddedObject.explain
    case .latencies: EmbeddedObject.latencies
    }
  }

  /// The ELF object, as clang wrote it.
  public var elf: [UInt8] { Self.bytes(ofBase64: base64) }

  package static func bytes(ofBase64 base64: StaticString) -> [UInt8] {
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    base64.withUTF8Buffer { text in
      bytes.reserveCapacity(text.count * 3 / 4)
      for byte in unsafe text.span.indices {
        guard let value = unsafe Self.value(of: text.span[byte]) else { return }
        bits = bits << 6 | value
        count += 6
        if count >= 8 {
          count -= 8
          bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
      }
    }
    return bytes
  }

  /// nil at the padding, which ends the text.
  private static func value(of character: UInt8) -> UInt32? {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character) - 65
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character) - 97 + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character) - 48 + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
