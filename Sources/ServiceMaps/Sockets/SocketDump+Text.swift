extension SocketDump {
  /// - Returns: UTF-8 text; every line is ended.
  public func render(as format: DumpFormat = .text) -> [UInt8] {
    var output = OutputBuffer()
    output.reserve(rows.count * (format == .text ? 160 : 480))
    switch format {
    case .text: for row in rows { output.append(row) }
    case .json: appendJSON(to: &output)
    case .yaml: appendYAML(to: &output)
    }
    return output.bytes
  }
}

extension SocketDump.Row {
  /// Where the socket is, in one word: `pod:UID/CONTAINER`, `host`, `netns:NAME`, `net:[INODE]` or
  /// `-`.
  public var place: String {
    if let pod {
      return "pod:" + pod.uid + (pod.container.map { "/" + $0.prefix(12) } ?? "")
    }
    if let namespaceName {
      return namespaceName == "host" ? "host" : "netns:" + SocketDump.word(namespaceName)
    }
    return namespace.map { "net:[\($0.inode)]" } ?? "-"
  }

  /// `namespace/name:port`, the number of the VIP where the port has no name; `-` when the service
  /// is gone.
  public var label: String {
    guard let service else { return "-" }
    return "\(service.service):" + (service.port.isEmpty ? "\(flow.vip.port)" : service.port)
  }
}

extension SocketDump {
  /// `12s`, `3m12s`, `2h5m`, `4d3h`: the two largest units.
  static func duration(_ seconds: UInt64) -> String {
    switch seconds {
    case ..<60: "\(seconds)s"
    case ..<3600: "\(seconds / 60)m\(seconds % 60)s"
    case ..<86_400: "\(seconds / 3600)h\(seconds / 60 % 60)m"
    default: "\(seconds / 86_400)d\(seconds / 3600 % 24)h"
    }
  }

  /// A name that a process gave itself, as one word: blanks and what moves the cursor are `_`.
  static func word(_ text: String) -> String {
    if text.isEmpty { return "-" }
    return String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { scalar in
          scalar.value <= 32 || (127...160).contains(scalar.value) || scalar.properties.isWhitespace
            ? "_" : scalar
        }))
  }
}

extension OutputBuffer {
  /// `host 812/dig 10.0.0.5:41822 -> 10.96.0.10:53/UDP -> 10.244.0.2:53 kube-system/kube-dns:dns
  /// ESTAB age=3m12s` and, if the backend is not listed, ` kept` or ` gone`: one line.
  fileprivate mutating func append(_ row: SocketDump.Row) {
    append(row.place)
    append(" ")
    if row.processes.isEmpty { append("-") }
    for (index, process) in row.processes.enumerated() {
      if index > 0 { append(",") }
      append(number: process.pid)
      append("/")
      append(SocketDump.word(process.command))
    }
    append(" ")
    if let address = row.localAddress {
      append(row.localText(address))
    } else {
      append("-")
    }
    append(" -> ")
    append(row.flow.vip.address, row.flow.vip.port)
    append("/\(row.flow.transport) -> ")
    append(row.flow.backend.address, row.flow.backend.port)
    append(" \(row.label) \(row.state ?? "-") age=\(SocketDump.duration(row.age))")
    if row.backendState != .listed { append(" \(row.backendState.rawValue)") }
    append("\n")
  }
}

extension SocketDump.Row {
  /// A socket that is not bound has port 0, which is no `Port`.
  fileprivate func localText(_ address: IPAddress) -> String {
    let text = "\(address)"
    return address.family == .v6 ? "[\(text)]:\(localPort)" : "\(text):\(localPort)"
  }
}
