import BPFObject

/// The programs of the data plane, with waits between their reads: lib/test_delay.h.
public enum SlowObject {
  /// What CompileBPF compiles in, in nanoseconds: nothing else in the file is this number.
  private static let compiledIn: UInt32 = 4_000_000

  /// - Parameter milliseconds: how long a reader waits: less than two seconds.
  /// - Returns: nil when the compiled constant is not where it was.
  public static func elf(waiting milliseconds: Int) -> [UInt8]? {
    var elf = CompiledObject.bytes(ofBase64: EmbeddedObject.socklb)
    let old = bytes(of: compiledIn)
    let places = elf.indices.dropLast(3).filter { Array(elf[$0..<$0 + 4]) == old }
    guard places.count == 1, let place = places.first else { return nil }
    elf.replaceSubrange(place..<place + 4, with: bytes(of: UInt32(milliseconds * 1_000_000)))
    return elf
  }

  /// As an instruction of the little-endian machines that the tests run on has it.
  private static func bytes(of value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }
}
