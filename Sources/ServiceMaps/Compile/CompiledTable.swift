/// The table that the known objects ask for, and what there is to say about it.
public struct CompiledTable: Hashable, Sendable {
  public var table: ServiceTable
  /// Sorted by object; no error among them unless the known objects contradict themselves.
  public var diagnostics: [Diagnostic]

  public init(table: ServiceTable, diagnostics: [Diagnostic] = []) {
    self.table = table
    self.diagnostics = diagnostics
  }
}
