/// What the sockets of a canary found: for each hook whether it did its work.
public struct CanaryOutcome: Sendable, Equatable {
  /// How an application names addresses.
  public enum Way: String, Sendable, CaseIterable {
    case v4 = "IPv4"
    case v6 = "IPv6"
    /// IPv4 through an AF_INET6 socket.
    case mapped = "v4-mapped"
  }

  public enum Step: String, Sendable, CaseIterable {
    case connect, getpeername, sendmsg, recvmsg
  }

  public enum Result: Sendable, Equatable {
    case works
    /// The address was what it would be without the program.
    case untranslated
    case wrongAddress
    case noAnswer
    /// A step before it failed, or this machine has no such addresses.
    case untested
    /// A call failed; the text of errno.
    case failed(String)
  }

  public enum Release: Sendable, Equatable {
    case works
    /// The socket was closed and is still remembered.
    case remains
    case untested
  }

  public var results: [Way: [Step: Result]]
  public var release: Release

  public init(results: [Way: [Step: Result]], release: Release) {
    self.results = results
    self.release = release
  }

  /// The hook that a step of a way runs: an AF_INET6 socket that speaks IPv4 runs connect6,
  /// getpeername6, sendmsg4 and recvmsg6.
  public static func hook(_ way: Way, _ step: Step) -> String {
    switch way {
    case .v4: step.rawValue + "4"
    case .v6: step.rawValue + "6"
    case .mapped: step.rawValue + (step == .sendmsg ? "4" : "6")
    }
  }

  /// A line for each hook, and one for each step of a v4-mapped socket.
  ///
  /// - Parameter cgroup: the cgroup that the canary was below.
  public func findings(below cgroup: String) -> [Finding] {
    var result: [Finding] = []
    for way in Way.allCases {
      for step in Step.allCases {
        let outcome = results[way]?[step] ?? .untested
        let hook = Self.hook(way, step)
        let name = way == .mapped ? "\(hook) (v4-mapped)" : hook
        result.append(Self.finding(name, outcome, cgroup))
      }
    }
    switch release {
    case .works:
      result.append(Finding("canary", .ok, "sock_release works below \(cgroup)"))
    case .untested:
      result.append(Finding("canary", .warning, "sock_release was not tested below \(cgroup)"))
    case .remains:
      result.append(
        Finding(
          "canary", .failure,
          "sock_release: a closed socket below \(cgroup) is still remembered",
          remedy: "`socklb attach` attaches what is missing"))
    }
    return result
  }

  private static func finding(_ hook: String, _ result: Result, _ cgroup: String) -> Finding {
    let remedy =
      "`socklb attach` attaches what is missing; see the lines `others` for programs "
      + "of somebody else"
    let what: String
    switch result {
    case .works: return Finding("canary", .ok, "\(hook) works below \(cgroup)")
    case .untested: return Finding("canary", .warning, "\(hook) was not tested below \(cgroup)")
    case .untranslated: what = "the address was left as it was"
    case .wrongAddress: what = "the address became neither the frontend's nor the backend's"
    case .noAnswer: what = "no answer within a second"
    case .failed(let text): what = text
    }
    return Finding(
      "canary", .failure, "\(hook) does not work below \(cgroup): \(what)", remedy: remedy)
  }
}
