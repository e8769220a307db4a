public import ServiceMaps

extension Cgroup {
  /// How a filter of the trace names this cgroup.
  public func tracePlace() throws(DataplaneError) -> TraceFilter.CgroupPlace {
    // A mount may show a part of the hierarchy only; the process's own path says how deep.
    var level: UInt32 = 0
    var directory = Files.resolved(path)
    while Files.exists(directory + "/cgroup.events"), directory != "/" {
      level += 1
      directory = Files.parent(of: directory)
    }
    guard Files.exists(directory + "/cgroup.procs") else {
      throw .unsupported(
        "how deep the cgroup \(path) lies cannot be told: the root of the hierarchy is not mounted",
        remedy: "filter by --pid or --netns, or run it where the root is mounted")
    }
    return TraceFilter.CgroupPlace(id: id, level: level)
  }
}

extension TraceReader {
  /// The cookie of a network namespace that is named by its inode, by a name in /run/netns, or by
  /// a file.
  public static func namespace(_ text: String) throws(DataplaneError) -> UInt64 {
    try NetworkNamespaces.named(text).cookie
  }
}

extension NetworkNamespaces {
  /// A network namespace by its inode, by its name in /run/netns, or by a file.
  static func named(_ text: String) throws(DataplaneError) -> (cookie: UInt64, inode: UInt64) {
    var path = text.contains("/") ? text : "/run/netns/" + text
    if let number = UInt64(text) {
      path = try paths().first { Files.inode($0) == number } ?? path
    }
    guard let inode = Files.inode(path) else {
      throw .refused(
        "there is no network namespace \(text)",
        remedy: "name one of /run/netns, a file such as /proc/PID/ns/net, or the inode of one that "
          + "a process is in")
    }
    guard let cookie = cookie(of: path, inode: inode) else {
      throw .notPermitted(missing: ["CAP_SYS_ADMIN"])
    }
    return (cookie, inode)
  }
}
