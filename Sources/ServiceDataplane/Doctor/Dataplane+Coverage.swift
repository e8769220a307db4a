import BPFLoader
public import ServiceMaps

extension Dataplane {
  /// Asks the kernel which programs are effective on the cgroups of running processes: not what
  /// was attached once, but what runs.
  ///
  /// Needs CAP_NET_ADMIN; without, the facts say that nothing was asked.
  public func coverage(_ attachments: [Attachment]) throws(DataplaneError) -> Coverage {
    var facts = CoverageFacts(hooks: SocketHook.allCases.map(\.rawValue))
    for attachment in attachments {
      if attachment.isLive {
        facts.own[attachment.hook, default: []].insert(attachment.programID)
      }
      if let index = facts.anchors.firstIndex(where: { $0.id == attachment.cgroupID }) {
        facts.anchors[index].isLive = facts.anchors[index].isLive || attachment.isLive
      } else {
        facts.anchors.append(
          .init(
            id: attachment.cgroupID, path: attachment.cgroupPath, isLive: attachment.isLive))
      }
    }
    facts.seesAllProcesses = NetworkNamespaces.seesAllProcesses
    let tree = try CgroupTree()
    facts.outOfSight = tree.outOfSight
    for (path, processes) in tree.processes {
      var programs: [String: [UInt32]]?
      do {
        programs = try Self.effectivePrograms(path)
      } catch {
        // Permission is missing for all of them, anything else is about this one.
        if error.isPermission { facts.obstacle = "\(error)" }
        if !Files.isDirectory(path) { continue }
      }
      facts.places.append(
        .init(
          path: path, ids: CgroupTree.ids(upFrom: path), processes: processes, programs: programs)
      )
      if facts.obstacle != nil { break }
    }
    let own = facts.own.values.reduce(into: Set<UInt32>()) { $0.formUnion($1) }
    for id in Set(facts.places.flatMap { ($0.programs ?? [:]).values.joined() }).subtracting(own) {
      facts.others[id] = Self.program(id)
    }
    return Coverage(facts)
  }

  static func effectivePrograms(
    _ path: String
  ) throws(DataplaneError) -> [String: [UInt32]] {
    let directory: FileDescriptor
    switch Files.openDirectory(path) {
    case .success(let fd): directory = FileDescriptor(owning: fd)
    case .failure(let failure):
      throw .failed("opening the cgroup \(path)", errno: failure.errno)
    }
    let programs = try bpf { () throws(BPFError) in
      try EffectivePrograms(of: directory, path: path)
    }
    return Dictionary(
      uniqueKeysWithValues: programs.byHook.map { ($0.key.rawValue, $0.value) })
  }

  private static func program(_ id: UInt32) -> CoverageFacts.Program? {
    guard let program = BPFProgram(id: id), let info = try? program.info() else { return nil }
    return CoverageFacts.Program(
      id: id, name: info.name.isEmpty ? nil : info.name, type: program.typeName)
  }
}
