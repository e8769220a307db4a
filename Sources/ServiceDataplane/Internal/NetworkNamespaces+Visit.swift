// SAFETY, all of this file: pointers given to C live until the call returns; nothing keeps them.

import BPFLoader
import CKernel
import Glibc

extension NetworkNamespaces {
  /// Runs `body` once in each network namespace of which the low half of the cookie is wanted, on a
  /// thread of its own.
  ///
  /// Namespaces are found by the processes in them, by bind mounts, and, when some are still
  /// missing, by the sockets that processes have open: nobody needs to be in a namespace.
  ///
  /// - Parameter wanted: 0: all that processes or mounts show.
  /// - Returns: what `body` returned in those that were visited.
  static func visit<T: Sendable>(
    _ wanted: Set<UInt32>,
    _ body: @escaping @Sendable () throws(DataplaneError) -> T
  ) throws(DataplaneError) -> [UInt32: T] {
    try NamespaceThread.run { () throws(DataplaneError) -> [UInt32: T] in
      var seen: [UInt32: T] = [:]
      func isDone() -> Bool { wanted.allSatisfy { seen[$0] != nil } }
      func isWanted(_ half: UInt32) -> Bool {
        seen[half] == nil && (wanted.contains(half) || wanted.contains(0))
      }
      func visit(_ namespace: Int32) throws(DataplaneError) {
        guard NamespaceThread.enter(namespace) else { return }
        let cookie = ck_netns_cookie()
        let half = UInt32(truncatingIfNeeded: cookie)
        if cookie != 0 && isWanted(half) { seen[half] = try body() }
      }
      for path in try paths() + mounted() where !isDone() {
        let fd = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { continue }
        defer { close(fd) }
        try visit(fd)
      }
      let missing = wanted.subtracting(seen.keys).subtracting([0])
      if missing.isEmpty { return seen }
      for pid in try processes() {
        for name in (try? Files.list("/proc/\(pid)/fd")) ?? [] {
          guard let process = Int32(pid), let number = Int32(name) else { continue }
          var cookie: UInt64 = 0
          let fd = unsafe ck_socket_namespace(process, number, &cookie)
          guard fd >= 0 else { continue }
          defer { close(fd) }
          if missing.contains(UInt32(truncatingIfNeeded: cookie)) { try visit(fd) }
        }
      }
      return seen
    }
  }

  /// Namespaces that are kept by a bind mount, as `ip netns add` does.
  private static func mounted() throws(DataplaneError) -> [String] {
    let text = String(decoding: try Files.read("/proc/self/mountinfo") ?? [], as: UTF8.self)
    return text.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      guard fields.count > 4, fields[3].hasPrefix("net:[") else { return nil }
      return fields[4].contains("\\") ? nil : String(fields[4])
    }
  }
}
