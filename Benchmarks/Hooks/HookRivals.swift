import BPFLoader
import HookPrograms
import ServiceMaps

/// Loads HookPrograms and fills their maps.
enum HookRivals {
  private static let modes: [(mode: HookCase.Mode, suffix: String)] = [(.v4, "4"), (.v6, "6")]

  /// The programs, by the name of their hook. They keep their maps.
  static func load(
    _ object: HookObject, _ table: HookTable, hooks: [String]
  ) throws -> [BPFProgram] {
    let open = try OpenObject(elf: object.elf, name: object.rawValue)
    let entries = modes.map { table.entries($0.mode) }
    for ((_, suffix), entries) in zip(modes, entries) {
      switch object {
      case .floor: try open.setMaxEntries(room(entries.count), ofMap: "services" + suffix)
      case .peers:
        let slots = entries.count * (HookPlaces.endpoints + 1)
        try open.setMaxEntries(room(slots), ofMap: "services" + suffix)
        try open.setMaxEntries(
          room(entries.count * HookPlaces.endpoints), ofMap: "backends" + suffix)
      }
    }
    let loaded = try open.load()
    for ((mode, suffix), entries) in zip(modes, entries) {
      switch object {
      case .floor:
        try fillFloor(RawMap(loaded.map("services" + suffix)), entries)
      case .peers:
        try fillServices(RawMap(loaded.map("services" + suffix)), entries)
        try fillBackends(RawMap(loaded.map("backends" + suffix)), entries)
        try fillNodes(RawMap(loaded.map("nodes" + suffix)), mode)
      }
    }
    return try hooks.map { try loaded.program($0) }
  }

  /// As many as there are, and no less than a node would make room for.
  private static func room(_ count: Int) -> Int {
    var room = 65_536
    while room < count { room *= 2 }
    return room
  }

  private static func fillFloor(_ map: RawMap, _ entries: [HookTable.Entry]) throws {
    var keys: [UInt8] = []
    var values: [UInt8] = []
    for entry in entries {
      entry.vip.appendAddress(to: &keys)
      entry.vip.appendPort(to: &keys)
      keys += [entry.ipProtocol, 0]
      entry.backends[0].appendAddress(to: &values)
      entry.backends[0].appendPort(to: &values)
      values += [0, 0]
    }
    try map.update(keys, values, count: entries.count)
  }

  private static func fillServices(_ map: RawMap, _ entries: [HookTable.Entry]) throws {
    var keys: [UInt8] = []
    var values: [UInt8] = []
    for entry in entries {
      for slot in 0...entry.backends.count {
        entry.vip.appendAddress(to: &keys)
        entry.vip.appendPort(to: &keys)
        append(UInt16(slot), to: &keys)
        keys += [entry.ipProtocol, 0, 0, 0]
        append(UInt32(slot == 0 ? 0 : backendID(entry, slot - 1)), to: &values)
        append(UInt16(slot == 0 ? entry.backends.count : 0), to: &values)
        append(UInt16(truncatingIfNeeded: entry.id), to: &values)
        append(UInt32(0), to: &values)
      }
    }
    try map.update(keys, values, count: entries.count * (HookPlaces.endpoints + 1))
  }

  private static func fillBackends(_ map: RawMap, _ entries: [HookTable.Entry]) throws {
    var keys: [UInt8] = []
    var values: [UInt8] = []
    for entry in entries {
      for (index, backend) in entry.backends.enumerated() {
        append(UInt32(backendID(entry, index)), to: &keys)
        backend.appendAddress(to: &values)
        backend.appendPort(to: &values)
        values += [entry.ipProtocol, 0]
      }
    }
    try map.update(keys, values, count: entries.count * HookPlaces.endpoints)
  }

  /// A thousand Pods, none of which is asked for.
  private static func fillNodes(_ map: RawMap, _ mode: HookCase.Mode) throws {
    var keys: [UInt8] = []
    var values: [UInt8] = []
    let pods = 1000
    for number in 0..<pods {
      append(UInt32(mode == .v6 ? 128 : 32), to: &keys)
      var pod = HookPlaces.stranger(mode)
      pod.low += 0x1_0000 + UInt64(number)
      pod.appendAddress(to: &keys)
      append(UInt32(0), to: &values)
    }
    try map.update(keys, values, count: pods)
  }

  private static func backendID(_ entry: HookTable.Entry, _ index: Int) -> Int {
    (entry.id - 1) * HookPlaces.endpoints + index + 1
  }

  /// As the machine has it.
  private static func append<T: FixedWidthInteger>(_ value: T, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value) { bytes += $0 }
  }
}
