import BPFObject

/// The programs of the data plane with a layout that was never released: SVC_TEST_LAYOUT in
/// service_abi.h.
public enum OtherLayout {
  public static let version: UInt32 = 1

  public static var socklb: [UInt8] { CompiledObject.bytes(ofBase64: EmbeddedObject.socklb) }

  public static var move: [UInt8] { CompiledObject.bytes(ofBase64: EmbeddedObject.move) }
}
