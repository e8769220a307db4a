import Glibc

/// Files, as far as the tests need them.
enum Disk {
  static func read(_ path: String) throws -> String {
    guard let file = fopen(path, "re") else { throw failure("reading \(path)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count == 0 { break }
      bytes += chunk.prefix(count)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  static func write(_ text: String, to path: String) throws {
    guard let file = fopen(path, "we") else { throw failure("writing \(path)") }
    let written = fputs(text, file)
    guard fclose(file) == 0, written >= 0 else { throw failure("writing \(path)") }
  }

  /// Names in a directory, sorted; empty when there is no such directory.
  static func list(_ path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  static func isDirectory(_ path: String) -> Bool {
    var info = stat()
    return lstat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
  }

  static func exists(_ path: String) -> Bool {
    var info = stat()
    return lstat(path, &info) == 0
  }

  /// Removes a directory with all that is in it.
  static func remove(_ path: String) {
    if isDirectory(path) {
      for name in list(path) { remove(path + "/" + name) }
      rmdir(path)
    } else {
      unlink(path)
    }
  }

  private static func failure(_ what: String) -> CallFailed {
    CallFailed(call: what, code: errno)
  }
}
