// SAFETY, all of this file: buffers are passed with their own sizes, and nothing is kept.

import CKernel

/// RFC 1952, by zlib.
public enum Gzip {
  /// nil when there is no memory for it.
  public static func compress(_ bytes: [UInt8]) -> [UInt8]? {
    var result = [UInt8](repeating: 0, count: ck_gzip_bound(bytes.count))
    let room = result.count
    let count = unsafe ck_gzip(bytes, bytes.count, &result, room)
    return count == 0 ? nil : Array(result.prefix(count))
  }

  /// - Returns: nil when it is damaged or larger than `limit`.
  static func decompress(_ bytes: [UInt8], limit: Int) -> [UInt8]? {
    var result = [UInt8](repeating: 0, count: limit)
    let count = unsafe ck_gunzip(bytes, bytes.count, &result, limit)
    return count == 0 ? nil : Array(result.prefix(count))
  }
}
