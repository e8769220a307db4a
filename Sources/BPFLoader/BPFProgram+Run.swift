extension BPFProgram {
  /// Runs a program of the type raw tracepoint once, here and now, without attaching it
  /// (BPF_PROG_TEST_RUN, for this type since 5.10).
  ///
  /// - Parameter name: what error messages call it.
  public func runOnce(named name: String) throws(BPFError) {
    if let errno = Calls.runOnce(descriptor.number) {
      throw .call(
        "running the program \(name)", errno: errno,
        missing: "BPF_PROG_TEST_RUN for raw tracepoints")
    }
  }
}
