/// One entry of a map that is not what the known objects ask for.
public struct Drift: Hashable, Sendable, CustomStringConvertible {
  /// As the kernel calls it, `slots4`; `programs` for what is not attached.
  public var map: String
  /// In terms of the objects: `default/web:http 10.96.0.1:80/TCP`.
  public var object: String
  /// What the kernel has.
  public var found: String
  /// What it should have.
  public var expected: String

  public init(map: String, object: String, found: String, expected: String) {
    self.map = map
    self.object = object
    self.found = found
    self.expected = expected
  }

  public var description: String { "\(map) \(object): has \(found), should have \(expected)" }
}

extension Drift {
  static func text(_ backends: [Backend]) -> String {
    if backends.isEmpty { return "no backend" }
    let shown = backends.prefix(8).map(\.description).joined(separator: ",")
    return backends.count > 8 ? "\(shown),… (\(backends.count) backends)" : shown
  }
}

extension Frontend {
  /// What the service port's record is to say.
  var serviceRecord: ServiceRecord {
    ServiceRecord(
      name: service, affinityTimeout: affinityTimeout, algorithm: algorithm,
      termination: termination)
  }

  /// `default/web:http 10.96.0.1:80/TCP`; the number stands for a port without a name.
  var driftName: String {
    service.port.isEmpty ? "\(service):\(key.port) \(key)" : "\(service) \(key)"
  }

  /// What the frontend's record is to say.
  func record(service: UInt32, list: UInt32) -> FrontendRecord {
    FrontendRecord(
      key: key, kind: kind, whenEmpty: whenEmpty, hasPolicy: serviceRecord.hasPolicy,
      udpChoice: udpChoice, isTerminated: termination.includes(key.transport),
      sourceRanges: sourceRanges, service: service, list: list)
  }
}
