/// Comparing elements of maps bit by bit: imported C structs are not Equatable.
public enum WireBytes {
  /// - Precondition: `T` has no padding, as all structs of the ABI (abi_check.c).
  public static func areEqual<T: BitwiseCopyable>(_ a: T, _ b: T) -> Bool {
    // SAFETY: the buffers are copies of the values and are used only inside the closures.
    unsafe withUnsafeBytes(of: a) { a in
      unsafe withUnsafeBytes(of: b) { b in unsafe a.elementsEqual(b) }
    }
  }

  /// For messages: hexadecimal digits.
  public static func text<T: BitwiseCopyable>(_ value: T) -> String {
    // SAFETY: as above.
    unsafe withUnsafeBytes(of: value) { bytes in
      let shown = unsafe bytes.prefix(24)
      let digits = unsafe shown.map { byte in
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
      return digits.joined() + (bytes.count > 24 ? "…" : "")
    }
  }
}
