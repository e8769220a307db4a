import ServiceMaps

/// A cgroup v2 directory.
public struct Cgroup: Sendable {
  public let path: String
  /// The kernel's id: the inode number of the directory.
  public let id: UInt64

  /// - Throws: when `path` is not a directory of a cgroup2 file system.
  public init(path: String) throws(DataplaneError) {
    guard let id = Files.inode(path) else {
      throw .refused("there is no cgroup \(path)", remedy: "make it, or name another one")
    }
    guard Files.fileSystemType(path) == Files.cgroup2Magic else {
      throw .unsupported(
        "\(path) is not on a cgroup2 file system",
        remedy: "socklb needs cgroup v2 (Linux 4.5 or newer): name a directory below a cgroup2 "
          + "mount, see `grep cgroup2 /proc/mounts`")
    }
    self.path = path
    self.id = id
  }

  /// Whether this is a descendant of `other`, as the paths say.
  public func isBelow(_ other: Cgroup) -> Bool {
    id != other.id
      && Files.resolved(path).hasPrefix(
        Files.resolved(other.path) == "/" ? "/" : Files.resolved(other.path) + "/")
  }

  /// The root of the cgroup2 hierarchy, from /proc/self/mountinfo.
  public static func root() throws(DataplaneError) -> Cgroup {
    guard let mount = try mounts().first else {
      throw .unsupported(
        "no cgroup2 file system is mounted",
        remedy: "socklb needs cgroup v2 (Linux 4.5 or newer): mount -t cgroup2 none "
          + "/sys/fs/cgroup/unified")
    }
    return try Cgroup(path: mount)
  }

  /// Where cgroup2 file systems are mounted, in the order of mounting.
  static func mounts() throws(DataplaneError) -> [String] {
    try CgroupTree.mounts().unified.map(\.path)
  }

  /// A mount shows the root of the hierarchy, the only cgroup without `cgroup.events`: what is not
  /// found there is gone.
  static var seesWholeHierarchy: Bool {
    ((try? mounts()) ?? []).contains { mount in
      Files.exists(mount + "/cgroup.procs") && !Files.exists(mount + "/cgroup.events")
    }
  }

  /// The directory of a cgroup id, or nil when it is gone or out of sight.
  static func path(ofID id: UInt64) -> String? {
    guard id != 0 else { return nil }
    for mount in (try? mounts()) ?? [] {
      var pending = [mount]
      while let path = pending.popLast() {
        if Files.inode(path) == id { return path }
        for name in (try? Files.list(path)) ?? [] where Files.isDirectory(path + "/" + name) {
          pending.append(path + "/" + name)
        }
      }
    }
    return nil
  }
}
