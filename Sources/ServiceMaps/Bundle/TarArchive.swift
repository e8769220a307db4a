/// Files in one sequence of bytes, as `tar` reads them (POSIX ustar).
public struct TarArchive: Sendable {
  /// One file.
  public struct Member: Sendable, Hashable {
    /// Relative; ASCII, at most 100 bytes.
    public var path: String
    public var contents: [UInt8]

    public init(_ path: String, _ contents: [UInt8]) {
      self.path = path
      self.contents = contents
    }
  }

  public private(set) var members: [Member] = []
  /// Of all members.
  private let time: UTCTime

  public init(time: UTCTime) { self.time = time }

  /// - Precondition: the path is ASCII and has at most 100 bytes.
  public mutating func append(_ member: Member) {
    precondition(
      (1...100).contains(member.path.utf8.count) && member.path.utf8.allSatisfy { $0 < 128 })
    members.append(member)
  }

  public func encode() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(members.reduce(1024) { $0 + $1.contents.count + 1024 })
    for member in members {
      bytes += header(of: member)
      bytes += member.contents
      bytes += Self.padding(to: 512, after: bytes.count)
    }
    // Two empty blocks end it, and tar likes whole records of 20.
    bytes += [UInt8](repeating: 0, count: 1024)
    return bytes + Self.padding(to: 10_240, after: bytes.count)
  }

  private static func padding(to unit: Int, after count: Int) -> [UInt8] {
    [UInt8](repeating: 0, count: (unit - count % unit) % unit)
  }

  /// Numbers are octal, and end with a NUL.
  private func header(of member: Member) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: 512)
    func put(_ text: String, at offset: Int) {
      for (i, byte) in text.utf8.enumerated() { block[offset + i] = byte }
    }
    func octal(_ number: Int, digits: Int) -> String {
      let text = String(max(0, number), radix: 8)
      return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
    put(member.path, at: 0)
    put(octal(0o600, digits: 7), at: 100)
    // Owner and group: whoever unpacks it.
    put(octal(0, digits: 7), at: 108)
    put(octal(0, digits: 7), at: 116)
    put(octal(member.contents.count, digits: 11), at: 124)
    put(octal(Int(time.seconds), digits: 11), at: 136)
    // The checksum is of the header with blanks in its place.
    put("        ", at: 148)
    put("0", at: 156)
    put("ustar", at: 257)
    put("00", at: 263)
    put(octal(block.reduce(0) { $0 + Int($1) }, digits: 6), at: 148)
    block[154] = 0
    return block
  }
}
