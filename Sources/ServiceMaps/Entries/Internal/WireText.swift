import CServiceABI

/// Text in a C array of fixed size, padded with NUL.
enum WireText {
  /// - Precondition: `text` and its NUL fit; names are checked when they are decoded.
  static func fill<Array: BitwiseCopyable>(_ array: inout Array, _ text: String) {
    // SAFETY: the buffer is the storage of `array` and is used only inside the closure.
    unsafe withUnsafeMutableBytes(of: &array) { buffer in
      var text = text
      text.withUTF8 { bytes in
        unsafe buffer.copyBytes(from: bytes.prefix(buffer.count - 1))
      }
    }
  }

  static func read<Array: BitwiseCopyable>(_ array: Array) -> String {
    // SAFETY: the buffer is a copy of `array` and is used only inside the closure.
    unsafe withUnsafeBytes(of: array) { buffer in
      let end = unsafe buffer.firstIndex(of: 0) ?? buffer.count
      return unsafe String(decoding: buffer[..<end], as: UTF8.self)
    }
  }

  /// How many bytes there are of a name: as many as a record has room for.
  static func length(_ text: String) -> Int { min(text.utf8.count, Int(SVC_NAME_SIZE) - 1) }

  /// Writes a text behind others.
  ///
  /// - Precondition: it fits.
  /// - Returns: where it ends.
  static func append<Array: BitwiseCopyable>(
    _ text: String, to array: inout Array, at start: Int
  ) -> Int {
    // SAFETY: the buffer is the storage of `array` and is used only inside the closure; its bounds
    // are looked at.
    unsafe withUnsafeMutableBytes(of: &array) { buffer in
      var text = text
      let count = min(length(text), buffer.count - start)
      guard count > 0 else { return start }
      text.withUTF8 { bytes in
        unsafe buffer[start...].copyBytes(from: bytes.prefix(count))
      }
      return start + count
    }
  }

  /// The texts of these lengths that stand one after the other.
  ///
  /// - Precondition: the array is as long as all of them.
  static func split<Array: BitwiseCopyable>(_ array: Array, _ lengths: [Int]) -> [String] {
    // SAFETY: the buffer is a copy of `array` and is used only inside the closure; its bounds are
    // looked at.
    unsafe withUnsafeBytes(of: array) { buffer in
      var start = 0
      return lengths.map { length in
        let end = min(start + length, buffer.count)
        defer { start = end }
        return unsafe String(decoding: buffer[start..<end], as: UTF8.self)
      }
    }
  }
}
