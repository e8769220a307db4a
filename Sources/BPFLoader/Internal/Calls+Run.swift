// SAFETY, all of this file: pointers given to C live until the call returns.

import CLibBPF
import Glibc

extension Calls {
  /// Without input; a program of this type has no output besides its maps.
  static func runOnce(_ program: Int32) -> Int32? {
    var options = unsafe bpf_test_run_opts()
    // Up to data_size_out: what lies behind must be zero, and padding in Swift is not; see openPin.
    unsafe options.sz = MemoryLayout<Int>.size * 3 + MemoryLayout<UInt32>.size * 2
    return unsafe bpf_prog_test_run_opts(program, &options) < 0 ? errno : nil
  }
}
