import ServiceMaps

// Short ways to build model values in tests.

func right<Value>(_ value: Value?) -> Value {
  guard let value else { preconditionFailure("a wrong literal in a test") }
  return value
}
func ip(_ text: String) -> IPAddress { right(IPAddress(text)) }
func port(_ number: Int) -> Port { right(Port(number)) }
func cidrs(_ text: String) -> ServiceCIDRs { right(ServiceCIDRs(text)) }
func name(_ text: String) -> NamespacedName {
  let parts = text.split(separator: "/")
  return NamespacedName(namespace: String(parts[0]), name: String(parts[1]))
}
func serviceID(_ text: String) -> ObjectID { ObjectID(kind: .service, name: name(text)) }
func backend(_ address: String, _ number: Int) -> Backend {
  Backend(address: ip(address), port: port(number))
}

func service(
  _ text: String, _ change: (inout Service) -> Void = { _ in }
) -> KubernetesObject {
  var service = Service(meta: ObjectMeta(name: name(text)))
  service.ports = [Service.ServicePort(port: port(80))]
  change(&service)
  return .service(service)
}

func slice(
  _ text: String, of service: String, ports: [(String, Int)] = [("", 8080)],
  _ addresses: [String], family: IPFamily = .v4, _ change: (inout EndpointSlice) -> Void = { _ in }
) -> KubernetesObject {
  var slice = EndpointSlice(
    meta: ObjectMeta(name: name(text), labels: ["kubernetes.io/service-name": service]),
    addressType: family == .v4 ? .v4 : .v6)
  slice.ports = ports.map {
    EndpointSlice.SlicePort(name: $0.0, transport: .tcp, port: port($0.1))
  }
  slice.endpoints = addresses.map { EndpointSlice.Endpoint(address: ip($0)) }
  change(&slice)
  return .endpointSlice(slice)
}

func pod(
  _ text: String, _ addresses: [String], labels: [String: String],
  ports: [Pod.ContainerPort] = [], _ change: (inout Pod) -> Void = { _ in }
) -> KubernetesObject {
  var pod = Pod(meta: ObjectMeta(name: name(text), labels: labels))
  pod.addresses = addresses.map(ip)
  pod.ports = ports
  change(&pod)
  return .pod(pod)
}

/// The objects as if they came from one file. Their JSON is no real one, but equal for equal
/// objects and different for different ones, which is what is asked of it here.
func manifests(_ objects: [KubernetesObject]) -> [ManifestObject] {
  objects.enumerated().map { i, object in
    ManifestObject(
      object: object, json: fakeJSON(object),
      origin: ManifestObject.Origin(file: "test.yaml", document: i + 1, line: 1))
  }
}

func manifests(_ objects: KubernetesObject...) -> [ManifestObject] { manifests(objects) }

func fakeJSON(_ object: KubernetesObject) -> [UInt8] {
  // Dictionaries print in the order of their hashes, which differs between equal ones.
  let meta = object.meta
  var copy = object
  var selector = ""
  func sorted(_ labels: [String: String]) -> String {
    labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
  }
  switch object {
  case .service(var value):
    selector = value.selector.map(sorted) ?? "-"
    value.meta = ObjectMeta(name: meta.name)
    value.selector = nil
    copy = .service(value)
  case .endpointSlice(var value):
    value.meta = ObjectMeta(name: meta.name)
    copy = .endpointSlice(value)
  case .endpoints(var value):
    value.meta = ObjectMeta(name: meta.name)
    copy = .endpoints(value)
  case .pod(var value):
    value.meta = ObjectMeta(name: meta.name)
    copy = .pod(value)
  case .node(var value):
    value.meta = ObjectMeta(name: meta.name)
    copy = .node(value)
  }
  return Array("\(copy) \(sorted(meta.labels)) \(selector) \(meta.creationTimestamp ?? "")".utf8)
}

func known(_ objects: [KubernetesObject]) -> KnownObjects {
  var known = KnownObjects()
  let changes = known.merge(manifests(objects))
  precondition(!changes.isRefused, "\(changes.diagnostics)")
  return known
}

func compile(_ objects: KubernetesObject...) -> CompiledTable {
  TableCompiler().compile(known(objects))
}

extension TableDump {
  func string(_ view: DumpView = .frontends, as format: DumpFormat = .text) -> String {
    String(decoding: render(view, as: format), as: UTF8.self)
  }
}

extension CompiledTable {
  /// The lines of the frontends view.
  var lines: [String] {
    TableDump(table).string().split(separator: "\n").map(String.init)
  }
}
