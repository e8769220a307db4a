import ServiceMaps
import Testing

@Suite struct ManifestFileTests {
  private let web =
    "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}"

  @Test(arguments: ["", "\n\n", "# nothing here\n", "---\n---\n# no\n", "\u{feff}"])
  func filesWithoutObjects(text: String) {
    #expect(said(text) == ["error: f: holds no objects"])
  }

  @Test func emptyListsAreFine() {
    for text in [
      "apiVersion: v1\nkind: List\nitems: []\n", "apiVersion: v1\nkind: List\n",
      "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"items\":null}",
    ] {
      #expect(said(text) == [] && decoded(text).objects.isEmpty)
    }
    #expect(decodeManifests([]).diagnostics == [])
  }

  @Test(arguments: [
    (
      "a string\n",
      ["error: f:1: document 1: must be an object with apiVersion and kind, not a string"]
    ),
    ("- a\n", ["error: f:1: document 1: must be an object with apiVersion and kind, not a list"]),
    (
      "80\n", ["error: f:1: document 1: must be an object with apiVersion and kind, not an integer"]
    ),
    ("null\n", ["error: f:1: document 1: must be an object with apiVersion and kind, not null"]),
    (
      "a: 1\n",
      [
        "error: f:1: document 1: kind: is missing",
        "error: f:1: document 1: apiVersion: is missing",
      ]
    ),
    ("kind: Service\n", ["error: f:1: document 1: apiVersion: is missing"]),
    ("kind: ''\napiVersion: v1\n", ["error: f:1: document 1: kind: is missing"]),
    (
      "kind: List\napiVersion: v1\nitems: {}\n",
      ["error: f:3: document 1: items: must be a list, not a mapping"]
    ),
    (
      "kind: List\napiVersion: v1\nitems: [a]\n",
      ["error: f:3: document 1: items[0]: must be an object with apiVersion and kind, not a string"]
    ),
    (
      "kind: List\napiVersion: v1\nitems: [{}]\n",
      [
        "error: f:3: document 1: items[0].kind: is missing",
        "error: f:3: document 1: items[0].apiVersion: is missing",
      ]
    ),
  ]) func documentsThatAreNoObjects(text: String, diagnostics: [String]) {
    #expect(said(text) == diagnostics)
  }

  @Test func otherKindsAreSkippedWithOneNoteEach() {
    let text = """
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: httpd, namespace: default}
      ---
      apiVersion: serving.knative.dev/v1
      kind: Service
      metadata: {name: web}
      spec: {ports: nonsense}
      ---
      apiVersion: v1
      kind: ConfigMap
      ---
      apiVersion: example.org/v1
      kind: AllowList
      metadata: {name: a}
      """
    let skipped = "socklb reads Service, EndpointSlice, Endpoints, Pod and Node"
    #expect(
      said(text) == [
        "note: f:1: document 1: Deployment default/httpd: skipped: \(skipped)",
        "note: f:5: document 2: Service default/web: skipped: socklb reads Service of v1, not of serving.knative.dev/v1",
        "note: f:10: document 3: ConfigMap: skipped: \(skipped)",
        "note: f:13: document 4: AllowList a: skipped: \(skipped)",
      ])
    #expect(decoded(text).objects.isEmpty && !decoded(text).hasErrors)
  }

  @Test func lists() {
    let text = """
      apiVersion: v1
      kind: List
      items:
      - \(web)
      - apiVersion: apps/v1
        kind: DeploymentList
        items: [{metadata: {name: a}}]
      - apiVersion: v1
        kind: ServiceList
        metadata: {resourceVersion: "1"}
        items:
        - metadata: {name: b}
          spec: {ports: [{port: 80}]}
        - metadata: {name: c}
          spec: {ports: [{port: 0}]}
      """
    let result = decoded(text)
    #expect(
      said(text) == [
        "note: f:7: document 1: Deployment a: items[1].items[0]: skipped: socklb reads Service, EndpointSlice, Endpoints, Pod and Node",
        "error: f:15: document 1: Service default/c: items[2].items[1].spec.ports[0].port: must be a number from 1 to 65535, not 0",
      ])
    #expect(result.objects.map(\.object.meta.name.name) == ["web", "b", "c"])
    #expect(
      String(decoding: result.objects[1].json, as: UTF8.self)
        == #"{"apiVersion":"v1","kind":"Service","metadata":{"name":"b","namespace":"default"},"spec":{"ports":[{"port":80}]}}"#
    )
  }

  @Test func canonicalFormAndOrigin() {
    let yaml = """
      # a comment
      ---
      kind: Service
      apiVersion: v1
      metadata:
        managedFields: [{manager: x}]
        name: web
      spec:
        ports:
        - port: 0x50
      """
    let json =
      #"{"metadata":{"namespace":"default","name":"web"},"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":80}]}}"#
    let fromYAML = decoded(yaml).objects[0]
    #expect(fromYAML.json == decoded(json).objects[0].json)
    #expect(
      String(decoding: fromYAML.json, as: UTF8.self)
        == #"{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"default"},"spec":{"ports":[{"port":80}]}}"#
    )
    #expect(fromYAML.origin == ManifestObject.Origin(file: "f.yaml", document: 1, line: 3))
  }

  @Test func oneObjectTwice() {
    let other = web.replacing("80", with: "81")
    let same = decodeManifests([
      ManifestFile(name: "a", bytes: Array(web.utf8)),
      ManifestFile(
        name: "b",
        bytes: Array(web.replacing("name: web", with: "namespace: default, name: web").utf8)),
    ])
    #expect(same.diagnostics == [] && same.objects.count == 1)
    let different = decodeManifests([
      ManifestFile(name: "a", bytes: Array("---\n\(web)\n".utf8)),
      ManifestFile(name: "b", bytes: Array("x: 1\n---\n\n\(other)\n".utf8)),
    ])
    #expect(
      different.diagnostics.map(\.description).last
        == "b:4: document 2: Service default/web: is in the input twice, with different content; first in a:2 (document 1)"
    )
    let elsewhere = decoded(
      "\(web)\n---\n\(other.replacing("name: web", with: "namespace: x, name: web"))\n")
    #expect(elsewhere.diagnostics == [] && elsewhere.objects.count == 2)
  }

  @Test func everyProblemIsInOneReport() {
    let text = """
      apiVersion: v1
      kind: Service
      metadata: {name: Web, labels: {a: 1}}
      spec:
        clusterIP: x
        ports:
        - {port: 0, protocol: ICMP, targetPort: 0}
        - {name: b, port: http}
        sessionAffinity: X
      ---
      a: [
      ---
      apiVersion: v1
      kind: Service
      metadata: {name: twice}
      spec:
        ports: [{port: 80}]
        type: NodePort
        type: ClusterIP
        sessionAffinity: Y
      ---
      just text
      """
    #expect(
      decoded(text).diagnostics.map { "\($0.document ?? 0) \($0.object ?? "-") \($0.path ?? "-")" }
        == [
          "1 Service default/Web metadata.name", "1 Service default/Web metadata.labels.a",
          "1 Service default/Web spec.clusterIP", "1 Service default/Web spec.ports[0].protocol",
          "1 Service default/Web spec.ports[0].port",
          "1 Service default/Web spec.ports[0].targetPort",
          "1 Service default/Web spec.ports[1].port", "1 Service default/Web spec.ports[0].name",
          "1 Service default/Web spec.sessionAffinity", "2 - a[0]",
          "3 Service default/twice spec.sessionAffinity", "3 Service default/twice spec.type",
          "4 - -",
        ])
  }

  @Test func duplicateKeysNameTheObjectOfAList() {
    let text =
      "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\(json("a")),\n{\"kind\":\"Service\",\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"b\"},\"spec\":{\"ports\":[{\"port\":1}]}}]}"
    #expect(
      said(text) == [
        "error: f:2: document 1: Service default/b: items[1].kind: the key \"kind\" is here a second time; first in line 2"
      ])
  }

  private func json(_ name: String) -> String {
    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"\(name)\"},\"spec\":{\"ports\":[{\"port\":80}]}}"
  }

  @Test func problemsOfJunkAreCounted() {
    let text = String(repeating: "---\n{a: 1}\n", count: 2000)
    let result = decoded(text)
    #expect(result.diagnostics.count == 1001)
    #expect(result.diagnostics.last?.description == "f.yaml: and 3000 more errors")
  }

  @Test func aliasesAreFollowed() {
    let result = decoded(
      """
      apiVersion: v1
      kind: List
      items:
      - &one
        apiVersion: v1
        kind: Service
        metadata: {name: a}
        spec: &spec
          ports: [{port: 80}]
      - <<: *one
        metadata: {name: b}
      - {apiVersion: v1, kind: Service, metadata: {name: c}, spec: *spec}
      """)
    #expect(result.diagnostics == [])
    #expect(result.objects.map(\.object.meta.name.name) == ["a", "b", "c"])
  }

  /// The shape of `kubectl get svc,endpointslices,pods,nodes -A -o yaml`.
  @Test func whatKubectlPrints() throws {
    let result = decoded(kubectlOutput)
    #expect(result.diagnostics == [])
    #expect(
      result.objects.map { "\($0.object.id) \($0.object.meta.name)" } == [
        "service/kubernetes default/kubernetes", "service/kube-dns kube-system/kube-dns",
        "endpointslice.discovery.k8s.io/kube-dns-4jrgx kube-system/kube-dns-4jrgx",
        "pod/coredns-1 kube-system/coredns-1", "node/node-1 /node-1",
      ])
    #expect(
      result.objects.allSatisfy {
        !String(decoding: $0.json, as: UTF8.self).contains("managedFields")
      })
    #expect(result.slice?.endpoints.first?.address.description == "10.244.0.2")
    #expect(result.pod?.ports.count == 2 && result.node?.addresses.count == 1)
  }
}

private let kubectlOutput = """
  apiVersion: v1
  items:
  - apiVersion: v1
    kind: Service
    metadata:
      creationTimestamp: "2026-01-01T00:00:00Z"
      labels:
        component: apiserver
        provider: kubernetes
      managedFields:
      - apiVersion: v1
        fieldsType: FieldsV1
        fieldsV1:
          f:metadata:
            f:labels:
              .: {}
              f:component: {}
        manager: kube-apiserver
        operation: Update
        time: "2026-01-01T00:00:00Z"
      name: kubernetes
      namespace: default
      resourceVersion: "197"
      uid: 4e1b1a7e-5d3e-4c58-9b50-8d2f6f0a1f7a
    spec:
      clusterIP: 10.96.0.1
      clusterIPs:
      - 10.96.0.1
      internalTrafficPolicy: Cluster
      ipFamilies:
      - IPv4
      ipFamilyPolicy: SingleStack
      ports:
      - name: https
        port: 443
        protocol: TCP
        targetPort: 6443
      sessionAffinity: None
      type: ClusterIP
    status:
      loadBalancer: {}
  - apiVersion: v1
    kind: Service
    metadata:
      annotations:
        prometheus.io/port: "9153"
        prometheus.io/scrape: "true"
        kubectl.kubernetes.io/last-applied-configuration: |
          {"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":0}]}}
      name: kube-dns
      namespace: kube-system
    spec:
      clusterIP: 10.96.0.10
      clusterIPs:
      - 10.96.0.10
      ports:
      - name: dns
        port: 53
        protocol: UDP
        targetPort: 53
      - name: dns-tcp
        port: 53
        protocol: TCP
        targetPort: 53
      selector:
        k8s-app: kube-dns
      sessionAffinity: None
      type: ClusterIP
    status:
      conditions: []
      loadBalancer: {}
  - addressType: IPv4
    apiVersion: discovery.k8s.io/v1
    endpoints:
    - addresses:
      - 10.244.0.2
      conditions:
        ready: true
        serving: true
        terminating: false
      nodeName: node-1
      targetRef:
        kind: Pod
        name: coredns-1
        namespace: kube-system
    kind: EndpointSlice
    metadata:
      generateName: kube-dns-
      generation: 4
      labels:
        kubernetes.io/service-name: kube-dns
      name: kube-dns-4jrgx
      namespace: kube-system
      ownerReferences:
      - apiVersion: v1
        blockOwnerDeletion: true
        controller: true
        kind: Service
        name: kube-dns
    ports:
    - name: dns
      port: 53
      protocol: UDP
    - name: dns-tcp
      port: 53
      protocol: TCP
  - apiVersion: v1
    kind: Pod
    metadata:
      labels:
        k8s-app: kube-dns
        pod-template-hash: 668d6bf9bc
      name: coredns-1
      namespace: kube-system
    spec:
      containers:
      - args: [-conf, /etc/coredns/Corefile]
        image: registry.k8s.io/coredns/coredns:v1.11.3
        livenessProbe:
          failureThreshold: 5
          httpGet:
            path: /health
            port: 8080
        name: coredns
        ports:
        - containerPort: 53
          name: dns
          protocol: UDP
        - containerPort: 53
          name: dns-tcp
          protocol: TCP
        resources:
          limits:
            memory: 170Mi
      nodeName: node-1
    status:
      conditions:
      - lastProbeTime: null
        lastTransitionTime: "2026-01-01T00:00:10Z"
        status: "True"
        type: Ready
      hostIP: 192.168.0.1
      phase: Running
      podIP: 10.244.0.2
      podIPs:
      - ip: 10.244.0.2
  - apiVersion: v1
    kind: Node
    metadata:
      labels:
        kubernetes.io/hostname: node-1
        node-role.kubernetes.io/control-plane: ""
      name: node-1
    spec:
      podCIDR: 10.244.0.0/24
    status:
      addresses:
      - address: 192.168.0.1
        type: InternalIP
      - address: node-1
        type: Hostname
      capacity:
        cpu: "2"
  kind: List
  metadata:
    resourceVersion: ""
  """
