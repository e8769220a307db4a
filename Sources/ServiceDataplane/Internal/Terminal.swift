// SAFETY, all of this file: pointers given to C live until the call returns; buffers are passed
// with their own sizes; nothing keeps a pointer after its closure.

import CKernel
import Glibc

/// The terminal that standard output is, and the keys of the one that standard input is.
public enum Terminal {
  public struct Size: Hashable, Sendable {
    public var rows: Int
    public var columns: Int

    public init(rows: Int, columns: Int) {
      self.rows = rows
      self.columns = columns
    }
  }

  /// nil: standard output is no terminal, or it does not say.
  public static var size: Size? {
    var rows: UInt32 = 0
    var columns: UInt32 = 0
    guard unsafe ck_terminal_size(1, &rows, &columns) == 0 else { return nil }
    return Size(rows: Int(rows), columns: Int(columns))
  }

  /// Standard output is a terminal on which the cursor can be moved.
  public static var canBeDrawnOn: Bool {
    guard StandardStreams.isTerminal(.output), let term = unsafe getenv("TERM") else {
      return false
    }
    return unsafe String(cString: term) != "dumb"
  }

  /// From now on keys come one by one, unseen, until `endKeys()`.
  ///
  /// - Returns: false when standard input is no terminal; there are no keys then.
  public static func beginKeys() -> Bool { ck_keys_begin(0) == 0 }

  public static func endKeys() { ck_keys_end(0) }

  /// What was typed; nil: no more comes. To be called when there is something.
  static func readKeys() -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 64)
    let size = bytes.count
    let count = unsafe Glibc.read(0, &bytes, size)
    if count < 0 { return errno == EINTR || errno == EAGAIN ? [] : nil }
    return count == 0 ? nil : Array(bytes.prefix(count))
  }
}

extension Waiting {
  /// What comes first.
  public enum KeyEvent: Sendable {
    case nothing
    /// A signal came, or the terminal is gone.
    case end
    case keys([UInt8])
    /// Nothing can be typed any more.
    case noMoreKeys
  }

  public func waitForKeys(milliseconds: Int) -> KeyEvent {
    let state = ck_wait_keys(signals, 1, 0, Int32(milliseconds))
    if state & 1 != 0 { noteSignal() }
    if state & 3 != 0 { return .end }
    if state & 8 == 0 { return .nothing }
    return Terminal.readKeys().map { .keys($0) } ?? .noMoreKeys
  }
}
