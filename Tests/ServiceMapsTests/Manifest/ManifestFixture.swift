import ServiceMaps

/// Manifests of one file, decoded.
func decoded(_ text: String, file: String = "f.yaml") -> DecodedManifests {
  decodeManifests([ManifestFile(name: file, bytes: Array(text.utf8))])
}

/// Every diagnostic, as `severity: text`, without the name of the file.
func said(_ text: String) -> [String] {
  decoded(text, file: "f").diagnostics.map { "\($0.severity): \($0)" }
}

/// A Service default/web with `spec`, written as YAML that is indented by two.
func serviceText(_ spec: String, metadata: String = "") -> String {
  """
  apiVersion: v1
  kind: Service
  metadata:
    name: web
  \(metadata)spec:
  \(spec)
  """
}

/// The same with one port, TCP 80.
func simpleService(_ spec: String = "") -> String {
  serviceText("  ports: [{port: 80}]\n\(spec)")
}

/// An EndpointSlice default/web-1 of IPv4.
func sliceText(_ rest: String, type: String = "IPv4") -> String {
  """
  apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
  addressType: \(type)
  \(rest)
  """
}

extension DecodedManifests {
  var service: Service? {
    objects.lazy.compactMap { if case .service(let it) = $0.object { it } else { nil } }.first
  }
  var slice: EndpointSlice? {
    objects.lazy.compactMap { if case .endpointSlice(let it) = $0.object { it } else { nil } }.first
  }
  var endpoints: Endpoints? {
    objects.lazy.compactMap { if case .endpoints(let it) = $0.object { it } else { nil } }.first
  }
  var pod: Pod? {
    objects.lazy.compactMap { if case .pod(let it) = $0.object { it } else { nil } }.first
  }
  var node: Node? {
    objects.lazy.compactMap { if case .node(let it) = $0.object { it } else { nil } }.first
  }
}
