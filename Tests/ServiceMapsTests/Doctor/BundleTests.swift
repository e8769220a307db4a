import ManifestText
import ServiceMaps
import Testing

/// What goes into `doctor --bundle`.
@Suite struct BundleTests {
  // MARK: The archive

  @Test func aHeaderIsThatOfUstar() {
    var archive = TarArchive(time: UTCTime(seconds: 1_800_000_000))
    archive.append(.init("d/a.txt", Array("hello\n".utf8)))
    let bytes = archive.encode()
    #expect(bytes.count == 10_240)
    func text(_ range: Range<Int>) -> String {
      String(decoding: bytes[range].prefix { $0 != 0 }, as: UTF8.self)
    }
    #expect(text(0..<100) == "d/a.txt")
    #expect(text(100..<108) == "0000600")
    #expect(text(124..<136) == "00000000006")
    #expect(Int64(text(136..<148), radix: 8) == 1_800_000_000)
    #expect(text(257..<263) == "ustar" && text(263..<265) == "00")
    #expect(bytes[512..<518].elementsEqual("hello\n".utf8))
    #expect(bytes[518...].allSatisfy { $0 == 0 })
    // The sum of all bytes of the header, with blanks where it is itself.
    let sum =
      bytes[..<512].reduce(0) { $0 + Int($1) } - bytes[148..<156].reduce(0) { $0 + Int($1) } + 8
      * 32
    #expect(Int(text(148..<154), radix: 8) == sum)
  }

  @Test func contentsAreWholeBlocks() {
    var archive = TarArchive(time: UTCTime(seconds: 0))
    for size in [0, 1, 511, 512, 513] {
      archive.append(.init("f\(size)", [UInt8](repeating: 65, count: size)))
    }
    let bytes = archive.encode()
    #expect(bytes.count % 10_240 == 0)
    var at = 0
    for size in [0, 1, 511, 512, 513] {
      #expect(bytes[at..<at + 2].elementsEqual("f\(size)".utf8.prefix(2)))
      at += 512 + (size + 511) / 512 * 512
    }
    #expect(bytes[at..<at + 1024].allSatisfy { $0 == 0 })
  }

  // MARK: Secrets

  private static let secret = "hunter2"

  private static let manifests = """
    apiVersion: v1
    kind: Service
    metadata:
      name: web
      namespace: shop
      labels: {app: web}
      annotations:
        socklb.io/algorithm: round-robin
        kubectl.kubernetes.io/last-applied-configuration: '{"password":"hunter2"}'
        hunter2.example.com/x: "1"
      managedFields: [{manager: hunter2}]
    spec:
      clusterIP: 172.30.0.5
      selector: {app: web}
      ports: [{port: 80, note: hunter2}]
      invented: {tomorrow: hunter2}
    status:
      loadBalancer: {ingress: [{ip: 172.31.0.9, ports: [{error: hunter2}]}]}
      conditions: [{type: Ready, status: "False", message: hunter2}]
    data: {password: hunter2}
    ---
    apiVersion: v1
    kind: Node
    metadata: {name: n1}
    spec: {providerID: hunter2}
    status:
      addresses: [{type: InternalIP, address: 10.0.0.9}]
      images: [{names: [registry/hunter2]}]
      nodeInfo: {machineID: hunter2}
      conditions: [{type: Ready, status: "True", message: hunter2}]
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: other-1, namespace: shop, labels: {kubernetes.io/service-name: other}}
    addressType: IPv4
    endpoints: [{addresses: [10.0.0.7], conditions: {ready: true, reason: hunter2}}]
    ports: [{port: 80, note: hunter2}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: web-1, namespace: shop, labels: {app: web}, annotations: {token: hunter2}}
    spec:
      nodeName: n1
      volumes: [{name: hunter2, hostPath: {path: /hunter2}}]
      containers:
      - name: web
        image: registry/hunter2
        command: [serve, --password, hunter2]
        args: [hunter2]
        env: [{name: PASSWORD, value: hunter2}]
        ports: [{name: http, containerPort: 8080}]
      initContainers:
      - {name: setup, restartPolicy: Always, env: [{name: A, value: hunter2}], ports: [{containerPort: 9000}]}
    status:
      phase: Running
      podIP: 10.0.0.1
      message: hunter2
      conditions: [{type: Ready, status: "True", message: hunter2}]
    """

  private static func known() -> KnownObjects {
    let decoded = decodeManifests([ManifestFile(name: "f", bytes: Array(manifests.utf8))])
    #expect(!decoded.hasErrors, "\(decoded.diagnostics)")
    var known = KnownObjects()
    let changes = known.merge(
      decoded.objects, cidrs: cidrs("172.30.0.4/30"), nodePorts: right(NodePortRange("30123-30123"))
    )
    #expect(!changes.isRefused, "\(changes.diagnostics)")
    return known
  }

  @Test func noValueThatSocklbDoesNotReadIsInObjects() {
    let known = Self.known()
    let bytes = known.redactedManifests()
    let text = String(decoding: bytes, as: UTF8.self)
    // It is in the input, so that this test can fail; in the key of an annotation, too, which stays.
    #expect(String(decoding: known.manifests(as: .json), as: UTF8.self).contains(Self.secret))
    #expect(!text.replacing("\"hunter2.example.com/x\"", with: "").contains(Self.secret), "\(text)")
    #expect(text.contains(#""socklb.io/algorithm":"round-robin""#))
    #expect(text.contains(#""env":"redacted""#) && text.contains(#""command":"redacted""#))
    #expect(text.contains(#""data":"redacted""#))
  }

  @Test func whatIsLeftMakesTheSameTable() {
    let known = Self.known()
    let text = known.redactedManifests()
    let decoded = decodeManifests([ManifestFile(name: "f", bytes: text)])
    #expect(!decoded.hasErrors, "\(decoded.diagnostics)")
    var again = KnownObjects()
    _ = again.merge(
      decoded.objects, cidrs: cidrs("172.30.0.4/30"), nodePorts: right(NodePortRange("30123-30123"))
    )
    let compiler = TableCompiler(options: CompileOptions())
    #expect(compiler.compile(known).table.frontends == compiler.compile(again).table.frontends)
    #expect(compiler.compile(again).table.frontends.first?.backends == [backend("10.0.0.1", 80)])
  }

  @Test func aDescriptionHasNoForeignAnnotation() {
    let all = ServiceDescription.all(in: Self.known())
    #expect(all.count == 1)
    #expect(String(decoding: all[0].render(), as: UTF8.self).contains(Self.secret))
    let text = String(decoding: all[0].redacted.render(), as: UTF8.self)
    #expect(!text.contains(Self.secret))
    #expect(text.contains("socklb.io/algorithm: round-robin"))
  }

  // MARK: The kernel's options

  @Test func optionsThatMatter() {
    let text = """
      # Linux
      CONFIG_BPF=y
      CONFIG_BPF_SYSCALL=y
      # CONFIG_BPF_JIT is not set
      CONFIG_BPFILTER_X=y
      CONFIG_HZ_250=y
      CONFIG_HZ=250
      CONFIG_SOUND=y
      # CONFIG_CGROUPS of old
      """
    #expect(
      KernelOptions.relevant(in: text) == [
        "CONFIG_BPF=y", "CONFIG_BPF_SYSCALL=y", "# CONFIG_BPF_JIT is not set", "CONFIG_HZ_250=y",
        "CONFIG_HZ=250",
      ])
  }
}
