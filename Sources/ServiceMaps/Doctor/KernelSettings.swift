/// Settings of the kernel (sysctl) that matter to programs, as /proc/sys has them.
public struct KernelSettings: Sendable, Hashable {
  /// net.core.bpf_jit_enable
  public var compiler: String?
  /// kernel.bpf_stats_enabled
  public var statistics: String?
  /// kernel.unprivileged_bpf_disabled
  public var unprivileged: String?

  public init(compiler: String? = nil, statistics: String? = nil, unprivileged: String? = nil) {
    self.compiler = compiler
    self.statistics = statistics
    self.unprivileged = unprivileged
  }

  public var findings: [Finding] {
    var result: [Finding] = []
    if compiler == "0" {
      result.append(
        Finding(
          "settings", .warning,
          "net.core.bpf_jit_enable is 0: programs are interpreted, which makes each of them slow",
          remedy: "`sysctl net.core.bpf_jit_enable=1`, then `socklb detach` and `socklb attach`"))
    } else {
      // Kernels with CONFIG_BPF_JIT_ALWAYS_ON do not show the setting to everybody.
      result.append(Finding("settings", .ok, "programs are compiled for this processor"))
    }
    if let statistics, statistics != "0" {
      result.append(
        Finding(
          "settings", .warning,
          "kernel.bpf_stats_enabled is \(statistics): the kernel measures every run of every "
            + "program, which costs some 50 ns each",
          remedy: "`sysctl kernel.bpf_stats_enabled=0` when nobody measures any more"))
    } else if statistics == "0" {
      result.append(
        Finding("settings", .ok, "the kernel does not measure programs (bpf_stats_enabled)"))
    }
    return result
  }
}
