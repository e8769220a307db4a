/// A BPF iterator (5.8): a program that the kernel runs for each socket, task or map element, and
/// only while somebody reads.
///
/// It is attached to nothing; it ends with its descriptor.
public struct BPFIterator: Sendable {
  private let link: FileDescriptor
  private let name: String

  /// - Parameters:
  ///   - program: of type `iter/…`.
  ///   - name: what error messages call it.
  ///   - map: what it walks over, for `iter/bpf_map_elem` and `iter/bpf_sk_storage_map`.
  public init(
    _ program: BPFProgram, named name: String, over map: BPFMap? = nil
  ) throws(BPFError) {
    self.name = name
    switch Calls.createIteratorLink(
      program: program.descriptor.number, map: map?.descriptor.number)
    {
    case .failure(let failure):
      throw .call(
        "making an iterator of \(name)", errno: failure.errno, missing: "iterators like \(name)")
    case .success(let fd): link = FileDescriptor(owning: fd)
    }
  }

  /// Walks over everything once; what the program wrote with bpf_seq_write, as it lies in memory.
  ///
  /// Iterators over sockets see those of the calling thread's network namespace.
  public func read() throws(BPFError) -> [UInt8] {
    let walk: FileDescriptor
    switch Calls.startIterator(link.number) {
    case .failure(let failure): throw .call("starting \(name)", errno: failure.errno)
    case .success(let fd): walk = FileDescriptor(owning: fd)
    }
    switch Calls.readAll(walk.number) {
    case .failure(let failure): throw .call("reading from \(name)", errno: failure.errno)
    case .success(let bytes): return bytes
    }
  }

  /// The same for a program that writes values of one type.
  public func read<Element: BitwiseCopyable>(
    as type: Element.Type
  ) throws(BPFError) -> [Element] {
    let bytes = try read()
    guard bytes.count % MemoryLayout<Element>.stride == 0 else {
      throw BPFError(
        .layoutMismatch,
        "\(name) wrote \(bytes.count) bytes, which are not whole elements of "
          + "\(MemoryLayout<Element>.stride)")
    }
    return Calls.elements(of: bytes, as: type)
  }
}
