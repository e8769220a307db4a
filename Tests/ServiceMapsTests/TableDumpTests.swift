import Foundation
import ServiceMaps
import Testing

@Suite struct TableDumpTests {
  static let table = ServiceTable(frontends: [
    frontend("fd00::a", 80, "default/web", "", [backend("fd00:10::1", 8080)]),
    frontend(
      "10.96.0.10", 53, "kube-system/kube-dns", "dns",
      [backend("10.0.0.1", 53), backend("10.0.0.2", 53)], transport: .udp),
    frontend("10.96.0.20", 80, "default/web", "", [], affinity: 10_800),
    frontend("9.0.0.1", 80, "default/web", "", [], kind: .externalIP, affinity: 10_800),
  ])

  static func frontend(
    _ address: String, _ number: Int, _ service: String, _ portName: String,
    _ backends: [Backend], transport: TransportProtocol = .tcp,
    kind: FrontendKind = .clusterIP, affinity: UInt32? = nil
  ) -> Frontend {
    Frontend(
      key: FrontendKey(address: ip(address), port: port(number), transport: transport),
      kind: kind,
      service: ServicePortName(service: name(service), port: portName, transport: transport),
      affinityTimeout: affinity, backends: backends)
  }

  static let dump = TableDump(
    table,
    counters: [
      ServicePortName(service: name("kube-system/kube-dns"), port: "dns", transport: .udp):
        ServiceCounters(translated: 12, refused: 3, backends: [backend("10.0.0.1", 53): 7]),
      ServicePortName(service: name("a/gone"), port: "http", transport: .tcp):
        ServiceCounters(translated: 18_446_744_073_709_551_615, refused: 100),
    ])

  @Test func textOfEachView() {
    #expect(
      Self.dump.string(.frontends) == """
        9.0.0.1:80/TCP ExternalIP default/web:80 affinity=10800s backends=-
        10.96.0.10:53/UDP ClusterIP kube-system/kube-dns:dns affinity=none backends=10.0.0.1:53,10.0.0.2:53
        10.96.0.20:80/TCP ClusterIP default/web:80 affinity=10800s backends=-
        [fd00::a]:80/TCP ClusterIP default/web:80 affinity=none backends=[fd00:10::1]:8080

        """)
    #expect(
      Self.dump.string(.services) == """
        default/web:80 TCP ClusterIP,ExternalIP frontends=9.0.0.1:80,10.96.0.20:80,[fd00::a]:80 affinity=10800s backends=1
        kube-system/kube-dns:dns UDP ClusterIP frontends=10.96.0.10:53 affinity=none backends=2

        """)
    #expect(
      Self.dump.string(.backends) == """
        10.96.0.10:53/UDP -> 10.0.0.1:53 kube-system/kube-dns:dns
        10.96.0.10:53/UDP -> 10.0.0.2:53 kube-system/kube-dns:dns
        [fd00::a]:80/TCP -> [fd00:10::1]:8080 default/web:80

        """)
    #expect(
      Self.dump.string(.counters) == """
        a/gone:http TCP translated=18446744073709551615 refused=100
        default/web:80 TCP translated=0 refused=0
        kube-system/kube-dns:dns UDP translated=12 refused=3
        kube-system/kube-dns:dns UDP -> 10.0.0.1:53 translated=7
        kube-system/kube-dns:dns UDP -> 10.0.0.2:53 translated=0

        """)
    let all = Self.dump.string(.all).split(separator: "\n")
    #expect(all.count == 2 + 4 + 3 + 5)
    #expect(all[0].hasPrefix("service default/web:80 "))
    #expect(
      all.allSatisfy { $0.split(separator: " ").contains { $0.contains("/") && $0.contains(":") } })
  }

  private static let kept = ServiceTable(
    frontends: [table.frontends[1], table.frontends[2]],
    keptEndpoints: [
      KeptEndpoint(service: table.frontends[2].service, backend: backend("10.0.0.9", 8080)),
      KeptEndpoint(service: table.frontends[1].service, backend: backend("10.0.0.3", 53)),
    ])

  /// They are in the backends view only, behind what frontends lead to.
  @Test func keptEndpoints() throws {
    let dump = TableDump(Self.kept)
    let plain = TableDump(ServiceTable(frontends: Self.kept.frontends))
    for format in [DumpFormat.text, .json, .yaml] {
      #expect(dump.render(.frontends, as: format) == plain.render(.frontends, as: format))
      #expect(dump.render(.services, as: format) == plain.render(.services, as: format))
    }
    #expect(
      dump.string(.backends) == plain.string(.backends) + """
        -/TCP -> 10.0.0.9:8080 default/web:80 kept
        -/UDP -> 10.0.0.3:53 kube-system/kube-dns:dns kept

        """)
    let json = try #require(
      JSONSerialization.jsonObject(with: Data(dump.render(.backends, as: .json)))
        as? [String: [[String: Any]]])
    let entries = try #require(json["backends"])
    #expect(entries.map { $0["state"] as? String } == [nil, nil, "kept", "kept"])
    #expect(entries.map { $0["frontend"] is NSNull } == [false, false, true, true])
    #expect(entries[2]["address"] as? String == "10.0.0.9")
    #expect(
      dump.string(.backends, as: .yaml).hasSuffix(
        """
        - service: "kube-system/kube-dns"
          portName: "dns"
          protocol: UDP
          frontend: null
          address: "10.0.0.3"
          port: 53
          state: kept

        """))
  }

  @Test func choicesOfAService() {
    var frontend = Self.table.frontends[1]
    frontend.udpChoice = .datagram
    frontend.termination = [.tcp, .udp]
    let dump = TableDump(ServiceTable(frontends: [frontend]))
    #expect(
      dump.string().contains(" affinity=none udp-choice=datagram terminate=tcp,udp backends="))
    #expect(
      dump.string(as: .json).contains(
        #""sessionAffinity":null,"udpChoice":"datagram","terminate":"tcp,udp","backends""#))
    #expect(
      dump.string(as: .yaml).contains("  udpChoice: datagram\n  terminate: \"tcp,udp\"\n"))
  }

  @Test func jsonIsTheContract() throws {
    #expect(
      Self.dump.string(.frontends, as: .json) == """
        {"frontends":[
        {"address":"9.0.0.1","port":80,"protocol":"TCP","kind":"ExternalIP","service":"default/web","portName":"","sessionAffinity":{"timeoutSeconds":10800},"backends":[]},
        {"address":"10.96.0.10","port":53,"protocol":"UDP","kind":"ClusterIP","service":"kube-system/kube-dns","portName":"dns","sessionAffinity":null,"backends":[{"address":"10.0.0.1","port":53},{"address":"10.0.0.2","port":53}]},
        {"address":"10.96.0.20","port":80,"protocol":"TCP","kind":"ClusterIP","service":"default/web","portName":"","sessionAffinity":{"timeoutSeconds":10800},"backends":[]},
        {"address":"fd00::a","port":80,"protocol":"TCP","kind":"ClusterIP","service":"default/web","portName":"","sessionAffinity":null,"backends":[{"address":"fd00:10::1","port":8080}]}
        ]}

        """)
    #expect(TableDump(ServiceTable()).string(.frontends, as: .json) == "{\"frontends\":[]}\n")
  }

  /// Another reader finds the same counts in each view.
  @Test func jsonOfEachViewIsJSON() throws {
    for dump in [Self.dump, TableDump(ServiceTable())] {
      let all = try #require(
        JSONSerialization.jsonObject(with: Data(dump.render(.all, as: .json)))
          as? [String: [[String: Any]]])
      #expect(all.keys.sorted() == ["backends", "counters", "frontends", "services"])
      for view in [DumpView.frontends, .services, .backends, .counters] {
        let one = try #require(
          JSONSerialization.jsonObject(with: Data(dump.render(view, as: .json)))
            as? [String: [[String: Any]]])
        #expect(one[view.rawValue]?.count == all[view.rawValue]?.count)
      }
    }
  }

  @Test func stringsAreEscaped() throws {
    let odd = "a\"b\\c\nd\u{1}"
    var frontend = Self.table.frontends[0]
    frontend.service.port = odd
    let json = try JSONSerialization.jsonObject(
      with: Data(TableDump(ServiceTable(frontends: [frontend])).render(as: .json)))
    let frontends = try #require((json as? [String: [[String: Any]]])?["frontends"])
    #expect(frontends[0]["portName"] as? String == odd)
  }

  @Test func yamlHasTheSameFacts() {
    #expect(
      TableDump(ServiceTable(frontends: Array(Self.table.frontends[1...2])))
        .string(.frontends, as: .yaml) == """
          frontends:
          - address: "10.96.0.10"
            port: 53
            protocol: UDP
            kind: ClusterIP
            service: "kube-system/kube-dns"
            portName: "dns"
            sessionAffinity: null
            backends:
            - address: "10.0.0.1"
              port: 53
            - address: "10.0.0.2"
              port: 53
          - address: "10.96.0.20"
            port: 80
            protocol: TCP
            kind: ClusterIP
            service: "default/web"
            portName: ""
            sessionAffinity:
              timeoutSeconds: 10800
            backends: []

          """)
    #expect(TableDump(ServiceTable()).string(.frontends, as: .yaml) == "frontends: []\n")
  }
}
