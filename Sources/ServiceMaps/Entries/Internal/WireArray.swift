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
}
