extension KnownObjects {
  /// Everything up to the version number.
  private static let header = Array(#"{"format":"socklb known objects","version":"#.utf8)
  private static let version = "1"
  private static let assignedStart = Array(#"{"assigned":{"clusterIPs":["#.utf8)
  private static let assignedEnd = Array(#"]},"object":"#.utf8)
  private static let objectStart = Array(#"{"object":"#.utf8)
  private static let trailerStart = Array(#"{"checksum":""#.utf8)
  private static let newline = UInt8(ascii: "\n")
  private static let brace = UInt8(ascii: "}")

  /// The bytes to store: a header line, one line per object sorted by kind, namespace and name,
  /// and a last line with their number and a checksum, by which damage is noticed.
  ///
  /// Each line is JSON: `{"assigned":{"clusterIPs":["10.96.1.2"]},"object":{…}}`, without
  /// `assigned` where nothing is. Equal values have equal bytes.
  public func encode() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(objects.values.reduce(256) { $0 + $1.json.count + 96 })
    bytes += KnownObjects.header
    bytes += (KnownObjects.version + "}\n").utf8
    for id in sortedIDs {
      guard let known = objects[id] else { continue }
      if known.assignedClusterIPs.isEmpty {
        bytes += KnownObjects.objectStart
      } else {
        bytes += KnownObjects.assignedStart
        bytes += known.assignedClusterIPs.map { "\"\($0)\"" }.joined(separator: ",").utf8
        bytes += KnownObjects.assignedEnd
      }
      bytes += known.json
      bytes.append(KnownObjects.brace)
      bytes.append(KnownObjects.newline)
    }
    bytes += KnownObjects.trailer(KnownObjects.checksum(of: bytes[...]), count)
    return bytes
  }

  /// Reads what `encode` wrote.
  ///
  /// - Parameter decode: makes an object of its canonical JSON; nil when it is none. Called once
  ///   per object with the bytes that are then kept as `KnownObject.json`.
  public init(
    decoding bytes: [UInt8], decode: (_ json: [UInt8]) -> KubernetesObject?
  ) throws(KnownObjectsError) {
    let (body, checksum) = try KnownObjects.checkedBody(of: bytes)
    var line = 1
    var start = body.lowerBound
    while start < body.upperBound {
      line += 1
      guard let end = bytes[start..<body.upperBound].firstIndex(of: KnownObjects.newline),
        let (json, assigned) = KnownObjects.parts(of: bytes[start..<end]),
        let object = decode(json)
      else { throw .badObject(line: line) }
      objects[object.id] = KnownObject(object: object, json: json, assignedClusterIPs: assigned)
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

  private static func parts(of line: ArraySlice<UInt8>) -> (json: [UInt8], [IPAddress])? {
    guard line.last == brace else { return nil }
    if line.starts(with: objectStart) {
      return (Array(line[(line.startIndex + objectStart.count)..<(line.endIndex - 1)]), [])
    }
    guard line.starts(with: assignedStart) else { return nil }
    let start = line.startIndex + assignedStart.count
    guard let end = line[start...].firstIndex(of: UInt8(ascii: "]")),
      line[end...].starts(with: assignedEnd)
    else { return nil }
    var assigned: [IPAddress] = []
    for part in line[start..<end].split(separator: UInt8(ascii: ",")) {
      guard part.count > 2,
        let address = IPAddress(String(decoding: part.dropFirst().dropLast(), as: UTF8.self))
      else { return nil }
      assigned.append(address)
    }
    return (Array(line[(end + assignedEnd.count)..<(line.endIndex - 1)]), assigned)
  }
}
