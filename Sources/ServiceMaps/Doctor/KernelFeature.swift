/// A part of the kernel that socklb uses, with the first version that has it.
///
/// Versions are for people: distributions carry features back, and leave others out of their builds. What
/// counts is what a probe found.
public enum KernelFeature: Sendable, Hashable, CaseIterable {
  case lruHashes, prefixTries, connectHooks, mapsInMaps, sendHooks, receiveHooks, socketStorage
  case mappedArrays, batches, cgroupLinks, peerNameHooks, ringBuffers, releaseHook
  case namespaceCookies, loops, returnValues
  case socketStates, fileIterators

  public var name: String {
    switch self {
    case .lruHashes: "LRU hashes"
    case .prefixTries: "LPM tries"
    case .connectHooks: "the hooks connect4 and connect6"
    case .mapsInMaps: "maps in maps"
    case .sendHooks: "the hooks sendmsg4 and sendmsg6"
    case .receiveHooks: "the hooks recvmsg4 and recvmsg6"
    case .socketStorage: "socket storage"
    case .mappedArrays: "arrays in mapped memory"
    case .batches: "batched map reads"
    case .cgroupLinks: "links to cgroups"
    case .peerNameHooks: "the hooks getpeername4 and getpeername6"
    case .ringBuffers: "BPF ring buffers"
    case .releaseHook: "the hook sock_release"
    case .namespaceCookies: "SO_NETNS_COOKIE"
    case .loops: "bpf_loop"
    case .returnValues: "bpf_set_retval"
    case .socketStates: "tp_btf/inet_sock_set_state"
    case .fileIterators: "iter/task_file"
    }
  }

  public var since: String {
    switch self {
    case .lruHashes: "4.10"
    case .prefixTries: "4.11"
    case .mapsInMaps: "4.12"
    case .connectHooks: "4.17"
    case .sendHooks: "4.18"
    case .receiveHooks, .socketStorage: "5.2"
    case .mappedArrays, .socketStates: "5.5"
    case .batches: "5.6"
    case .cgroupLinks: "5.7"
    case .peerNameHooks, .ringBuffers, .fileIterators: "5.8"
    case .releaseHook: "5.9"
    case .namespaceCookies: "5.14"
    case .loops: "5.17"
    case .returnValues: "5.18"
    }
  }

  /// The commands that need it and are missed without it; nil: nothing works without.
  public var onlyFor: String? {
    switch self {
    case .socketStates: "what becomes of connections in `trace`"
    case .fileIterators: "`dump sockets`, and ending sockets by bpf_sock_destroy"
    default: nil
    }
  }

  /// What a probe of it said.
  public enum Answer: Sendable, Hashable {
    case there
    case missing
    /// The probe itself failed.
    case inconclusive(String)
  }

  public func finding(_ answer: Answer) -> Finding {
    switch answer {
    case .there: return Finding("kernel", .ok, "\(name) (Linux \(since))")
    case .inconclusive(let problem):
      return Finding(
        "kernel", .warning, "whether there is \(name) (Linux \(since)) cannot be told: \(problem)",
        remedy: "run `socklb doctor` again, as root")
    case .missing:
      let remedy = "Linux \(since) or newer, built with it"
      guard let onlyFor else {
        return Finding(
          "kernel", .failure, "this kernel lacks \(name)", remedy: "socklb needs \(remedy)")
      }
      return Finding(
        "kernel", .warning, "this kernel lacks \(name), for \(onlyFor)", remedy: remedy)
    }
  }
}
