/// What a dump shows of a table.
public enum DumpView: String, Hashable, Sendable, CaseIterable {
  /// One entry per frontend: the table itself.
  case frontends
  /// One entry per service port.
  case services
  /// One entry per frontend and backend.
  case backends
  /// One entry per service port: connects translated and refused.
  case counters
  case all
}

/// The form in which a dump is written.
public enum DumpFormat: String, Hashable, Sendable, CaseIterable {
  case text, json, yaml
}

/// What the data plane has counted for one service port.
public struct ServiceCounters: Hashable, Sendable {
  /// Connects and sends that were given a backend.
  public var translated: UInt64
  /// Those refused because there was none.
  public var refused: UInt64
  /// Those refused because of the source ranges.
  public var denied: UInt64
  /// Of `translated`, what each backend that still serves was given since it began to. The rest went
  /// to backends that are gone, or before layout 5, which is the first to count by backend.
  public var backends: [Backend: UInt64]

  public init(
    translated: UInt64 = 0, refused: UInt64 = 0, denied: UInt64 = 0,
    backends: [Backend: UInt64] = [:]
  ) {
    self.translated = translated
    self.refused = refused
    self.denied = denied
    self.backends = backends
  }
}

/// A table, and the counters that belong to it, ready to be printed.
///
/// All forms carry the same facts in the same order: frontends by address, port and protocol,
/// service ports by name. Equal tables give equal bytes.
public struct TableDump: Sendable {
  public var table: ServiceTable
  public var counters: [ServicePortName: ServiceCounters]

  public init(_ table: ServiceTable, counters: [ServicePortName: ServiceCounters] = [:]) {
    self.table = table
    self.counters = counters
  }

  /// - Returns: UTF-8 text; every line is ended.
  public func render(_ view: DumpView = .frontends, as format: DumpFormat = .text) -> [UInt8] {
    switch format {
    case .text: text(view)
    case .json: json(view)
    case .yaml: yaml(view)
    }
  }
}
