/// Computes two things at once, the second one on a thread of its own. Where there is none to be
/// had, one after the other.
package func inParallel<First, Second: Sendable>(
  _ first: () -> First, _ second: @escaping @Sendable () -> Second
) -> (First, Second) {
  do {
    let results = try onOwnThread(second, while: first)
    return (results.other, results.value)
  } catch {
    return (first(), second())
  }
}
