/// Elements in a C array of fixed size.
enum WireArray {
  /// Writes as many elements as the array has room for.
  static func fill<Array: BitwiseCopyable, Element: BitwiseCopyable>(
    _ array: inout Array, _ elements: some Sequence<Element>
  ) {
    // SAFETY: the buffer is the storage of `array` and is used only inside the closure; its bounds
    // are looked at.
    unsafe withUnsafeMutableBytes(of: &array) { buffer in
      let stride = MemoryLayout<Element>.stride
      for (index, element) in elements.enumerated() {
        guard (index + 1) * stride <= buffer.count else { return }
        unsafe buffer.storeBytes(of: element, toByteOffset: index * stride, as: Element.self)
      }
    }
  }

  /// All elements; bytes behind the last whole one are left out.
  static func read<Array: BitwiseCopyable, Element: BitwiseCopyable>(
    _ array: Array, as type: Element.Type
  ) -> [Element] {
    // SAFETY: the buffer is a copy of `array` and is used only inside the closure; its bounds are
    // looked at.
    unsafe withUnsafeBytes(of: array) { buffer in
      let stride = MemoryLayout<Element>.stride
      var result: [Element] = []
      for index in 0..<buffer.count / stride {
        result.append(unsafe buffer.loadUnaligned(fromByteOffset: index * stride, as: type))
      }
      return result
    }
  }

  /// A bit for each element whose bytes are all zero.
  ///
  /// - Precondition: there are 32 elements at most, of a multiple of four bytes.
  static func zeros<Array: BitwiseCopyable, Element: BitwiseCopyable>(
    in array: Array, of type: Element.Type
  ) -> UInt32 {
    // SAFETY: the buffer is a copy of `array` and is used only inside the closure; its bounds are
    // looked at.
    unsafe withUnsafeBytes(of: array) { buffer in
      let words = MemoryLayout<Element>.stride / 4
      var result: UInt32 = 0
      for element in 0..<min(32, buffer.count / (words * 4)) {
        var bits: UInt32 = 0
        for word in 0..<words {
          bits |= unsafe buffer.loadUnaligned(
            fromByteOffset: (element * words + word) * 4, as: UInt32.self)
        }
        if bits == 0 { result |= 1 << UInt32(element) }
      }
      return result
    }
  }
}
