/// One kind of object that is served.
public struct APIResource: Sendable, Hashable {
  /// Empty for the core group.
  public let group: String
  public let version: String
  public let plural: String
  public let singular: String
  public let kind: String
  public let shortNames: [String]
  public let isNamespaced: Bool
  /// Paths that a field selector may name, besides metadata.name and metadata.namespace.
  let fields: [String]
  /// Whether writers may change the status by itself.
  let hasStatus: Bool
  /// Whether metadata.generation counts changes of what is wanted.
  let countsGenerations: Bool
  /// Whether DELETE answers with the object instead of a Status.
  let deleteAnswersObject: Bool
  /// Whether PUT makes what is not there.
  var isCreatedByUpdate: Bool { ["Endpoints", "Event", "Lease", "Service"].contains(kind) }
  /// What an empty object of the kind has besides its metadata, as a bookmark shows it.
  let emptyRest: JSON

  init(
    _ group: String, _ version: String, _ plural: String, _ singular: String, _ kind: String,
    _ shortNames: [String], isNamespaced: Bool = true, fields: [String] = [],
    hasStatus: Bool = false, countsGenerations: Bool = false, deleteAnswersObject: Bool = false,
    emptyRest: JSON = [:]
  ) {
    (self.group, self.version, self.plural, self.singular) = (group, version, plural, singular)
    (self.kind, self.shortNames, self.isNamespaced) = (kind, shortNames, isNamespaced)
    (self.fields, self.hasStatus) = (fields, hasStatus)
    self.countsGenerations = countsGenerations
    self.deleteAnswersObject = deleteAnswersObject
    self.emptyRest = emptyRest
  }

  public var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

  /// As messages name it: `endpointslices.discovery.k8s.io`.
  var qualifiedName: String { group.isEmpty ? plural : "\(plural).\(group)" }

  static let all: [APIResource] = [
    APIResource(
      "", "v1", "endpoints", "endpoints", "Endpoints", ["ep"]),
    APIResource(
      "", "v1", "events", "event", "Event", ["ev"],
      fields: [
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
        "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
        "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
      ],
      emptyRest: [
        "involvedObject": [:], "source": [:], "firstTimestamp": .null, "lastTimestamp": .null,
        "eventTime": .null, "reportingComponent": "", "reportingInstance": "",
      ]),
    APIResource(
      "", "v1", "namespaces", "namespace", "Namespace", ["ns"], isNamespaced: false,
      fields: ["status.phase"], hasStatus: true, emptyRest: ["spec": [:], "status": [:]]),
    APIResource(
      "", "v1", "nodes", "node", "Node", ["no"], isNamespaced: false,
      fields: ["spec.unschedulable"], hasStatus: true,
      emptyRest: [
        "spec": [:],
        "status": [
          "daemonEndpoints": ["kubeletEndpoint": ["Port": 0]],
          "nodeInfo": [
            "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "",
            "containerRuntimeVersion": "", "kubeletVersion": "", "kubeProxyVersion": "",
            "operatingSystem": "", "architecture": "",
          ],
        ],
      ]),
    APIResource(
      "", "v1", "pods", "pod", "Pod", ["po"],
      fields: [
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName",
      ],
      hasStatus: true, countsGenerations: true, deleteAnswersObject: true,
      emptyRest: ["spec": ["containers": .null], "status": [:]]),
    APIResource(
      "", "v1", "services", "service", "Service", ["svc"], fields: ["spec.clusterIP", "spec.type"],
      hasStatus: true, deleteAnswersObject: true,
      emptyRest: ["spec": [:], "status": ["loadBalancer": [:]]]),
    APIResource(
      "discovery.k8s.io", "v1", "endpointslices", "endpointslice", "EndpointSlice", [],
      countsGenerations: true,
      emptyRest: ["addressType": "", "endpoints": .null, "ports": .null]),
    APIResource(
      "coordination.k8s.io", "v1", "leases", "lease", "Lease", [], emptyRest: ["spec": [:]]),
  ]

  static func index(group: String, version: String, plural: String) -> Int? {
    all.firstIndex { $0.plural == plural && $0.group == group && $0.version == version }
  }

  static func index(kind: String) -> Int? { all.firstIndex { $0.kind == kind } }

  /// By kind, plural, singular or short name, as a test writes it.
  static func index(named name: String) -> Int? {
    all.firstIndex {
      $0.plural == name || $0.kind == name || $0.singular == name || $0.shortNames.contains(name)
    }
  }
}
