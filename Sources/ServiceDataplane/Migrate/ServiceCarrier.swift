import BPFLoader
import ServiceMaps

/// Carries over what service ports are called. A record has room for short names only, and how short
/// they have to be is a matter of the layout; up to layout 3, each name had a place of its own.
struct ServiceCarrier {
  private let services: MapChange
  private let names: MapChange?
  private let rest: Conversion

  /// - Parameter names: nil: the old layout had no such map.
  init(_ services: MapChange, _ names: MapChange?) throws(DataplaneError) {
    self.services = services
    self.names = names
    do {
      rest = try Conversion(
        from: services.oldTypes.value.without(Self.members),
        to: services.newTypes.value.without(Self.members))
    } catch {
      throw .notCarried(services.name, "\(error)")
    }
  }

  private static let parts = ["namespace_name", "name", "port_name"]
  private static let lengths = ["namespace_length", "name_length", "port_length"]
  private static let members = Set(parts + lengths + ["text"])

  func copy(to new: BPFMap, _ newNames: BPFMap) throws(DataplaneError) {
    let long = try longNames()
    let (source, target) = (RawMap(services.old), RawMap(new))
    guard let types = try bpf({ () throws(BPFError) in try newNames.types() })?.value else {
      throw .notCarried(newNames.name, "it says nothing of its layout (no BTF)")
    }
    var (keys, values, spilled, count): ([UInt8], [UInt8], [UInt8], Int) = ([], [], [], 0)
    var spilledKeys: [UInt8] = []
    for (key, value) in try bpf({ () throws(BPFError) in try source.all() })
    where value.contains(where: { $0 != 0 }) {
      let texts = try texts(of: key, value, long)
      var record: [UInt8]
      do { record = try rest.converted(value) } catch { throw services.failure(error.member) }
      if !write(texts, into: &record) {
        spilled += try names(texts, types)
        spilledKeys += Self.prefix + key
      }
      keys += key
      values += record
      count += 1
    }
    try bpf { () throws(BPFError) in
      try target.update(keys, values, count: count)
      try RawMap(newNames).update(
        spilledKeys, spilled, count: spilledKeys.count / newNames.keySize)
    }
  }

  /// The length of a prefix: the service port's id is all of it.
  private static let prefix: [UInt8] =
    UInt16(1).littleEndian == 1 ? [32, 0, 0, 0] : [0, 0, 0, 32]

  // MARK: The old layout

  private func longNames() throws(DataplaneError) -> [[UInt8]: [UInt8]] {
    guard let names else { return [:] }
    var result: [[UInt8]: [UInt8]] = [:]
    for (key, value) in try bpf({ () throws(BPFError) in try RawMap(names.old).all() }) {
      result[Array(key.suffix(4))] = value
    }
    return result
  }

  /// Namespace, name and port of a service port. A record that was not finished has none.
  private func texts(
    of id: [UInt8], _ value: [UInt8], _ long: [[UInt8]: [UInt8]]
  ) throws(DataplaneError) -> [[UInt8]] {
    let type = services.oldTypes.value
    guard let text = type.member("text") else { return Self.read(Self.parts, of: type, value) }
    let lengths = Self.lengths.map { name in
      type.member(name).map { Int(value[$0.offset]) } ?? 0
    }
    guard lengths.reduce(0, +) <= text.type.size else {
      guard let names, let record = long[id] else { return [[], [], []] }
      return Self.read(Self.parts, of: names.oldTypes.value, record)
    }
    var start = text.offset
    return lengths.map { length in
      defer { start += length }
      return Array(value[start..<start + length])
    }
  }

  /// Each up to its NUL.
  private static func read(_ names: [String], of type: DataType, _ value: [UInt8]) -> [[UInt8]] {
    names.map { name in
      guard let member = type.member(name) else { return [] }
      let bytes = value[member.offset..<member.offset + member.type.size]
      return Array(bytes.prefix { $0 != 0 })
    }
  }

  // MARK: The new layout

  /// - Returns: false when the texts are too long for the record.
  private func write(_ texts: [[UInt8]], into record: inout [UInt8]) -> Bool {
    let type = services.newTypes.value
    for (name, text) in zip(Self.lengths, texts) {
      if let member = type.member(name) { record[member.offset] = UInt8(min(text.count, 255)) }
    }
    guard let text = type.member("text"), texts.joined().count <= text.type.size else {
      return false
    }
    for (index, byte) in texts.joined().enumerated() { record[text.offset + index] = byte }
    return true
  }

  private func names(_ texts: [[UInt8]], _ type: DataType) throws(DataplaneError) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: type.size)
    for (name, text) in zip(Self.parts, texts) {
      guard let member = type.member(name), text.count < member.type.size else {
        throw .notCarried(services.name, "a name is longer than \(name) has room for")
      }
      for (index, byte) in text.enumerated() { result[member.offset + index] = byte }
    }
    return result
  }
}

extension DataType {
  /// A structure in which these members mean nothing.
  fileprivate func without(_ names: Set<String>) -> DataType {
    guard case .structure(let size, let members) = self else { return self }
    return .structure(size: size, members: members.filter { !names.contains($0.name) })
  }
}
