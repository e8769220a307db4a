public import ServiceMaps

/// What socklb needs of the machine, as `doctor` says it.
public enum Machine {
  /// - Parameter pin: the directory whose file system is looked at.
  public static func findings(pin: String) -> [Finding] {
    [kernel, types] + featureFindings() + settings.findings + [capabilities] + cgroups
      + [fileSystem(of: pin)]
  }

  private static var kernel: Finding {
    guard let running = KernelVersion.running else {
      return Finding("kernel", .warning, "the version of this kernel is not known")
    }
    return running < .oldest
      ? Finding(
        "kernel", .failure, "this is Linux \(Host.kernelRelease)",
        remedy: "socklb needs Linux \(KernelVersion.oldest) or newer")
      : Finding("kernel", .ok, "Linux \(Host.kernelRelease)")
  }

  private static var types: Finding {
    let file = "/sys/kernel/btf/vmlinux"
    return Files.exists(file)
      ? Finding("kernel", .ok, "the kernel describes its types in \(file)")
      : Finding(
        "kernel", .failure, "there is no \(file)",
        remedy: "socklb needs a kernel with CONFIG_DEBUG_INFO_BTF, and sysfs at /sys")
  }

  private static var capabilities: Finding {
    do {
      try Capabilities.checkAttach()
    } catch {
      return Finding("capabilities", .warning, "not everything can be looked at: \(error)")
    }
    return Finding("capabilities", .ok, "this process may look at everything")
  }

  private static var cgroups: [Finding] {
    do { return try CgroupTree.mounts().findings } catch {
      return [Finding("cgroup2", .warning, "not looked at: \(error)")]
    }
  }

  private static func fileSystem(of pin: String) -> Finding {
    var existing = Files.parent(of: pin)
    while !Files.exists(existing) && existing != "/" { existing = Files.parent(of: existing) }
    if Files.fileSystemType(existing) == Files.bpfMagic {
      return Finding("bpffs", .ok, "\(pin) is on a bpffs")
    }
    return Finding(
      "bpffs", .failure, "\(Files.parent(of: pin)) is not on a bpffs",
      remedy: "run `mount -t bpf bpf \(existing)`, or name a directory on a bpffs with --pin")
  }
}
