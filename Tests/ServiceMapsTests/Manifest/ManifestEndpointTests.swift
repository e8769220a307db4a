import ServiceMaps
import Testing

@Suite struct ManifestEndpointTests {
  // MARK: EndpointSlice

  @Test func sliceFields() throws {
    let result = decoded(
      sliceText(
        """
        ports:
        - {name: http, port: 8080, protocol: TCP}
        - {name: "", port: 53, protocol: UDP}
        endpoints:
        - addresses: [10.0.0.1, 10.0.0.9]
          conditions: {ready: false, serving: false, terminating: true}
          nodeName: node-1
          zone: zone-a
          hints: {forZones: [{name: zone-a}, {name: zone-b}], forNodes: [{name: node-1}]}
          targetRef: {kind: Pod, name: x}
        - addresses: ["10.0.0.2"]
          conditions: {ready: null}
        - {addresses: [010.0.0.3]}
        """))
    #expect(result.diagnostics == [])
    let slice = try #require(result.slice)
    #expect(slice.addressType == .v4 && slice.serviceName?.description == "default/web")
    #expect(
      slice.ports.map(\.name) == ["http", ""] && slice.ports.map(\.transport) == [.tcp, .udp])
    #expect(slice.endpoints.map(\.address.description) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    #expect(slice.endpoints.map(\.isReady) == [false, true, true])
    #expect(slice.endpoints.map(\.isServing) == [false, true, true])
    #expect(slice.endpoints.map(\.isTerminating) == [true, false, false])
    #expect(slice.endpoints.map(\.nodeName) == ["node-1", nil, nil])
    #expect(slice.endpoints.map(\.zone) == ["zone-a", nil, nil])
    #expect(
      slice.endpoints[0].hintedZones == ["zone-a", "zone-b"]
        && slice.endpoints[0].hintedNodes == ["node-1"])
  }

  @Test func olderSlices() throws {
    let text = sliceText(
      "endpoints: [{addresses: [10.0.0.1], topology: {kubernetes.io/hostname: node-1, topology.kubernetes.io/zone: z}}]"
    )
    .split(separator: "\n").joined(separator: "\n").replacing(
      "discovery.k8s.io/v1", with: "discovery.k8s.io/v1beta1")
    let result = decoded(text)
    #expect(result.diagnostics == [])
    #expect(
      result.slice?.endpoints.first?.nodeName == "node-1"
        && result.slice?.endpoints.first?.zone == "z")
  }

  @Test func emptySlices() {
    for text in ["", "endpoints: []\nports: []", "endpoints: null\nports: null"] {
      let result = decoded(sliceText(text))
      #expect(
        result.diagnostics == [] && result.slice?.endpoints == [] && result.slice?.ports == [])
    }
  }

  @Test func portsOfOneNameInASliceAreBothUsed() {
    let text = sliceText("ports: [{name: a, port: 80}, {name: a, port: 81}]")
    #expect(decoded(text).slice?.ports.count == 2)
    #expect(said(text).contains { $0.hasPrefix("warning: ") && $0.contains("ports[1].name") })
  }

  @Test func nothingGivenIsNothing() {
    let text = serviceText(
      "  ports: [{port: 80, nodePort: 0}]\n  selector: null",
      metadata: "  labels: null\n  annotations: {a: null}\n  creationTimestamp: null\n")
    #expect(said(text) == [])
    #expect(decoded(text).service?.ports.first?.nodePort == nil)
    #expect(decoded(text).service?.meta.annotations == ["a": ""])
  }

  @Test(arguments: [
    (
      "endpoints: [{addresses: [10.0.0]}]", "endpoints[0].addresses[0]: \"10.0.0\" is no IP address"
    ),
    (
      "endpoints: [{addresses: [10.0.0.1]}, {addresses: [x]}]",
      "endpoints[1].addresses[0]: \"x\" is no IP address"
    ),
    (
      "endpoints: [{addresses: ['fd00::1']}]",
      "endpoints[0].addresses[0]: fd00::1 is no IPv4 address, as addressType says"
    ),
    (
      "endpoints: [{addresses: [0.0.0.0]}]",
      "endpoints[0].addresses[0]: 0.0.0.0 is the unspecified address; nothing can be reached there"
    ),
    (
      "endpoints: [{addresses: [239.0.0.1]}]",
      "endpoints[0].addresses[0]: 239.0.0.1 is a multicast address; nothing can be reached there"
    ),
    (
      "endpoints: [{addresses: [10.0.0.1, 'x']}]",
      "endpoints[0].addresses[1]: \"x\" is no IP address"
    ),
    (
      "endpoints: [{addresses: 10.0.0.1}]",
      "endpoints[0].addresses: must be a list, not a string (\"10.0.0.1\")"
    ),
    ("endpoints: [10.0.0.1]", "endpoints[0]: must be a mapping, not a string (\"10.0.0.1\")"),
    ("endpoints: {}", "endpoints: must be a list, not a mapping"),
    (
      "endpoints: [{addresses: [10.0.0.1], conditions: {ready: \"yes\"}}]",
      "endpoints[0].conditions.ready: must be a boolean, not a string (\"yes\")"
    ),
    (
      "endpoints: [{addresses: [10.0.0.1], nodeName: 1}]",
      "endpoints[0].nodeName: must be a string, not an integer (1); quote it: \"1\""
    ),
    ("ports: [{name: a, port: 0}]", "ports[0].port: must be a number from 1 to 65535, not 0"),
    (
      "ports: [{name: a, port: 65536}]",
      "ports[0].port: must be a number from 1 to 65535, not 65536"
    ),
    (
      "ports: [{name: a, port: http}]",
      "ports[0].port: must be a number from 1 to 65535, not a string (\"http\")"
    ),
    (
      "ports: [{name: a, port: 80, protocol: XTP}]",
      "ports[0].protocol: must be TCP, UDP or SCTP, not \"XTP\""
    ),
    ("ports: [{name: A, port: 80}]", "ports[0].name: \"A\" is no DNS label of a-z, 0-9 and '-'"),
  ]) func sliceErrors(text: String, message: String) {
    let result = decoded(sliceText(text))
    #expect(
      result.diagnostics.map { "\($0.severity) \($0.path ?? ""): \($0.message)" } == [
        "error \(message)"
      ])
    #expect(result.diagnostics.first?.object == "EndpointSlice default/web-1")
  }

  @Test func addressType() {
    let endpoints = "endpoints: [{addresses: [10.0.0.1]}]"
    #expect(
      decoded(sliceText(endpoints, type: "IPv5")).diagnostics.map(\.message) == [
        "must be one of IPv4, IPv6, FQDN, not \"IPv5\""
      ])
    #expect(decoded(sliceText(endpoints, type: "''")).diagnostics.map(\.message) == ["is missing"])
    #expect(decoded(sliceText(endpoints, type: "null")).diagnostics.map(\.path) == ["addressType"])
    #expect(
      decoded(sliceText("endpoints: [{addresses: ['fd00::1']}]", type: "IPv6")).diagnostics == [])
    let names = decoded(sliceText("endpoints: [{addresses: [example.org]}]", type: "FQDN"))
    #expect(names.diagnostics.map(\.severity) == [.note])
    #expect(names.slice?.addressType == .fqdn && names.slice?.endpoints == [])
  }

  @Test func whatRealSlicesHoldIsNoError() {
    let text = sliceText(
      """
      ports:
      - {port: 80}
      - {name: null, port: 80}
      - {name: a}
      endpoints:
      - addresses: []
      - {}
      - addresses: [127.0.0.1]
      - addresses: [169.254.1.1]
      """)
    let result = decoded(text)
    #expect(
      result.diagnostics.map { "\($0.severity) \($0.path ?? "")" } == [
        "note ports[0]", "note ports[1]", "note ports[2]", "note endpoints[0]", "note endpoints[1]",
        "warning endpoints[2].addresses[0]", "warning endpoints[3].addresses[0]",
      ])
    #expect(result.slice?.ports == [])
    #expect(result.slice?.endpoints.map(\.address.description) == ["127.0.0.1", "169.254.1.1"])
  }

  // MARK: Endpoints

  @Test func endpointsFields() throws {
    let result = decoded(
      """
      apiVersion: v1
      kind: Endpoints
      metadata: {name: web}
      subsets:
      - addresses: [{ip: 10.0.0.1, nodeName: node-a}, {ip: 10.0.0.2}]
        notReadyAddresses: [{ip: 10.0.0.3}]
        ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]
      - addresses: [{ip: "fd00::1"}]
        ports: [{port: 81}]
      """)
    #expect(result.diagnostics == [])
    let subsets = try #require(result.endpoints).subsets
    #expect(
      subsets.map { $0.addresses.map(\.description) } == [["10.0.0.1", "10.0.0.2"], ["fd00::1"]])
    #expect(subsets.map { $0.notReadyAddresses.map(\.description) } == [["10.0.0.3"], []])
    #expect(subsets.map { $0.ports.map(\.name) } == [["http", "dns"], [""]])
    #expect(subsets[0].ports.map(\.transport) == [.tcp, .udp])
  }

  @Test(arguments: [
    ("- addresses: [{ip: 10.0.0}]", "subsets[0].addresses[0].ip: \"10.0.0\" is no IP address"),
    ("- addresses: [{hostname: a}]", "subsets[0].addresses[0].ip: is missing"),
    (
      "- notReadyAddresses: [{ip: '::'}]",
      "subsets[0].notReadyAddresses[0].ip: :: is the unspecified address; nothing can be reached there"
    ),
    ("- ports: [{name: a}]", "subsets[0].ports[0].port: is missing"),
    ("- ports: [{port: 0}]", "subsets[0].ports[0].port: must be a number from 1 to 65535, not 0"),
    (
      "- ports: [{port: 1, name: a}, {port: 2}]",
      "subsets[0].ports[1].name: is missing; with more than one port each needs a name"
    ),
    (
      "- ports: [{port: 1, name: a}, {port: 2, name: a}]",
      "subsets[0].ports[1].name: another port is called \"a\" too"
    ),
    (
      "- ports: [{port: 1, protocol: x}]",
      "subsets[0].ports[0].protocol: must be TCP, UDP or SCTP, not \"x\""
    ),
    ("- 1", "subsets[0]: must be a mapping, not an integer (1)"),
  ]) func endpointsErrors(text: String, message: String) {
    let result = decoded(
      "apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}\nsubsets:\n\(text)\n")
    #expect(
      result.diagnostics.map { "\($0.severity) \($0.path ?? ""): \($0.message)" } == [
        "error \(message)"
      ])
  }
}
