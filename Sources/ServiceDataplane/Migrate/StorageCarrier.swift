import BPFLoader

/// Carries `more_flows` over, which is storage of sockets: programs in `move.bpf.c` reach it.
final class StorageCarrier {
  private let change: MapChange
  private let new: BPFMap
  private let elf: [UInt8]
  private let maps: (String) throws(BPFError) -> BPFMap
  private let listOld: BPFIterator
  private let move: BPFIterator
  private let moving: RawMap
  private let merging: RawMap
  /// What the old element was when it was last looked at, by cookie.
  private var carried: [[UInt8]: [UInt8]] = [:]

  private static let cookieSize = 8

  /// - Parameters:
  ///   - elf: the move object of the build whose layout the new map has.
  ///   - maps: the maps of that build, by name.
  init(
    _ change: MapChange, to new: BPFMap, elf: [UInt8],
    maps: @escaping (String) throws(BPFError) -> BPFMap
  ) throws(BPFError) {
    self.change = change
    self.new = new
    self.elf = elf
    self.maps = maps
    let object = try Self.load(
      ["list_stored", "move_stored"], elf, storedSize: change.old.valueSize, maps)
    listOld = try BPFIterator(
      object.program("list_stored"), named: "list_stored", over: change.old)
    move = try BPFIterator(object.program("move_stored"), named: "move_stored", over: change.old)
    moving = RawMap(try object.map("moving"))
    merging = RawMap(try object.map("merging"))
  }

  private static func load(
    _ programs: [String], _ elf: [UInt8], storedSize: Int,
    _ maps: (String) throws(BPFError) -> BPFMap
  ) throws(BPFError) -> LoadedObject {
    let open = try OpenObject(elf: elf, name: "move")
    try open.loadOnly(programs)
    try open.setFirstConstant(UInt32(storedSize))
    for name in open.mapNames where name != "moving" && name != "merging" {
      try open.reuse(maps(name), as: name)
    }
    return try open.load()
  }

  /// Copies what has changed since the last time.
  func carry() throws(DataplaneError) {
    let old = try bpf { () throws(BPFError) in
      Self.elements(try listOld.read(), size: change.old.valueSize)
    }
    let changed = old.filter { carried[$0.cookie] != $0.bytes }
    guard !changed.isEmpty else { return }
    let present = try bpf { () throws(BPFError) in
      let object = try Self.load(["list_stored"], elf, storedSize: new.valueSize, maps)
      let list = try BPFIterator(object.program("list_stored"), named: "list_stored", over: new)
      return Self.elements(try list.read(), size: new.valueSize)
    }
    let known = Dictionary(present.map { ($0.cookie, $0.bytes) }) { first, _ in first }
    var replaced: [(key: [UInt8], value: [UInt8])] = []
    var merged: [(key: [UInt8], value: [UInt8])] = []
    for (cookie, bytes) in changed {
      let value = try converted(bytes)
      if let there = known[cookie].map(flows(of:)), there != flows(of: value) {
        if let before = carried[cookie], flows(of: try converted(before)) == there {
          replaced.append((cookie, value))
        } else {
          merged.append((cookie, value))
        }
      } else if known[cookie] == nil {
        replaced.append((cookie, value))
      }
      carried[cookie] = bytes
    }
    try bpf { () throws(BPFError) in
      try run(replaced, through: moving)
      try run(merged, through: merging)
    }
  }

  private func converted(_ bytes: [UInt8]) throws(DataplaneError) -> [UInt8] {
    do { return try change.value.converted(bytes) } catch { throw change.failure(error.member) }
  }

  /// Without the members that only say where something is: programs find that out by themselves.
  private func flows(of value: [UInt8]) -> ArraySlice<UInt8> {
    value.prefix(change.newTypes.value.member("vip_tags")?.offset ?? value.count)
  }

  private func run(
    _ elements: [(key: [UInt8], value: [UInt8])], through map: RawMap
  ) throws(BPFError) {
    var rest = elements[...]
    while !rest.isEmpty {
      let part = rest.prefix(map.map.maxEntries)
      rest = rest.dropFirst(part.count)
      let keys = part.flatMap(\.key)
      try map.update(keys, part.flatMap(\.value), count: part.count)
      _ = try move.read()
      try map.delete(keys, count: part.count)
    }
  }

  private static func elements(
    _ bytes: [UInt8], size: Int
  ) -> [(cookie: [UInt8], bytes: [UInt8])] {
    let step = cookieSize + size
    return (0..<bytes.count / step).map { index in
      let start = index * step
      return (
        Array(bytes[start..<start + cookieSize]), Array(bytes[start + cookieSize..<start + step])
      )
    }
  }
}
