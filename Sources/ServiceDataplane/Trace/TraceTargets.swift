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
  /// The inode of a network namespace: a number, a name in /run/netns, or a file.
  public static func namespace(_ text: String) throws(DataplaneError) -> UInt32 {
    if let number = UInt32(text) { return number }
    let path = text.contains("/") ? text : "/run/netns/" + text
    guard let inode = Files.inode(path) else {
      throw .refused(
        "there is no network namespace \(path)",
        remedy: "name one of /run/netns, a file such as /proc/PID/ns/net, or an inode")
    }
    return UInt32(truncatingIfNeeded: inode)
  }
}
