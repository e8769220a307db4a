import ArgumentParser
import ServiceDataplane

/// What is attached to, and what is decided for the life of an attach.
struct AttachOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "A cgroup v2 directory; may be given more than once (default: the cgroup2 root found in "
        + "/proc/mounts).", valueName: "path"))
  var cgroup: [String] = []

  @Option(
    name: .long,
    help: ArgumentHelp(
      "What session affinity takes for one client among processes on the host network: netns "
        + "(all of them are one, as with kube-proxy) or cgroup.", valueName: "scope"))
  var hostAffinity = HostAffinity.netns

  @Flag(
    name: .long,
    help: "Let clients through loadBalancerSourceRanges whose source address is not known.")
  var allowUnknownSources = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "A group that may read: `dump`, `status` and `describe` without root (default: none; root "
        + "takes it back). Kept.", valueName: "name"))
  var group: String?

  func validate() throws {
    if let group, Group(group) == nil {
      throw ValidationError("--group: there is no group '\(group)' in /etc/group")
    }
  }
}

enum HostAffinity: String, ExpressibleByArgument, CaseIterable {
  case netns, cgroup
}
