import BPFLoader
public import ServiceMaps

/// What a bug report needs to know of the machine. No environment, no command line of anybody.
extension Machine {
  /// `Linux version …`, as the kernel says it.
  public static var kernelVersion: String { line("/proc/version") ?? Host.kernelRelease }

  public static var kernelRelease: String { Host.kernelRelease }

  /// The options that the kernel was built with, as far as they decide what socklb can do.
  public static func kernelConfiguration() throws(DataplaneError) -> String {
    let release = Host.kernelRelease
    for path in ["/proc/config.gz", "/boot/config-\(release)", "/lib/modules/\(release)/config"] {
      guard var bytes = try Files.read(path, limit: 1 << 24) else { continue }
      if path.hasSuffix(".gz") {
        guard let plain = Gzip.decompress(bytes, limit: 1 << 24) else {
          throw .damaged("\(path) cannot be decompressed", remedy: "look at it with zcat")
        }
        bytes = plain
      }
      let wanted = KernelOptions.relevant(in: String(decoding: bytes, as: UTF8.self))
      return "# \(path)\n" + wanted.map { $0 + "\n" }.joined()
    }
    throw .unsupported(
      "there is neither /proc/config.gz nor /boot/config-\(release)",
      remedy: "say which distribution's kernel this is")
  }

  /// The lines of /proc/mounts with cgroup and bpf file systems.
  public static func mounts() throws(DataplaneError) -> String {
    String(decoding: try Files.read("/proc/mounts") ?? [], as: UTF8.self)
      .split(separator: "\n").filter { line in
        let words = line.split(separator: " ")
        return words.count > 2 && ["cgroup", "cgroup2", "bpf"].contains(String(words[2]))
      }
      .map { $0 + "\n" }.joined()
  }
}

extension Dataplane {
  /// A map that is pinned.
  public struct MapFacts: Sendable {
    public var name: String
    /// enum bpf_map_type
    public var type: UInt32
    public var keySize: Int
    public var valueSize: Int
    public var maxEntries: Int
    public var flags: UInt32
  }

  /// All that are pinned, whatever their layout; sorted by name.
  public static func maps(pinnedAt pin: String) throws(DataplaneError) -> [MapFacts] {
    let layout = PinLayout(directory: pin)
    guard try isVisible(pin: pin) else { throw .notAttached(pin: pin) }
    return try (["header"] + Files.list(layout.maps)).map { name throws(DataplaneError) in
      let path = layout.pin(ofMap: name)
      let map = try bpf { () throws(BPFError) in
        try BPFMap(pinned: path, readOnly: !Files.mayWrite(path))
      }
      return MapFacts(
        name: name, type: map.definition.type, keySize: map.keySize, valueSize: map.valueSize,
        maxEntries: map.maxEntries, flags: map.definition.flags)
    }
  }
}
