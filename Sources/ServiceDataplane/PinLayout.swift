import BPFLoader

/// Where things are pinned.
///
///     DIR/header                    the map that says version, instance and generation
///     DIR/maps/NAME                 every other map
///     DIR/links/CGROUP-ID/HOOK      one link per hook and cgroup
///     DIR/links/CGROUP-ID/old-HOOK  one more, while maps of another layout take their place
///     DIR/next/NAME                 maps that are about to take the place of DIR/maps/NAME; with
///                                   `header`, they have another layout
///
/// Everything is built in `DIR-new` and appears at `DIR` by one rename, so a directory at `DIR`
/// is always complete.
struct PinLayout: Sendable {
  let directory: String

  /// Where `attach` builds.
  var building: PinLayout { PinLayout(directory: directory + "-new") }

  var header: String { directory + "/header" }
  var maps: String { directory + "/maps" }
  var links: String { directory + "/links" }
  var next: String { directory + "/next" }
  /// Where `next` is built; it appears by one rename.
  var nextBuilding: String { directory + "/next-new" }
  var nextHeader: String { next + "/header" }
  /// How the names of second links begin.
  static let second = "old-"
  func map(_ name: String) -> String { maps + "/" + name }
  /// The same for every map, `header` among them.
  func pin(ofMap name: String) -> String { name == "header" ? header : map(name) }
  func links(ofCgroup id: UInt64) -> String { links + "/\(id)" }

  var isComplete: Bool { Files.exists(header) }

  func create() throws(DataplaneError) {
    for path in [directory, maps, links] { try Files.makeDirectories(path) }
  }

  /// Ends every link and removes every pin, whatever is there.
  ///
  /// The directory is renamed first: a detach that is interrupted leaves nothing that looks whole.
  ///
  /// - Returns: how many links were ended.
  func takeDown() throws(DataplaneError) -> Int {
    var ended = try building.tearDown()
    if Files.isDirectory(directory) {
      try Files.rename(directory, to: building.directory)
      ended += try building.tearDown()
    }
    return ended
  }

  static func removePins(_ directory: String) throws(DataplaneError) {
    guard Files.isDirectory(directory) else { return }
    for name in try Files.list(directory) { try Files.remove(directory + "/" + name) }
    try Files.removeDirectory(directory)
  }

  /// The same for this directory alone, without renaming it.
  func tearDown() throws(DataplaneError) -> Int {
    guard Files.isDirectory(directory) else { return 0 }
    var ended = 0
    for cgroup in try Files.list(links) {
      // What translates goes first: as long as it does, applications are shown what they asked for.
      let hooks = try Files.list(links + "/" + cgroup)
      let translating = hooks.filter { $0.hasPrefix("connect") || $0.hasPrefix("sendmsg") }
      for hook in translating + hooks.filter({ !translating.contains($0) }) {
        let path = links + "/" + cgroup + "/" + hook
        // Detached explicitly: another process may hold the link open.
        if let link = try? CgroupLink(pinned: path) {
          try? link.detach()
          ended += 1
        }
        try Files.remove(path)
      }
      try Files.removeDirectory(links + "/" + cgroup)
    }
    try Files.removeDirectory(links)
    for directory in [nextBuilding, next, maps] { try Self.removePins(directory) }
    try Files.remove(header)
    try Files.removeDirectory(directory)
    return ended
  }
}
