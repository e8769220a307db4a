import ArgumentParser
import ServiceDataplane

@main
struct Socklb: ParsableCommand {
  static let version = ReleaseVersion.current.description

  static let configuration = CommandConfiguration(
    commandName: "socklb",
    abstract: "Kubernetes Services at the socket: no kube-proxy, no per-packet NAT.",
    discussion: """
      BPF programs on a cgroup rewrite the destination of connect() and sendmsg() from a \
      Service's address to one of its backends, once; no packet is touched afterwards. \
      Everything they need is pinned, so no process has to stay alive.

        socklb attach                  load the programs and attach them
        socklb apply -f manifests/     make Services known, as kubectl apply does
        socklb run --manifests DIR     both, and follow every change of the directory
        socklb dump                    print what the kernel does now

      Data goes to standard output, messages to standard error. Exit codes: 0 done, \
      1 failure or drift, 64 wrong usage, 65 bad manifest, 69 the system lacks something, \
      74 a file cannot be read or written, 75 another `socklb run` is at work, 77 not permitted.
      """,
    version: "socklb \(version) (table layout \(Dataplane.layoutVersion))",
    subcommands: [
      Attach.self, Run.self, Upgrade.self, Detach.self, Apply.self, Delete.self, Diff.self,
      Dump.self, Describe.self, Explain.self, Trace.self, Top.self, Status.self, Doctor.self,
      Report.self,
      History.self, Rollback.self, Verify.self,
    ])
}
