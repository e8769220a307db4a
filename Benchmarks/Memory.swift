import BPFLoader
import Glibc
import ServiceDataplane

/// What pinned maps take of the kernel's memory, as the kernel itself counts it (`memlock` in
/// /proc/self/fdinfo).
enum Memory {
  /// Prints a line per map: name, bytes, and how many of them are one CPU's part.
  static func run(pin: String) throws {
    let names = try names(in: pin + "/maps")
    guard !names.isEmpty else { throw Wrong(what: "\(pin)/maps has no maps") }
    var sum = 0
    var perCPU = 0
    for name in names {
      let map = try BPFMap(pinned: "\(pin)/maps/\(name)")
      let bytes = try memlock(of: map)
      let part = isPerCPU(map) ? (map.valueSize + 7) / 8 * 8 * map.maxEntries : 0
      print("\(name)\t\(bytes)\t\(part)")
      sum += bytes
      perCPU += part
    }
    print("all\t\(sum)\t\(perCPU)")
  }

  private static func names(in path: String) throws -> [String] {
    guard let directory = opendir(path) else { throw Wrong(what: "\(path): errno \(errno)") }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  private static func isPerCPU(_ map: BPFMap) -> Bool {
    let perCPUArray: UInt32 = 6
    let perCPUHash: UInt32 = 5
    return [perCPUArray, perCPUHash].contains(map.definition.type)
  }

  private static func memlock(of map: BPFMap) throws -> Int {
    let path = "/proc/self/fdinfo/\(map.descriptor.number)"
    guard let file = fopen(path, "re") else { throw Wrong(what: "\(path): errno \(errno)") }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, 256, file) != nil {
      let text = String(
        decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      let parts = text.split(whereSeparator: \.isWhitespace)
      if parts.first == "memlock:", parts.count == 2, let bytes = Int(parts[1]) { return bytes }
    }
    throw Wrong(what: "\(path) does not say how much memory the map \(map.name) takes")
  }
}
