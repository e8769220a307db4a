/// Ways to the pins, and who may go them.
enum PinAccess {
  /// Why this process may not look at `pin`; nil when it may, or when there is nothing.
  static func denied(_ pin: String) -> DataplaneError? {
    let permissionDenied: Int32 = 13
    for directory in above(pin) + [pin] where Files.isDirectory(directory) {
      if Files.mayEnter(directory) { continue }
      return .system(
        "entering \(directory)", errno: permissionDenied,
        remedy: directory == pin ? ownRemedy(pin) : remedy(directory, pin))
    }
    if Files.isDirectory(pin), !Files.mayRead(pin) {
      return .system("reading \(pin)", errno: permissionDenied, remedy: ownRemedy(pin))
    }
    return nil
  }

  private static func ownRemedy(_ pin: String) -> String {
    guard let group = Files.sharingGroup(of: pin) else {
      return "run it as root, or let a group read with `socklb attach --group NAME`"
    }
    return "run it as root, or as a member of the group \(group), which may read"
  }

  /// - Throws: when a member of the group could not go the way to `pin`.
  static func check(_ pin: String, _ group: Group) throws(DataplaneError) {
    guard group != .root else { return }
    for directory in above(pin) {
      guard let access = Files.access(directory) else { continue }
      let isOpen =
        access.mode & 0o001 != 0 || (access.group == group.id && access.mode & 0o010 != 0)
      guard !isOpen else { continue }
      throw .unsupported(
        "the group \(group.name) cannot reach \(pin): \(directory) has the mode "
          + "0\(String(access.mode & 0o777, radix: 8))", remedy: remedy(directory, pin))
    }
  }

  private static func remedy(_ directory: String, _ pin: String) -> String {
    let name = pin.split(separator: "/").last ?? "socklb"
    guard Files.fileSystemType(directory) == Files.bpfMagic else {
      return "run it as root, or `chmod a+x \(directory)`"
    }
    return "it belongs to a bpffs that only root may enter, as systemd mounts it. Run it as root, "
      + "or for a group use a bpffs of its own: `socklb attach --group NAME --pin "
      + "/run/socklb/bpf/\(name)` mounts one; or `chmod 0711 \(directory)`, which lasts until the "
      + "next boot"
  }

  /// A bpffs of its own is mounted for `pin`: its directory is not there yet, or empty, and lies on
  /// no bpffs.
  static func wantsOwnMount(_ pin: String) -> Bool {
    let parent = Files.parent(of: pin)
    if Files.exists(parent) {
      guard Files.fileSystemType(parent) != Files.bpfMagic,
        let names = try? Files.list(parent)
      else { return false }
      return Files.isDirectory(parent) && names.isEmpty
    }
    var existing = parent
    while !Files.exists(existing) { existing = Files.parent(of: existing) }
    return Files.fileSystemType(existing) != Files.bpfMagic
  }

  /// The directories that lead to a path, from the top; not itself.
  private static func above(_ path: String) -> [String] {
    var result: [String] = []
    var directory = Files.parent(of: path)
    while true {
      result.append(directory)
      if directory == "/" { return result.reversed() }
      directory = Files.parent(of: directory)
    }
  }
}

extension PinLayout {
  /// Root reads and writes, `group` reads the maps, and nobody else anything, whatever the umask
  /// was. Links stay with root: whoever can open one for writing can end it.
  func open(to group: Group) throws(DataplaneError) {
    let shared = group != .root
    func set(_ path: String, _ mode: UInt32, _ sharedMode: UInt32) throws(DataplaneError) {
      try Files.setAccess(path, shared ? sharedMode : mode, group: group.id)
    }
    for directory in try Files.list(links) {
      for hook in try Files.list(links + "/" + directory) {
        try Files.setAccess(links + "/" + directory + "/" + hook, 0o600, group: 0)
      }
      try Files.setAccess(links + "/" + directory, 0o700, group: 0)
    }
    try Files.setAccess(links, 0o700, group: 0)
    for name in try Files.list(maps) { try set(map(name), 0o600, 0o640) }
    try set(header, 0o600, 0o640)
    try set(maps, 0o700, 0o750)
    try set(directory, 0o700, 0o750)
  }
}

extension StateDirectory {
  /// Lets `group` read what commands need that do not write. What is written later is readable to
  /// it, too.
  public func open(to group: Group) throws(DataplaneError) {
    let shared = group != .root
    for file in ["objects", "instance", "settings"] where Files.exists(path + "/" + file) {
      try Files.setAccess(path + "/" + file, shared ? 0o640 : 0o600, group: group.id)
    }
    try Files.setAccess(path, shared ? 0o750 : 0o700, group: group.id)
  }
}
