/// A ring that programs write records into (BPF_MAP_TYPE_RINGBUF, 5.8) and one reader empties.
///
/// It does not wait: records are written without waking anybody (BPF_RB_NO_WAKEUP), because that
/// would cost the writers more than all the rest. Not thread safe; used by one owner.
public final class RingBuffer {
  private let map: BPFMap
  private let handle: RingHandle

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
}
