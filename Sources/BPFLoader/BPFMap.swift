/// A map, whatever its type.
public final class BPFMap: Sendable {
  public let descriptor: FileDescriptor
  /// As the kernel keeps it: at most 15 characters.
  public let name: String
  public let keySize: Int
  public let valueSize: Int
  public let maxEntries: Int
  public let definition: MapDefinition
  /// Opened with BPF_F_RDONLY: it can be looked up, but neither written nor mapped.
  public let isReadOnly: Bool

  init(_ descriptor: FileDescriptor, isReadOnly: Bool = false) throws(BPFError) {
    self.descriptor = descriptor
    self.isReadOnly = isReadOnly
    switch Calls.mapInfo(descriptor.number) {
    case .failure(let failure): throw .call("asking for a map's data", errno: failure.errno)
    case .success(let info):
      name = info.name
      keySize = info.keySize
      valueSize = info.valueSize
      maxEntries = info.maxEntries
      definition = MapDefinition(
        type: info.type, keySize: info.keySize, valueSize: info.valueSize, flags: info.flags)
    }
  }

  /// Opens a pinned map.
  ///
  /// - Parameter readOnly: with BPF_F_RDONLY, which needs only read permission on the pin; such
  ///   a map can be looked up, but not mapped into memory (EINVAL).
  public convenience init(pinned path: String, readOnly: Bool = false) throws(BPFError) {
    switch Calls.openPin(path, readOnly: readOnly) {
    case .failure(let failure):
      throw .call("opening the pinned map \(path)", errno: failure.errno)
    case .success(let fd):
      try self.init(FileDescriptor(owning: fd), isReadOnly: readOnly)
    }
  }

  /// Makes an array that can be mapped into memory, and be an element of a map of maps that takes
  /// arrays of whatever length (BPF_F_INNER_MAP, 5.10).
  public convenience init(innerArray name: String, valueSize: Int, count: Int) throws(BPFError) {
    switch Calls.createInnerArray(name, valueSize: valueSize, count: count) {
    case .failure(let failure):
      throw .call("making an array of \(valueSize * count) bytes", errno: failure.errno)
    case .success(let fd): try self.init(FileDescriptor(owning: fd))
    }
  }

  /// How many processors there may ever be; programs know them by numbers below that.
  public static var possibleProcessors: Int { Calls.possibleCPUs() }

  /// Makes it an element of a map of maps; programs find it there. Returns when no program runs any
  /// more that has found what was there before.
  public func put(into maps: BPFMap, at index: UInt32) throws(BPFError) {
    let value = UInt32(bitPattern: descriptor.number)
    if let errno = Calls.update(maps.descriptor.number, key: index, value: value) {
      throw .call("putting the map \(name) into the map \(maps.name)", errno: errno)
    }
  }

  /// Takes whatever is there out of a map of maps.
  public func removeInner(at index: UInt32) throws(BPFError) {
    if let errno = Calls.delete(descriptor.number, key: index), errno != Errno.notFound {
      throw .call("taking a map out of the map \(name)", errno: errno)
    }
  }

  public func pin(at path: String) throws(BPFError) {
    if let errno = Calls.pin(fd: descriptor.number, at: path) {
      throw .call("pinning the map \(name) at \(path)", errno: errno)
    }
  }

  /// Throws `.layoutMismatch` unless keys and values have these sizes.
  func check(key: Int, value: Int) throws(BPFError) {
    guard keySize == key, valueSize == value else {
      throw BPFError(
        .layoutMismatch,
        "the map \(name) has keys of \(keySize) and values of \(valueSize) bytes, "
          + "this binary expects \(key) and \(value)",
        remedy: "it was made by another version of socklb: `socklb upgrade` carries it over")
    }
  }

  /// Whether a hash has an element with this key.
  public func hasElement<Key: BitwiseCopyable>(_ key: Key) -> Bool {
    guard MemoryLayout<Key>.size == keySize else { return false }
    return Calls.hasElement(descriptor.number, key: key, valueSize: valueSize)
  }
}
