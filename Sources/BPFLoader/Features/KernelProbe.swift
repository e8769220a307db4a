/// Asks the kernel what it can do, by trying; nothing stays. Needs CAP_BPF, CAP_NET_ADMIN and
/// CAP_PERFMON: without, the answers mean nothing.
public enum KernelProbe {
  public enum Answer: Sendable, Equatable {
    case there
    case missing
    /// The call failed for another reason; its errno's text.
    case inconclusive(String)

    fileprivate init(_ result: Calls.ProbeResult) {
      switch result {
      case .there: self = .there
      case .missing: self = .missing
      case .failed(let errno): self = .inconclusive(Errno.text(errno))
      }
    }
  }

  /// A type of map, by its number in enum bpf_map_type.
  public static func map(type: UInt32) -> Answer { Answer(Calls.probeMap(type: type)) }

  /// The types of map that socklb has.
  public enum MapKind: Sendable {
    case lruHash, prefixTrie, mapInMap, socketStorage, ringBuffer
  }

  public static func map(_ kind: MapKind) -> Answer { Answer(Calls.probeMap(type: kind.number)) }

  /// A helper for programs on cgroup hooks of socket addresses, by its number in enum bpf_func_id.
  public static func helper(number: UInt32) -> Answer {
    Answer(Calls.probeHelper(number))
  }

  /// Helpers that came late.
  public enum Helper: Sendable {
    case loop, setReturnValue
  }

  public static func helper(_ helper: Helper) -> Answer {
    Answer(Calls.probeHelper(helper.number))
  }

  /// Whether a program for this hook can be loaded.
  public static func hook(_ hook: SocketHook) -> Answer { Answer(Calls.probeHook(hook)) }

  /// Whether a program can be attached to a cgroup by a link.
  public static var cgroupLinks: Answer { Answer(Calls.probeCgroupLink()) }

  /// BPF_F_MMAPABLE
  public static var mappedArrays: Answer { Answer(Calls.probeMappedArray()) }

  /// BPF_MAP_LOOKUP_BATCH
  public static var batches: Answer { Answer(Calls.probeBatch()) }

  /// An iterator, by the name that it has in the kernel's type information.
  public static func iterator(_ name: String) -> Answer {
    Answer(Calls.probeKernelType(name, isIterator: true))
  }

  /// A tracepoint that programs can be attached to with types.
  public static func tracepoint(_ name: String) -> Answer {
    Answer(Calls.probeKernelType(name, isIterator: false))
  }
}
