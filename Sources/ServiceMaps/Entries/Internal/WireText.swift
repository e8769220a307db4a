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

  /// Writes texts one after the other.
  ///
  /// - Precondition: together they fit.
  static func join<Array: BitwiseCopyable>(_ texts: [String], into array: inout Array) {
    // SAFETY: the buffer is the storage of `array` and is used only inside the closure; its bounds
    // are looked at.
    unsafe withUnsafeMutableBytes(of: &array) { buffer in
      var start = 0
      for text in texts {
        for byte in text.utf8.prefix(length(text)) where start < buffer.count {
          unsafe buffer[start] = byte
          start += 1
        }
      }
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
