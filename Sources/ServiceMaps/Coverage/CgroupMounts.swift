/// Where control groups are mounted, as /proc/self/mountinfo says.
public struct CgroupMounts: Sendable, Equatable {
  /// One mount of the cgroup2 hierarchy.
  public struct Mount: Sendable, Equatable {
    /// What is mounted, seen from this process's cgroup namespace: "/", or "/.." for what lies
    /// above the namespace's root.
    public var root: String
    public var path: String
  }

  /// Mounts of cgroup2, in the order of mountinfo, which is the order of mounting.
  public var unified: [Mount] = []
  /// Mount points of cgroup v1 hierarchies by controller; a named hierarchy as `name=systemd`.
  public var controllers: [String: String] = [:]

  public init() {}

  public init(mountinfo: String) {
    for line in mountinfo.split(separator: "\n") {
      // 41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
      let fields = line.split(separator: " ")
      guard let dash = fields.firstIndex(of: "-"), dash >= 5, fields.count > dash + 3 else {
        continue
      }
      let path = Self.unescaped(fields[4])
      switch fields[dash + 1] {
      case "cgroup2":
        let mount = Mount(root: Self.unescaped(fields[3]), path: path)
        // The later one of two at the same place hides the other.
        unified.removeAll { $0.path == path }
        unified.append(mount)
      case "cgroup":
        for option in fields[dash + 3].split(separator: ",")
        where !["rw", "ro", "xattr", "nosuid"].contains(option) {
          controllers[String(option)] = path
        }
      default: break
      }
    }
  }

  /// cgroup2 is mounted beside hierarchies of version 1, not in their place.
  public var isHybrid: Bool { !controllers.isEmpty }

  /// The cgroup2 path in the text of /proc/PID/cgroup; nil when there is none, or it was removed.
  public static func unifiedPath(_ text: String) -> String? {
    for line in text.split(separator: "\n") where line.hasPrefix("0::/") {
      return line.hasSuffix(" (deleted)") ? nil : String(line.dropFirst(3))
    }
    return nil
  }

  /// How many levels above the root of the cgroup namespace a path begins, and the rest of it.
  static func levels(_ path: String) -> (up: Int, down: [Substring]) {
    let parts = path.split(separator: "/")
    let up = parts.prefix { $0 == ".." }.count
    return (up, Array(parts.dropFirst(up)))
  }

  /// Whether a mount shows something above the root of the cgroup namespace. Then the names on the
  /// way from there to the namespace's root are not told, and have to be found out.
  public static func needsNamespaceRoot(_ mount: Mount) -> Bool { levels(mount.root).up > 0 }

  /// The directory of the cgroup `path` on this mount; nil when the mount does not show it.
  ///
  /// - Parameter namespaceRoot: the directory of the cgroup namespace's root, for a mount that
  ///   `needsNamespaceRoot`.
  public static func directory(
    of path: String, on mount: Mount, namespaceRoot: String? = nil
  ) -> String? {
    let wanted = levels(path)
    let root = levels(mount.root)
    if root.up == 0 {
      guard wanted.up == 0, wanted.down.starts(with: root.down) else { return nil }
      return join(mount.path, wanted.down.dropFirst(root.down.count))
    }
    guard let namespaceRoot, root.down.isEmpty, wanted.up <= root.up else { return nil }
    let base = namespaceRoot.split(separator: "/").dropLast(wanted.up)
    return join(base.isEmpty ? "/" : "/" + base.joined(separator: "/"), wanted.down[...])
  }

  /// The directory of the namespace's root, from that of a process at `path`.
  public static func namespaceRoot(from directory: String, ofProcessAt path: String) -> String? {
    let own = levels(path)
    guard own.up == 0 else { return nil }
    let parts = directory.split(separator: "/")
    guard parts.count >= own.down.count, parts.suffix(own.down.count).elementsEqual(own.down)
    else { return nil }
    return "/" + parts.dropLast(own.down.count).joined(separator: "/")
  }

  private static func join(_ base: String, _ parts: ArraySlice<Substring>) -> String {
    if parts.isEmpty { return base }
    return (base == "/" ? "" : base) + "/" + parts.joined(separator: "/")
  }

  /// mountinfo writes blanks and the like as three octal digits.
  private static func unescaped(_ field: Substring) -> String {
    var result: [UInt8] = []
    var bytes = Array(field.utf8)[...]
    while let byte = bytes.popFirst() {
      if byte == UInt8(ascii: "\\"), bytes.count >= 3,
        let code = UInt8(String(decoding: bytes.prefix(3), as: UTF8.self), radix: 8)
      {
        result.append(code)
        bytes = bytes.dropFirst(3)
      } else {
        result.append(byte)
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}
