extension TopTable {
  /// One object in one line. The keys are a contract: docs/cli.md.
  ///
  /// - Parameter clockOffset: CLOCK_REALTIME - CLOCK_MONOTONIC.
  public func json(clockOffset: Int64) -> [UInt8] {
    var output = OutputBuffer()
    let wall = Int64(bitPattern: time) &+ clockOffset
    output.append("{\"time\":\"\(UTCTime(seconds: wall / 1_000_000_000))\",\"seconds\":")
    output.append(TopNumber.decimal(seconds, 3))
    output.append(",\"sort\":\"\(order.rawValue)\",\"uncounted\":")
    output.append(number: uncounted)
    output.append(",\"totals\":{\"servicePorts\":")
    output.append(number: UInt64(totals.rows))
    count("new", totals.new, to: &output)
    count("refused", totals.refused, to: &output)
    count("denied", totals.denied, to: &output)
    count("failures", totals.failures, to: &output)
    output.append(",\"live\":")
    output.append(number: totals.sockets)
    output.append("},\"services\":[")
    for (index, row) in rows.enumerated() {
      if index > 0 { output.append(",") }
      append(row, to: &output)
    }
    output.append("]}\n")
    return output.bytes
  }

  private func append(_ row: Row, to output: inout OutputBuffer) {
    output.append("{\"service\":")
    output.append(quoted: row.service.service)
    output.append(",\"portName\":")
    output.append(quoted: row.service.port)
    output.append(",\"port\":")
    if let number = row.served.number {
      output.append(number: number.number)
    } else {
      null(&output)
    }
    output.append(",\"protocol\":\"\(row.service.transport)\",\"problem\":")
    if let problem = row.problem { output.append("\"\(problem.word)\"") } else { null(&output) }
    output.append(",\"endpoints\":")
    output.append(number: UInt64(row.served.endpoints))
    count("new", row.new, to: &output)
    count("refused", row.refused, to: &output)
    count("denied", row.denied, to: &output)
    append(row.connects, live: row.sockets, share: row.share, to: &output)
    output.append(",\"backends\":[")
    for (index, backend) in row.backends.enumerated() {
      if index > 0 { output.append(",") }
      append(backend, to: &output)
    }
    output.append("]}")
  }

  private func append(_ row: BackendRow, to output: inout OutputBuffer) {
    output.append("{\"address\":\"")
    output.append(row.backend.address)
    output.append("\",\"port\":")
    output.append(number: row.backend.port.number)
    output.append(",\"state\":\"\(row.state.rawValue)\"")
    count("new", row.new, to: &output)
    append(row.connects, live: row.sockets, share: row.share, to: &output)
    output.append("}")
  }

  /// What rows of services and of backends have in common.
  private func append(
    _ connects: PathCounts, live: UInt64, share: Share?, to output: inout OutputBuffer
  ) {
    output.append(",\"established\":")
    output.append(number: connects.established)
    output.append(",\"failed\":")
    output.append(number: connects.failed)
    output.append(",\"givenUp\":")
    output.append(number: connects.givenUp)
    count("failures", connects.failures, to: &output)
    output.append(",\"live\":")
    output.append(number: live)
    output.append(",\"share\":")
    part(share?.part, to: &output)
    output.append(",\"fairShare\":")
    part(share?.fair, to: &output)
    output.append(",\"connectMicroseconds\":")
    if let median = connects.took.quantile(0.5), let high = connects.took.quantile(0.99) {
      output.append(
        "{\"p50\":\(TopNumber.decimal(median, 1)),\"p99\":\(TopNumber.decimal(high, 1))}")
    } else {
      null(&output)
    }
  }

  /// The count, and how often that is in a second.
  private func count(_ name: String, _ value: UInt64?, to output: inout OutputBuffer) {
    output.append(",\"\(name)\":")
    if let value { output.append(number: value) } else { null(&output) }
    output.append(",\"\(name)PerSecond\":")
    if let value { output.append(TopNumber.decimal(rate(value), 3)) } else { null(&output) }
  }

  private func part(_ value: Double?, to output: inout OutputBuffer) {
    if let value { output.append(TopNumber.decimal(value, 4)) } else { null(&output) }
  }

  private func null(_ output: inout OutputBuffer) { output.append("null") }
}

extension TopTable.Problem {
  /// The contract of `top -o json`.
  fileprivate var word: String {
    switch self {
    case .noEndpoints: "no-endpoints"
    case .policy: "policy"
    case .someFrontends: "some-frontends"
    case .sourceRanges: "source-ranges"
    case .failures: "failures"
    }
  }
}
