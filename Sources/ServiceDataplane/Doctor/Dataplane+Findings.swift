public import ServiceMaps

extension Dataplane {
  /// What is attached, and what runs because of it.
  public func attachmentFindings() throws(DataplaneError) -> [Finding] {
    let attachments = try attachments()
    let coverage = try coverage(attachments)
    var result: [Finding] = []
    let missing = try missingHooks()
    for problem in missing {
      result.append(
        Finding("attached", .failure, problem, remedy: "`socklb attach` attaches what is missing"))
    }
    if missing.isEmpty {
      let places = Set(attachments.compactMap(\.cgroupPath)).sorted()
      result.append(
        Finding("attached", .ok, "every hook is attached to \(places.joined(separator: ", "))"))
    }
    return result + coverage.findings
  }

  /// Cgroups that a canary can be put below.
  public func liveCgroups() throws(DataplaneError) -> [String] {
    Set(try attachments().filter(\.isLive).compactMap(\.cgroupPath)).sorted()
  }

  /// Ends of writers, memory, and how sockets are ended.
  ///
  /// - Parameter isAlone: the lock is held, so nobody writes now.
  public func tableFindings(isAlone: Bool) throws(DataplaneError) -> [Finding] {
    [writer(isAlone), try memory(), ending, leftovers].compactMap { $0 }
  }

  private func writer(_ isAlone: Bool) -> Finding {
    guard isAlone else {
      return Finding(
        "writer", .warning,
        "whether a writer was killed cannot be told while another one is at "
          + "work, or without its lock")
    }
    if tables.isUnfinished {
      return Finding(
        "writer", .failure, "a writer was killed in the middle of a change",
        remedy: "the next `socklb attach`, `upgrade` or `apply` finishes it")
    }
    if tables.isSwitching {
      return Finding(
        "writer", .warning, "a command was killed while it gave links other programs",
        remedy: "the next `socklb apply`, `attach` or `upgrade` finishes it; until then both work")
    }
    if tables.isGracePending {
      return Finding(
        "writer", .warning, "a writer was killed while it waited for running programs",
        remedy: "nothing: the next writer waits in its place")
    }
    return Finding("writer", .ok, "no writer has left anything half done")
  }

  private func memory() throws(DataplaneError) -> Finding {
    let use = try tables.socketUse()
    guard use.noMemory > 0 else {
      return Finding("memory", .ok, "no call was refused for want of memory since attach")
    }
    let file = "/proc/sys/net/core/optmem_max"
    let limit = ((try? Files.read(file)) ?? nil)
      .map { String(decoding: $0, as: UTF8.self).filter(\.isNumber) }
    return Finding(
      "memory", .warning, "\(use.noMemory) calls were refused with ENOMEM since attach",
      remedy: "sockets that use many Services need socket memory: raise net.core.optmem_max"
        + (limit.map { " (now \($0))" } ?? "") + ", and the memory limit of the cgroup")
  }

  private var ending: Finding {
    switch terminationWay() {
    case .none(let reason):
      Finding(
        "termination", .warning, "sockets whose backend went away cannot be ended: \(reason)",
        remedy: "Linux 6.5, or the modules udp_diag and tcp_diag with CONFIG_INET_DIAG_DESTROY")
    case let way: Finding("termination", .ok, "sockets whose backend went away are ended by \(way)")
    }
  }

  private var leftovers: Finding? {
    Files.isDirectory(layout.building.directory)
      ? Finding(
        "pins", .warning,
        "\(layout.building.directory) was left by an attach or detach that was "
          + "killed",
        remedy: "`socklb detach` and `socklb attach` remove it; what was applied is kept")
      : nil
  }
}
