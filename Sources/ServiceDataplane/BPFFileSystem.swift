/// The file system that pins live in.
enum BPFFileSystem {
  private static let standard = "/sys/fs/bpf"

  /// Sees to it that the parent of `pin` exists on a bpffs; mounts the one at /sys/fs/bpf where
  /// it is missing, as bpftool does.
  ///
  /// For a group, a bpffs of its own is mounted where there is none: systemd mounts the standard
  /// one for root alone.
  static func prepare(for pin: String, _ group: Group = .root) throws(DataplaneError) {
    let parent = Files.parent(of: pin)
    if pin.hasPrefix(standard + "/"), Files.fileSystemType(standard) != Files.bpfMagic {
      guard Files.isDirectory(standard) else {
        throw .unsupported(
          "there is no \(standard)",
          remedy: "socklb needs bpffs (CONFIG_BPF_SYSCALL, Linux 4.4 or newer): mount sysfs at "
            + "/sys, or name a directory on another bpffs with --pin")
      }
      // In a container with the host's pid namespace: all pins would end with the container.
      if let own = Files.inode("/proc/self/ns/mnt"), let first = Files.inode("/proc/1/ns/mnt"),
        own != first
      {
        throw .unsupported(
          "\(standard) is not a bpffs, and one mounted here would end with this mount namespace",
          remedy: "run `mount -t bpf bpf \(standard)` on the machine itself")
      }
      if let errno = Files.mountBPF(at: standard) {
        throw .system(
          "mounting bpffs at \(standard)", errno: errno,
          remedy: "run `mount -t bpf bpf \(standard)` as root")
      }
    }
    if group != .root, PinAccess.wantsOwnMount(pin) {
      try Files.makeDirectories(parent, mode: 0o755)
      if let errno = Files.mountBPF(at: parent, mode: "0711") {
        throw .system(
          "mounting bpffs at \(parent)", errno: errno,
          remedy: "run `mount -t bpf -o mode=0711 bpf \(parent)` as root")
      }
    }
    try PinAccess.check(pin, group)
    var existing = parent
    while !Files.exists(existing) { existing = Files.parent(of: existing) }
    guard Files.fileSystemType(existing) == Files.bpfMagic else {
      throw .unsupported(
        "\(parent) is not on a bpffs",
        remedy: "pins need bpffs (Linux 4.4 or newer): run `mount -t bpf bpf \(existing)`, or "
          + "name a directory below \(standard) with --pin")
    }
    try Files.makeDirectories(parent, mode: group == .root ? 0o700 : 0o711)
  }
}
