/// Everything that is wrong with what a configuration was to be made of.
public struct ClusterConfigurationError: Error, Sendable, CustomStringConvertible {
  public struct Problem: Hashable, Sendable, CustomStringConvertible {
    public var file: String?
    /// 1 for the first line.
    public var line: Int?
    public var message: String

    public init(file: String? = nil, line: Int? = nil, _ message: String) {
      self.file = file
      self.line = line
      self.message = message
    }

    /// `FILE:LINE: what is wrong`
    public var description: String {
      guard let file else { return message }
      return file + (line.map { ":\($0)" } ?? "") + ": " + message
    }
  }

  public var problems: [Problem]

  public init(_ problems: [Problem]) { self.problems = problems }

  /// One line for each problem.
  public var description: String { problems.map(\.description).joined(separator: "\n") }
}
