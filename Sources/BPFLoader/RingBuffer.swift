/// A ring that programs write records into (BPF_MAP_TYPE_RINGBUF, 5.8) and one reader empties.
///
/// It does not wait: records are written without waking anybody (BPF_RB_NO_WAKEUP), because that
/// would cost the writers more than all the rest. Not thread safe; used by one owner.
public final class RingBuffer {
  private let map: BPFMap
  private let handle: RingHandle

  /// - Parameter size: in bytes, a power of two and whole pages.
  public convenience init(named name: String, size: Int) throws(BPFError) {
    switch Calls.createRing(name, size: size) {
    case .failure(let failure):
      throw .call("making a ring buffer of \(size) bytes", errno: failure.errno)
    case .success(let fd): try self.init(BPFMap(FileDescriptor(owning: fd)))
    }
  }

  public init(_ map: BPFMap) throws(BPFError) {
    self.map = map
    do { handle = try RingHandle(map.descriptor.number) } catch {
      throw .call("mapping the ring buffer \(map.name)", errno: error.errno)
    }
  }

  /// Takes records out, oldest first, until there are none or `limit` were taken.
  public func take<Record: BitwiseCopyable>(
    as type: Record.Type, limit: Int, _ visit: (Record) -> Void
  ) throws(BPFError) -> Int {
    handle.fill(limit: limit, recordSize: MemoryLayout<Record>.size)
    if handle.isMisshapen {
      throw BPFError(
        .layoutMismatch,
        "the ring buffer \(map.name) has records that are not of \(MemoryLayout<Record>.size) bytes"
      )
    }
    return handle.visit(as: type, visit)
  }

  /// Makes it an element of a map of maps; programs find it there.
  public func put(into maps: BPFMap, at index: UInt32) throws(BPFError) {
    let value = UInt32(bitPattern: map.descriptor.number)
    if let errno = Calls.update(maps.descriptor.number, key: index, value: value) {
      throw .call("putting a ring buffer into the map \(maps.name)", errno: errno)
    }
  }

  /// Takes whatever is there out of a map of maps.
  public static func remove(from maps: BPFMap, at index: UInt32) throws(BPFError) {
    if let errno = Calls.delete(maps.descriptor.number, key: index), errno != Errno.notFound {
      throw .call("taking a ring buffer out of the map \(maps.name)", errno: errno)
    }
  }
}
