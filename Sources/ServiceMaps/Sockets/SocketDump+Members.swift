/// What JSON and YAML have in common.
private indirect enum Value {
  case none
  case text(String)
  case number(UInt64)
  case members([(String, Value)])
  case list([Value])
}

extension SocketDump {
  func appendJSON(to output: inout OutputBuffer) {
    output.append("{\"sockets\":[")
    for (index, row) in rows.enumerated() {
      output.append(index == 0 ? "\n" : ",\n")
      output.append(json: row.value)
    }
    output.append(rows.isEmpty ? "]}\n" : "\n]}\n")
  }

  func appendYAML(to output: inout OutputBuffer) {
    output.append(rows.isEmpty ? "sockets: []\n" : "sockets:\n")
    for row in rows { output.append(yaml: row.value, indent: "", inList: true) }
  }
}

extension SocketDump.Row {
  /// The keys are a contract: docs/cli.md.
  fileprivate var value: Value {
    var members: [(String, Value)] = [("cookie", .number(cookie))]
    members.append(("processes", .list(processes.map(Value.init))))
    members.append(("pod", Value(pod) { Value($0) }))
    members.append(("networkNamespace", namespaceValue))
    members.append(("protocol", .text(flow.transport.description)))
    members.append(("local", Value(localAddress) { Value($0, localPort) }))
    members.append(("vip", Value(flow.vip.address, flow.vip.port.number)))
    members.append(("backend", Value(flow.backend.address, flow.backend.port.number)))
    members.append(("service", Value(service) { .text($0.service.description) }))
    members.append(("portName", Value(service) { .text($0.port) }))
    members.append(("state", Value(state) { .text($0) }))
    members.append(("backendState", .text(backendState.rawValue)))
    members.append(("ageSeconds", .number(age)))
    return .members(members)
  }

  private var namespaceValue: Value {
    if namespace == nil && namespaceName == nil { return .none }
    return .members([
      ("name", Value(namespaceName) { .text($0) }),
      ("inode", Value(namespace) { .number(UInt64($0.inode)) }),
      ("cookie", Value(namespace) { .number($0.cookie) }),
    ])
  }
}

extension Value {
  init<T>(_ optional: T?, _ value: (T) -> Value) {
    self = optional.map(value) ?? .none
  }

  init(_ process: SocketProcess) {
    self = .members([
      ("pid", .number(UInt64(process.pid))), ("command", .text(process.command)),
    ])
  }

  init(_ pod: PodOfProcess) {
    self = .members([
      ("uid", .text(pod.uid)), ("containerID", Value(pod.container) { .text($0) }),
    ])
  }

  init(_ address: IPAddress, _ port: UInt16) {
    self = .members([("address", .text(address.description)), ("port", .number(UInt64(port)))])
  }
}

extension OutputBuffer {
  fileprivate mutating func append(json value: Value) {
    switch value {
    case .none: append("null")
    case .text(let text): append(quoted: text)
    case .number(let number): append(number: number)
    case .members(let members):
      append("{")
      for (index, (name, value)) in members.enumerated() {
        append(index == 0 ? "\"\(name)\":" : ",\"\(name)\":")
        append(json: value)
      }
      append("}")
    case .list(let values):
      append("[")
      for (index, value) in values.enumerated() {
        if index > 0 { append(",") }
        append(json: value)
      }
      append("]")
    }
  }

  /// Members in block style; the first one stands behind the dash of a list.
  fileprivate mutating func append(yaml value: Value, indent: String, inList: Bool) {
    guard case .members(let members) = value else { return }
    for (index, (name, value)) in members.enumerated() {
      append(indent)
      if inList { append(index == 0 ? "- " : "  ") }
      append(name)
      append(":")
      let inner = indent + (inList ? "  " : "")
      switch value {
      case .members:
        append("\n")
        append(yaml: value, indent: inner + "  ", inList: false)
      case .list(let values) where !values.isEmpty:
        append("\n")
        for value in values { append(yaml: value, indent: inner, inList: true) }
      default:
        append(" ")
        append(json: value)
        append("\n")
      }
    }
  }
}
