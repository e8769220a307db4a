import ServiceDataplane
import ServiceMaps

extension EndedSockets {
  private var facts: Facts {
    .list(
      sorted.map { name, counts in
        .members([
          ("service", .text(name.description)), ("udp", .number(UInt64(counts.udp))),
          ("tcp", .number(UInt64(counts.tcp))), ("failed", .number(UInt64(counts.failed))),
        ])
      })
  }

  /// One more member, `endedSockets`, at the end of a table that was printed.
  func appended(to table: [UInt8], as format: DumpFormat) -> [UInt8] {
    if format == .yaml { return table + Facts.members([("endedSockets", facts)]).yaml.utf8 }
    return table.dropLast("}\n".utf8.count) + ",\"endedSockets\":\(facts.json)}\n".utf8
  }
}
