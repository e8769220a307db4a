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

  func json(_ objects: [StoredObject], head: JSON) -> JSON {
    let definitions = columns.map { column in
      JSON.members([
        "name": .string(column.name), "type": "string",
        "format": column.name == "Name" ? "name" : "", "description": "",
        "priority": .int(column.priority),
      ])
    }
    let rows = objects.map { object -> JSON in
      let json = object.json
      return .members([
        "cells": .array(columns.map { $0.value(json) }),
        "object": .members([
          "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
          "metadata": json["metadata"] ?? [:],
        ]),
      ])
    }
    return .members([
      "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": head,
      "columnDefinitions": .array(definitions), "rows": .array(rows),
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
    return columns + [("Age", 0, { $0.at("metadata", "creationTimestamp") ?? "<unknown>" })]
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
