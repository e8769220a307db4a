/// One thing that `doctor` looked at.
public struct Finding: Sendable, Equatable {
  /// The raw value is the contract of `doctor -o json`.
  public enum Verdict: String, Sendable, CaseIterable {
    case ok
    case warning
    case failure = "fail"
  }

  /// What was looked at, in one word.
  public var check: String
  public var verdict: Verdict
  public var message: String
  /// What to do; nil when there is nothing to be done.
  public var remedy: String?

  public init(
    _ check: String, _ verdict: Verdict, _ message: String, remedy: String? = nil
  ) {
    self.check = check
    self.verdict = verdict
    self.message = message
    self.remedy = remedy
  }
}
