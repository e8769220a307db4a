import BPFLoader
import BPFObject
public import ServiceMaps

extension Machine {
  /// Every part of the kernel that socklb uses, tried.
  public static func featureFindings() -> [Finding] {
    do { try Capabilities.checkAttach() } catch {
      return [
        Finding(
          "kernel", .warning, "what this kernel can do was not tried: \(error)",
          remedy: "run `socklb doctor` as root")
      ]
    }
    return KernelFeature.allCases.map { $0.finding(answer($0)) }
  }

  private static func answer(_ feature: KernelFeature) -> KernelFeature.Answer {
    switch feature {
    case .lruHashes: answer([KernelProbe.map(.lruHash)])
    case .prefixTries: answer([KernelProbe.map(.prefixTrie)])
    case .mapsInMaps: answer([KernelProbe.map(.mapInMap)])
    case .socketStorage: answer([KernelProbe.map(.socketStorage)])
    case .ringBuffers: answer([KernelProbe.map(.ringBuffer)])
    case .mappedArrays: answer([KernelProbe.mappedArrays])
    case .batches: answer([KernelProbe.batches])
    case .connectHooks: answer([.connect4, .connect6].map(KernelProbe.hook))
    case .sendHooks: answer([.sendmsg4, .sendmsg6].map(KernelProbe.hook))
    case .receiveHooks: answer([.recvmsg4, .recvmsg6].map(KernelProbe.hook))
    case .peerNameHooks: answer([.getpeername4, .getpeername6].map(KernelProbe.hook))
    case .releaseHook: answer([KernelProbe.hook(.sockRelease)])
    case .cgroupLinks: answer([KernelProbe.cgroupLinks])
    case .loops: answer([KernelProbe.helper(.loop)])
    case .returnValues: answer([KernelProbe.helper(.setReturnValue)])
    case .namespaceCookies: NetworkNamespaces.ownCookie == 0 ? .missing : .there
    case .socketStates: answer([KernelProbe.tracepoint("inet_sock_set_state")])
    case .fileIterators: answer([KernelProbe.iterator("task_file")])
    }
  }

  /// All of them have to be there.
  private static func answer(_ answers: [KernelProbe.Answer]) -> KernelFeature.Answer {
    for case .missing in answers { return .missing }
    for case .inconclusive(let problem) in answers { return .inconclusive(problem) }
    return .there
  }

  /// Whether the verifier takes every program of this binary: loads them with small maps, and lets
  /// them go again. Needs the capabilities of `attach`.
  public static func tryLoading() throws(DataplaneError) {
    try Capabilities.checkAttach()
    try bpf { () throws(BPFError) in
      let object = try OpenObject(elf: CompiledObject.socklb.elf, name: "socklb")
      try Dataplane.size(
        object, FamilyCapacities(Capacities(services: 1, frontends: 1, backends: 1)))
      _ = try object.load()
    }
  }

  static var settings: KernelSettings {
    KernelSettings(
      compiler: line("/proc/sys/net/core/bpf_jit_enable"),
      statistics: line("/proc/sys/kernel/bpf_stats_enabled"),
      unprivileged: line("/proc/sys/kernel/unprivileged_bpf_disabled"))
  }

  /// - Parameter dataplane: what session affinity and growth say of time; nil: nothing.
  public static func clockFacts(
    _ dataplane: Dataplane?, lastChange: UTCTime?
  ) throws(DataplaneError) -> ClockFacts {
    var facts = ClockFacts(
      wall: WallClock.seconds, monotonic: 0, sinceBoot: 0, offset: timeNamespaceOffset)
    facts.lastChange = lastChange?.seconds
    facts.lastGrowth = dataplane?.tables.grownAt.map { Int64($0) }
    facts.lastAffinity = try dataplane?.tables.lastAffinityUse()
    // After what they are compared with; of two clocks that go alike, the one that is ahead later.
    facts.monotonic = Clock.monotonicNanoseconds
    facts.sinceBoot = Clock.nanosecondsSinceBoot
    return facts
  }

  /// time_namespaces(7): seconds.
  private static var timeNamespaceOffset: Int64 {
    let text = String(
      decoding: ((try? Files.read("/proc/self/timens_offsets")) ?? nil) ?? [], as: UTF8.self)
    for line in text.split(separator: "\n") {
      let words = line.split { $0 == " " || $0 == "\t" }
      if words.count >= 2, words[0] == "monotonic" { return Int64(words[1]) ?? 0 }
    }
    return 0
  }
}
