import ServiceMaps

/// The cgroup2 directories that processes of this machine are in.
struct CgroupTree {
  let mounts: CgroupMounts
  /// Directories with the number of processes in each.
  private(set) var processes: [String: Int] = [:]
  /// Paths that no mount shows, with the number of processes in each.
  private(set) var outOfSight: [String: Int] = [:]

  static func mounts() throws(DataplaneError) -> CgroupMounts {
    let text = try Files.read("/proc/self/mountinfo") ?? []
    return CgroupMounts(mountinfo: String(decoding: text, as: UTF8.self))
  }

  init() throws(DataplaneError) {
    mounts = try Self.mounts()
    // A process may end at any time: what cannot be read is not there any more.
    var paths: [String: Int] = [:]
    for pid in try NetworkNamespaces.processes() {
      if let path = Self.path(ofProcess: pid) { paths[path, default: 0] += 1 }
    }
    let directory = Self.directories(mounts)
    for (path, count) in paths {
      if let directory = directory(path) {
        if Files.isDirectory(directory) { processes[directory, default: 0] += count }
      } else {
        outOfSight[path, default: 0] += count
      }
    }
  }

  /// The cgroup directory of a process; nil: it has ended, or no mount shows its cgroup.
  static func directory(ofProcess pid: String) throws(DataplaneError) -> String? {
    try path(ofProcess: pid).flatMap(directories(mounts()))
  }

  /// Where the directory of a path in /proc/PID/cgroup is; nil where no mount shows it.
  private static func directories(_ mounts: CgroupMounts) -> (String) -> String? {
    let own = path(ofProcess: "self")
    let roots = mounts.unified.map { mount in
      CgroupMounts.needsNamespaceRoot(mount) ? own.flatMap { root(on: mount, from: $0) } : nil
    }
    return { path in
      zip(mounts.unified, roots).lazy.compactMap { mount, root in
        CgroupMounts.directory(of: path, on: mount, namespaceRoot: root)
      }
      .first
    }
  }

  private static func path(ofProcess pid: String) -> String? {
    guard let text = try? Files.read("/proc/\(pid)/cgroup", limit: 1 << 14) else { return nil }
    return CgroupMounts.unifiedPath(String(decoding: text, as: UTF8.self))
  }

  /// Above the root of the cgroup namespace names are not told: the directory that has this
  /// process in it says where the root is.
  private static func root(on mount: CgroupMounts.Mount, from own: String) -> String? {
    let pid = Files.ownProcessID
    var pending = [mount.path]
    while let path = pending.popLast() {
      let members = String(
        decoding: ((try? Files.read(path + "/cgroup.procs")) ?? nil) ?? [], as: UTF8.self)
      if members.split(separator: "\n").contains("\(pid)") {
        return CgroupMounts.namespaceRoot(from: path, ofProcessAt: own)
      }
      for name in (try? Files.list(path)) ?? [] where Files.isDirectory(path + "/" + name) {
        pending.append(path + "/" + name)
      }
    }
    return nil
  }

  /// The ids of a directory and of those above it, up to the root of its file system.
  static func ids(upFrom directory: String) -> Set<UInt64> {
    var result: Set<UInt64> = []
    var path = directory
    while Files.fileSystemType(path) == Files.cgroup2Magic, let id = Files.inode(path) {
      result.insert(id)
      path = Files.parent(of: path)
    }
    return result
  }
}
