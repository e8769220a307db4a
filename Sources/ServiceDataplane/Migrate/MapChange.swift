import BPFLoader

/// A map that another one takes the place of, because its layout is another.
struct MapChange: Sendable {
  let name: String
  let old: BPFMap
  let oldTypes: MapTypes
  let newTypes: MapTypes
  let key: Conversion
  let value: Conversion

  init(
    _ name: String, _ old: BPFMap, _ oldTypes: MapTypes, _ newTypes: MapTypes
  ) throws(DataplaneError) {
    self.name = name
    self.old = old
    self.oldTypes = oldTypes
    self.newTypes = newTypes
    // Addresses that were keys are in values: GuardCarrier.
    let oldTypes = name.hasPrefix("guards") ? newTypes : oldTypes
    do {
      key = try Conversion(from: oldTypes.key, to: newTypes.key)
    } catch {
      throw .notCarried(name, "its key: \(error)")
    }
    do {
      value = try Conversion(from: oldTypes.value, to: newTypes.value)
    } catch {
      throw .notCarried(name, "\(error)")
    }
  }

  func failure(_ member: String) -> DataplaneError {
    .notCarried(name, "\(ConversionError(member: member, what: ConversionError.doesNotFit))")
  }

  /// Where a member of a value is in the old and in the new layout.
  func offsets(_ path: String...) throws(DataplaneError) -> (old: Int, new: Int) {
    guard let old = oldTypes.value.member(path), let new = newTypes.value.member(path) else {
      throw .notCarried(name, "there is no member \(path.joined(separator: ".")) in both layouts")
    }
    return (old.offset, new.offset)
  }

  /// Where a member of a key is in the old layout.
  func keyOffset(_ name: String) throws(DataplaneError) -> Int {
    guard let member = oldTypes.key.member(name) else {
      throw .notCarried(self.name, "its key has no member \(name)")
    }
    return member.offset
  }

  // MARK: Which

  /// Hashes up to layout 3, arrays since; what is in them is carried over by their own carriers.
  private static let retyped: Set = [
    "services4", "services6", "totals4", "totals6", "guards4", "guards6",
  ]

  /// The maps at `layout` that are not what the programs of `open` work on, by name.
  ///
  /// `header` is among them whenever anything is: it says which layout there is.
  static func all(
    _ layout: PinLayout, _ open: borrowing OpenObject, layoutVersion: UInt32
  ) throws(DataplaneError) -> [String: MapChange] {
    let isOtherVersion = try HeaderView.layoutVersion(layout.header) != layoutVersion
    var names: Set<String> = []
    for name in open.mapNames where name != "header" && !TraceControl.mapNames.contains(name) {
      if try isOther(name, layout, open, isOtherVersion: isOtherVersion) { names.insert(name) }
    }
    let header = try isOther("header", layout, open, isOtherVersion: isOtherVersion)
    guard header || isOtherVersion || !names.isEmpty else { return [:] }
    names.insert("header")
    for pair in [
      ["sockets", "socket_tags"], ["counters4", "totals4", "past4"],
      ["counters6", "totals6", "past6"],
      ["services4", "names4"], ["services6", "names6"],
    ] where !names.isDisjoint(with: pair) {
      names.formUnion(pair)
    }
    var result: [String: MapChange] = [:]
    for name in names where Files.exists(layout.pin(ofMap: name)) {
      let old = try bpf { () throws(BPFError) in try BPFMap(pinned: layout.pin(ofMap: name)) }
      guard let new = open.types(ofMap: name), let wanted = open.definition(ofMap: name),
        let types = try bpf({ () throws(BPFError) in try old.types() })
      else { throw .notCarried(name, "it says nothing of its layout (no BTF)") }
      guard old.definition.type == wanted.type || retyped.contains(name) else {
        throw .notCarried(name, "it was a map of type \(old.definition.type) and is \(wanted.type)")
      }
      result[name] = try MapChange(name, old, types, new)
    }
    return result
  }

  /// Maps that say who reads the trace, where they are not what the programs of `open` work on:
  /// they are made anew, and those who read come to their end.
  static func forgotten(
    _ layout: PinLayout, _ open: borrowing OpenObject
  ) throws(DataplaneError) -> Set<String> {
    var result: Set<String> = []
    for name in TraceControl.mapNames where Files.exists(layout.pin(ofMap: name)) {
      let old = try bpf { () throws(BPFError) in try BPFMap(pinned: layout.pin(ofMap: name)) }
      if old.definition != open.definition(ofMap: name) { result.insert(name) }
    }
    return result
  }

  private static func isOther(
    _ name: String, _ layout: PinLayout, _ open: borrowing OpenObject, isOtherVersion: Bool
  ) throws(DataplaneError) -> Bool {
    let path = layout.pin(ofMap: name)
    // Only the new layout has it: it is made, and nothing is carried over.
    guard Files.exists(path) else { return true }
    let old = try bpf { () throws(BPFError) in try BPFMap(pinned: path) }
    guard old.definition == open.definition(ofMap: name) else { return true }
    let isTable = KernelTables.tableMaps.contains(name)
    if !isTable && old.maxEntries != open.maxEntries(ofMap: name) { return true }
    do {
      guard let types = try old.types() else { return false }
      return types != open.types(ofMap: name)
    } catch {
      // Without CAP_SYS_ADMIN the kernel does not show types; the version says enough.
      if error.code == .permission && !isOtherVersion { return false }
      throw .bpf(error)
    }
  }
}

extension DataplaneError {
  static func notCarried(_ map: String, _ why: String) -> DataplaneError {
    .refused(
      "the map \(map) cannot be carried over into the layout of this socklb: \(why)",
      remedy: "use the socklb that made it, or `socklb detach` and `socklb attach`, which begins "
        + "anew from what was applied; sockets that are connected then show their backends")
  }
}

extension DataplaneError {
  /// - Parameter version: nil when it cannot be read.
  static func otherLayout(
    _ pin: String, _ version: ReleaseVersion?, _ layout: UInt32, isNewer: Bool
  ) -> DataplaneError {
    .refused(
      "the maps at \(pin) were made by \(version.map { "socklb \($0)" } ?? "another socklb") and "
        + "have layout \(layout), this is socklb \(ReleaseVersion.current) with layout "
        + "\(Dataplane.layoutVersion)",
      remedy: isNewer
        ? "use the newer one; to go back, `socklb detach` and `socklb attach`"
        : "`socklb upgrade` carries them over")
  }
}
