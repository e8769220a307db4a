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
}
