import BPFObject

/// The programs of the data plane, with waits of 4 ms between their reads: lib/test_delay.h.
public enum SlowObject {
  public static var elf: [UInt8] { CompiledObject.bytes(ofBase64: EmbeddedObject.socklb) }
}
