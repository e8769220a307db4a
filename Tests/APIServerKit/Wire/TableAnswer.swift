/// Lists as tables, the way kubectl asks for them.
struct TableAnswer {
  private let resource: APIResource
  private let columns: [(name: String, priority: Int, value: (JSON) -> JSON)]

  /// - Returns: nil when no table is wanted.
  init?(_ request: Request, _ resource: APIResource) {
    let accept = request.headers["accept"] ?? ""
    guard let first = accept.split(separator: ",").first, first.contains("as=Table"),
      first.contains("v=v1;") || first.hasSuffix("v=v1")
    else { return nil }
    self.resource = resource
    columns = Self.columns(resource)
  }

  /// - Parameter isFirst: whether the columns are described.
  func json(_ objects: [JSON], head: JSON, isFirst: Bool = true) -> JSON {
    let definitions = columns.map { column in
      JSON.members([
        "name": .string(column.name), "type": "string",
        "format": column.name == "Name" ? "name" : "", "description": "",
        "priority": .int(column.priority),
      ])
    }
    let rows = objects.map { json -> JSON in
      .members([
        "cells": .array(columns.map { $0.value(json) }),
        "object": .members([
          "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
          "metadata": json["metadata"] ?? [:],
        ]),
      ])
    }
    return .members([
      "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": head,
      "columnDefinitions": isFirst ? .array(definitions) : .null, "rows": .array(rows),
    ])
  }

  private typealias Column = (name: String, priority: Int, value: (JSON) -> JSON)

  private static func columns(_ resource: APIResource) -> [Column] {
    var columns: [Column] = [("Name", 0, { $0.at("metadata", "name") ?? "" })]
    switch resource.kind {
    case "Service":
      columns += [
        ("Type", 0, { $0.at("spec", "type") ?? "" }),
        ("Cluster-IP", 0, { $0.at("spec", "clusterIP") ?? "<none>" }),
        ("External-IP", 0, { _ in "<none>" }),
        ("Port(s)", 0, { .string(ports($0)) }),
      ]
    case "EndpointSlice":
      columns += [
        ("AddressType", 0, { $0["addressType"] ?? "" }),
        (
          "Ports", 0, { .string(joined(($0["ports"]?.array ?? []).map { "\($0["port"] ?? "*")" })) }
        ),
        ("Endpoints", 0, { .string(joined(addresses($0))) }),
      ]
    case "Node":
      columns += [("Status", 0, { _ in "Ready" })]
    case "Namespace", "Pod":
      columns += [("Status", 0, { $0.at("status", "phase") ?? "" })]
    case "Event":
      columns += [
        ("Type", 0, { $0["type"] ?? "" }), ("Reason", 0, { $0["reason"] ?? "" }),
        ("Message", 0, { $0["message"] ?? "" }),
      ]
    default: break
    }
    return columns + [("Age", 0, { .string(age($0)) })]
  }

  private static func age(_ object: JSON) -> String {
    guard let text = object.at("metadata", "creationTimestamp")?.string else { return "<unknown>" }
    let seconds = Admission.secondsSince(text)
    if seconds < 120 { return "\(max(0, seconds))s" }
    if seconds < 7200 { return "\(seconds / 60)m" }
    return seconds < 172_800 ? "\(seconds / 3600)h" : "\(seconds / 86400)d"
  }

  private static func ports(_ service: JSON) -> String {
    joined(
      (service.at("spec", "ports")?.array ?? []).map { port in
        let node = port["nodePort"].map { ":\($0)" } ?? ""
        return "\(port["port"] ?? "")\(node)/\(port["protocol"]?.string ?? "")"
      })
  }

  private static func addresses(_ slice: JSON) -> [String] {
    (slice["endpoints"]?.array ?? []).compactMap { $0["addresses"]?[0]?.string }
  }

  private static func joined(_ parts: [String]) -> String {
    if parts.isEmpty { return "<none>" }
    let more = parts.count > 3 ? " + \(parts.count - 3) more..." : ""
    return parts.prefix(3).joined(separator: ",") + more
  }
}
