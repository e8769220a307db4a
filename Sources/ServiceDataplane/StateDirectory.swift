/// The directory that remembers what was applied, over reboots.
///
///     DIR/objects     the known objects; replaced as a whole
///     DIR/instance    which pin directory, and which life of it, this state belongs to
///     DIR/settings    what the table depends on besides the objects, one `name=value` per line
///     DIR/lock        held by whoever changes anything
public struct StateDirectory: Sendable {
  public let path: String

  public init(_ path: String) { self.path = path }

  var objectsFile: String { path + "/objects" }
  private var instanceFile: String { path + "/instance" }

  /// Waits until no other writer is at work. The lock ends with the returned value, and with
  /// the process, however it ends.
  ///
  /// - Parameters:
  ///   - seconds: how long to wait; nil: for ever.
  ///   - waiting: called once after a second of waiting.
  /// - Returns: nil when the time was up.
  public func lock(
    seconds: Int? = nil, waiting: () -> Void = {}
  ) throws(DataplaneError) -> StateLock? {
    try Files.makeDirectories(path)
    return try Files.lock(path + "/lock", seconds: seconds, waiting: waiting)
      .map { StateLock($0) }
  }

  // MARK: Objects

  /// The bytes last written with `writeObjects`; nil when there are none yet.
  public func readObjects() throws(DataplaneError) -> [UInt8]? { try Files.read(objectsFile) }

  public func writeObjects(_ bytes: [UInt8]) throws(DataplaneError) {
    try Files.replace(objectsFile, with: bytes)
    // It was about those that were there before, and says so.
    try? removeJournal()
  }

  /// Forgets all objects.
  public func removeObjects() throws(DataplaneError) {
    try Files.remove(objectsFile)
    Files.syncDirectory(of: objectsFile)
  }

  // MARK: Settings

  public func readSettings() throws(DataplaneError) -> [String: String] {
    let text = String(decoding: try Files.read(path + "/settings") ?? [], as: UTF8.self)
    var result: [String: String] = [:]
    for line in text.split(separator: "\n") {
      guard let equals = line.firstIndex(of: "=") else { continue }
      result[String(line[..<equals])] = String(line[line.index(after: equals)...])
    }
    return result
  }

  public func writeSettings(_ settings: [String: String]) throws(DataplaneError) {
    let lines = settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }
    try Files.replace(path + "/settings", with: Array(lines.joined().utf8))
  }

  // MARK: Instance

  /// What the instance file says.
  public struct Owner: Hashable, Sendable {
    public var pin: String
    public var instance: KernelTables.Instance

    public init(pin: String, instance: KernelTables.Instance) {
      self.pin = pin
      self.instance = instance
    }
  }

  public func readOwner() throws(DataplaneError) -> Owner? {
    guard let bytes = try Files.read(instanceFile) else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    guard lines.count == 2, lines[1].utf8.count == 32,
      let high = UInt64(lines[1].prefix(16), radix: 16),
      let low = UInt64(lines[1].suffix(16), radix: 16)
    else {
      throw .damaged(
        "\(instanceFile) is damaged", remedy: "remove it, `socklb detach` and `socklb attach`")
    }
    return Owner(
      pin: String(lines[0]), instance: KernelTables.Instance(high: high, low: low))
  }

  /// - Throws: unless this directory is the one that `dataplane` was attached with. A lost or
  ///   wrong directory would look like "no objects" and wipe live services.
  public func checkOwner(of dataplane: Dataplane) throws(DataplaneError) {
    try checkOwner(of: dataplane.tables.instance, pin: dataplane.pin)
  }

  /// The same, whatever the layout of the maps.
  public func checkOwner(ofPinned pin: String) throws(DataplaneError) {
    let header = try HeaderView(pinned: PinLayout(directory: pin).header)
    try checkOwner(of: header.instance, pin: pin)
  }

  private func checkOwner(
    of instance: KernelTables.Instance, pin: String
  ) throws(DataplaneError) {
    let owner = try readOwner()
    if owner?.instance == instance { return }
    throw .refused(
      owner == nil
        ? "\(path) does not hold the state of what is attached at \(pin)"
        : "\(path) holds the state of another attach than the one at \(pin)",
      remedy: "name the right directory with --state or restore it; if it is lost for good, "
        + "`socklb detach` and `socklb attach` begin anew. Nothing was changed, what is attached "
        + "goes on")
  }

  public var exists: Bool { Files.isDirectory(path) }

  public func writeOwner(_ owner: Owner) throws(DataplaneError) {
    func hex(_ value: UInt64) -> String {
      let digits = String(value, radix: 16)
      return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
    let text = "\(owner.pin)\n\(hex(owner.instance.high))\(hex(owner.instance.low))\n"
    try Files.replace(instanceFile, with: Array(text.utf8))
  }

  public func removeOwner() throws(DataplaneError) { try Files.remove(instanceFile) }
}

/// An exclusive lock, released when the value goes.
public final class StateLock: Sendable {
  private let descriptor: Int32

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { Files.close(descriptor) }
}
