/// Who besides root may read the maps.
public struct Group: Hashable, Sendable {
  public let name: String
  public let id: UInt32

  /// Nobody besides root.
  public static let root = Group(name: "root", id: 0)

  private init(name: String, id: UInt32) {
    self.name = name
    self.id = id
  }

  /// - Parameter text: a name in /etc/group, or a number: groups of a directory service have no
  ///   line there.
  /// - Returns: nil when there is no such group.
  public init?(_ text: String) {
    if let id = UInt32(text) {
      // -1 means "leave it as it is" to chown(2).
      guard id != .max else { return nil }
      self.init(name: text, id: id)
      return
    }
    guard !text.isEmpty, let bytes = try? Files.read("/etc/group") else { return nil }
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let fields = line.split(separator: ":", omittingEmptySubsequences: false)
      guard fields.count >= 3, fields[0] == text, let id = UInt32(fields[2]) else { continue }
      self.init(name: text, id: id)
      return
    }
    return nil
  }
}
