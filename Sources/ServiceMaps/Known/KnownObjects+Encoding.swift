extension KnownObjects {
  /// Everything up to the version number.
  private static let header = Array(#"{"format":"socklb known objects","version":"#.utf8)
  private static let version = "1"
  private static let assignedStart = Array(#"{"assigned":{"clusterIPs":["#.utf8)
  private static let assignedPorts = Array(#"],"nodePorts":{"#.utf8)
  private static let assignedEnd = Array(#"},"object":"#.utf8)
  private static let objectStart = Array(#"{"object":"#.utf8)
  private static let trailerStart = Array(#"{"checksum":""#.utf8)
  private static let newline = UInt8(ascii: "\n")
  private static let brace = UInt8(ascii: "}")

  /// The bytes to store: a header line, one line per object sorted by kind, namespace and name,
  /// and a last line with their number and a checksum, by which damage is noticed.
  ///
  /// Each line is JSON:
  /// `{"assigned":{"clusterIPs":["10.96.1.2"],"nodePorts":{"http":30123}},"object":{…}}`, without
  /// `assigned` or `nodePorts` where nothing is. Equal values have equal bytes.
  public func encode() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(objects.values.reduce(256) { $0 + $1.json.count + 96 })
    bytes += KnownObjects.header
    bytes += (KnownObjects.version + "}\n").utf8
    for id in sortedIDs {
      guard let known = objects[id] else { continue }
      KnownObjects.append(known, to: &bytes)
    }
    bytes += KnownObjects.trailer(KnownObjects.checksum(of: bytes[...]), count)
    return bytes
  }

  /// The line of an object.
  static func append(_ known: KnownObject, to bytes: inout [UInt8]) {
    appendStart(of: known, to: &bytes)
    bytes += known.json
    bytes.append(brace)
    bytes.append(newline)
  }

  /// Reads a line without its end; nil when it is none.
  static func object(
    ofLine line: ArraySlice<UInt8>, decode: (_ json: [UInt8]) -> KubernetesObject?
  ) -> KnownObject? {
    guard let parts = parts(of: line) else { return nil }
    let json = Array(parts.json)
    return decode(json).map {
      KnownObject(
        object: $0, json: json, assignedClusterIPs: parts.clusterIPs,
        assignedNodePorts: parts.nodePorts)
    }
  }

  /// Everything in front of the object itself.
  private static func appendStart(of known: KnownObject, to bytes: inout [UInt8]) {
    if known.assignedClusterIPs.isEmpty && known.assignedNodePorts.isEmpty {
      bytes += objectStart
      return
    }
    bytes += assignedStart
    bytes += known.assignedClusterIPs.map { "\"\($0)\"" }.joined(separator: ",").utf8
    if known.assignedNodePorts.isEmpty {
      bytes += "]".utf8
    } else {
      bytes += assignedPorts
      let ports = known.assignedNodePorts.sorted { $0.key < $1.key }
      bytes += ports.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",").utf8
      bytes += "}".utf8
    }
    bytes += assignedEnd
  }

  /// Reads what `encode` wrote.
  ///
  /// - Parameters:
  ///   - decoded: objects that may be among these: one with the same canonical JSON is the same,
  ///     and not decoded again. That is most of them when manifests are applied once more.
  ///   - decode: makes an object of its canonical JSON; nil when it is none. Called once
  ///     per object with the bytes that are then kept as `KnownObject.json`.
  public init(
    decoding bytes: [UInt8], reusing decoded: [ManifestObject] = [],
    decode: (_ json: [UInt8]) -> KubernetesObject? = decodeObject
  ) throws(KnownObjectsError) {
    let (body, checksum) = try KnownObjects.checkedBody(of: bytes)
    var decoded = SortedObjects(body.isEmpty ? [] : decoded)
    var line = 1
    var start = body.lowerBound
    objects.reserveCapacity(body.count / 1024)
    while start < body.upperBound {
      line += 1
      guard let end = bytes[start..<body.upperBound].firstIndex(of: KnownObjects.newline),
        let parts = KnownObjects.parts(of: bytes[start..<end])
      else { throw .badObject(line: line) }
      let known: KnownObject
      if let same = decoded.object(withJSON: parts.json) {
        known = KnownObject(
          same, assignedClusterIPs: parts.clusterIPs, assignedNodePorts: parts.nodePorts)
      } else {
        let json = Array(parts.json)
        guard let object = decode(json) else { throw .badObject(line: line) }
        decoded.pass(object.id)
        known = KnownObject(
          object: object, json: json, assignedClusterIPs: parts.clusterIPs,
          assignedNodePorts: parts.nodePorts)
      }
      objects[known.object.id] = known
      start = end + 1
    }
    // Two lines with one identity would be one object too few.
    guard objects.count == line - 1 else { throw .badObject(line: line) }
    guard bytes[body.upperBound...].elementsEqual(KnownObjects.trailer(checksum, count)) else {
      throw .checksumMismatch
    }
  }

  /// Where the object lines are, once header and checksum are found right.
  private static func checkedBody(
    of bytes: [UInt8]
  ) throws(KnownObjectsError) -> (Range<Int>, checksum: String) {
    guard bytes.starts(with: header), let headerEnd = bytes.firstIndex(of: newline) else {
      throw header.starts(with: bytes.prefix(header.count)) ? .truncated : .notKnownObjects
    }
    let found = String(decoding: bytes[header.count..<headerEnd].dropLast(), as: UTF8.self)
    guard found == version else { throw .unsupportedVersion(found) }
    guard bytes.last == newline else { throw .truncated }
    let previous = bytes[..<(bytes.count - 1)].lastIndex(of: newline) ?? headerEnd
    let end = previous + 1
    guard end > headerEnd, bytes[end...].starts(with: trailerStart) else { throw .truncated }
    let checksum = checksum(of: bytes[..<end])
    guard bytes[end...].starts(with: trailerStart + Array(checksum.utf8)) else {
      throw .checksumMismatch
    }
    return ((headerEnd + 1)..<end, checksum)
  }

  private static func checksum(of bytes: ArraySlice<UInt8>) -> String {
    var hash = StableHash()
    hash.combine(bytes)
    return hash.text
  }

  private static func trailer(_ checksum: String, _ count: Int) -> [UInt8] {
    trailerStart + Array("\(checksum)\",\"objects\":\(count)}\n".utf8)
  }

  private struct Parts {
    var json: ArraySlice<UInt8>
    var clusterIPs: [IPAddress] = []
    var nodePorts: [String: Port] = [:]
  }

  private static func parts(of line: ArraySlice<UInt8>) -> Parts? {
    guard line.last == brace else { return nil }
    if line.starts(with: objectStart) {
      return Parts(json: line.dropFirst(objectStart.count).dropLast())
    }
    guard line.starts(with: assignedStart) else { return nil }
    var parts = Parts(json: [])
    var rest = line.dropFirst(assignedStart.count)
    guard let end = rest.firstIndex(of: UInt8(ascii: "]")),
      let addresses = clusterIPs(rest[..<end])
    else { return nil }
    parts.clusterIPs = addresses
    rest = rest[end...]
    if rest.starts(with: assignedPorts) {
      rest = rest.dropFirst(assignedPorts.count)
      guard let end = rest.firstIndex(of: brace), let ports = nodePorts(rest[..<end]) else {
        return nil
      }
      parts.nodePorts = ports
      rest = rest[end...]
    }
    rest = rest.dropFirst()
    guard rest.starts(with: assignedEnd) else { return nil }
    parts.json = rest.dropFirst(assignedEnd.count).dropLast()
    return parts
  }

  /// `"10.96.1.2","fd00::2"`
  private static func clusterIPs(_ text: ArraySlice<UInt8>) -> [IPAddress]? {
    var addresses: [IPAddress] = []
    for part in text.split(separator: UInt8(ascii: ",")) {
      guard let quoted = unquoted(part), let address = IPAddress(quoted) else { return nil }
      addresses.append(address)
    }
    return addresses
  }

  /// `"http":30123,"":30124`; names of ports have nothing in them that would be escaped.
  private static func nodePorts(_ text: ArraySlice<UInt8>) -> [String: Port]? {
    var ports: [String: Port] = [:]
    for part in text.split(separator: UInt8(ascii: ",")) {
      guard let colon = part.lastIndex(of: UInt8(ascii: ":")), let name = unquoted(part[..<colon]),
        let number = Int(String(decoding: part[(colon + 1)...], as: UTF8.self)),
        let port = Port(number), ports.updateValue(port, forKey: name) == nil
      else { return nil }
    }
    return ports
  }

  private static func unquoted(_ text: ArraySlice<UInt8>) -> String? {
    let quote = UInt8(ascii: "\"")
    guard text.count >= 2, text.first == quote, text.last == quote else { return nil }
    return String(decoding: text.dropFirst().dropLast(), as: UTF8.self)
  }
}
