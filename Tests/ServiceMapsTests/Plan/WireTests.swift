import CServiceABI
import ServiceMaps
import Testing

/// The bytes on the wire, written down by hand: network byte order for addresses and ports.
@Suite struct WireTests {
  private func bytes<T: BitwiseCopyable>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value) { [UInt8]($0) }
  }

  private let v4 = FrontendKey(address: IPAddress("10.96.0.1")!, port: Port(80)!, transport: .tcp)
  private let v6 = FrontendKey(
    address: IPAddress("fd00:10:96::a")!, port: Port(53)!, transport: .udp)

  @Test func frontends_begin_with_their_key() {
    let record4 = FrontendRecord(key: v4, kind: .externalIP, service: 7, list: 9)
    let wire4 = bytes(WireV4.frontend(record4))
    #expect(Array(wire4.prefix(8)) == [10, 96, 0, 1, 0, 80, 6, 0])
    #expect(Array(wire4[8...]) == [9, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0])
    #expect(WireV4.record(WireV4.frontend(record4)) == record4)
    #expect(WireV4.key(of: WireV4.frontend(record4)) == v4)
    let record6 = FrontendRecord(key: v6, kind: .clusterIP, service: 7, list: 9)
    let wire6 = bytes(WireV6.frontend(record6))
    #expect(
      Array(wire6.prefix(20)) == [
        0xfd, 0, 0, 0x10, 0, 0x96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a, 0, 53, 17, 0,
      ])
    #expect(Array(wire6[20...]) == [1, 0, 0, 0, 9, 0, 0, 0, 7, 0, 0, 0])
    #expect(WireV6.record(WireV6.frontend(record6)) == record6)
    #expect(WireV6.key(of: WireV6.frontend(record6)) == v6)
  }

  @Test func slots() {
    let slot = Slot(
      backend: Backend(address: IPAddress("10.0.0.2")!, port: Port(8080)!), endpoint: 3,
      generation: 4)
    #expect(
      bytes(WireV4.slot(slot)) == [10, 0, 0, 2, 0x1f, 0x90, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0])
    #expect(WireV4.slot(WireV4.slot(slot)) == slot)
    #expect(WireV4.slot(svc_slot4()) == nil, "an unused slot has no port")
  }

  @Test func services_and_endpoints() {
    let name = ServicePortName(
      service: NamespacedName(namespace: "kube-system", name: String(repeating: "n", count: 63)),
      port: "dns-tcp", transport: .tcp)
    let record = ServiceRecord(name: name, affinityTimeout: 10_800)
    #expect(record.wireNames != nil && record.wire.text.0 == 0, "too long for the record")
    #expect(ServiceRecord(wire: record.wire, names: record.wireNames) == record)
    #expect(ServiceRecord(wire: record.wire, names: nil) == nil, "half of it")
    #expect(ServiceRecord(wire: svc_service(), names: nil) == nil)
    let free = EndpointRecord(generation: 8, service: nil)
    let used = EndpointRecord(generation: 8, service: 0)
    #expect(bytes(free.wire) == [8, 0, 0, 0, 0, 0, 0, 0])
    #expect(bytes(used.wire) == [8, 0, 0, 0, 1, 0, 0, 0])
    #expect(EndpointRecord(wire: free.wire) == free && EndpointRecord(wire: used.wire) == used)
  }

  @Test func names_are_written_where_they_have_room() {
    for (lengths, isShort) in [([20, 25, 7], true), ([20, 25, 8], false), ([63, 63, 63], false)] {
      let texts = lengths.map { String(repeating: "x", count: $0) }
      let record = ServiceRecord(
        name: ServicePortName(
          service: NamespacedName(namespace: texts[0], name: texts[1]), port: texts[2],
          transport: .sctp))
      #expect((record.wireNames == nil) == isShort)
      #expect(ServiceRecord(wire: record.wire, names: record.wireNames) == record)
    }
  }

  @Test func flags_of_a_frontend() {
    let record = FrontendRecord(
      key: v4, kind: .loadBalancer, whenEmpty: .drop, hasPolicy: true,
      sourceRanges: [IPPrefix("10.0.0.0/8")!], service: 1, list: 2)
    #expect(record.flags == 0x0704)
    let back = WireV4.record(WireV4.frontend(record))
    #expect(back?.kind == .loadBalancer && back?.whenEmpty == .drop && back?.hasPolicy == true)
  }

  @Test func choices_of_a_service() {
    let record = FrontendRecord(
      key: v6, kind: .clusterIP, udpChoice: .datagram, isTerminated: true, service: 1, list: 2)
    #expect(record.flags == 0x1801)
    #expect(WireV6.record(WireV6.frontend(record)) == record)
    let name = ServicePortName(
      service: NamespacedName(namespace: "a", name: "b"), port: "", transport: .udp)
    for (termination, bits) in [
      (Termination.udp, UInt32(1)), (.tcp, 2), ([.tcp, .udp], 3), ([], 0),
    ] {
      let service = ServiceRecord(name: name, termination: termination)
      #expect(
        service.wire.terminate == bits && ServiceRecord(wire: service.wire, names: nil) == service)
    }
  }

  @Test func kept_endpoints() {
    let kept4 = KeptRecord(
      service: 7, backend: Backend(address: IPAddress("10.0.0.2")!, port: Port(8080)!))
    #expect(bytes(WireV4.kept(kept4)) == [7, 0, 0, 0, 10, 0, 0, 2, 0x1f, 0x90, 0, 0])
    #expect(WireV4.kept(WireV4.kept(kept4)) == kept4)
    let kept6 = KeptRecord(
      service: 7, backend: Backend(address: IPAddress("fd00::2")!, port: Port(53)!))
    #expect(
      bytes(WireV6.kept(kept6)) == [
        7, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 53, 0, 0,
      ])
    #expect(WireV6.kept(WireV6.kept(kept6)) == kept6)
    #expect(WireV4.kept(svc_kept4()) == nil && WireV6.kept(svc_kept6()) == nil)
  }

  @Test func source_ranges_and_guards() {
    let range = FamilyPlan.RangeWrite(frontend: 5, range: IPPrefix("10.1.0.0/16")!)
    #expect(bytes(WireV4.range(range)) == [48, 0, 0, 0, 5, 0, 0, 0, 10, 1, 0, 0])
    #expect(WireV4.range(WireV4.range(range)) == range)
    let range6 = FamilyPlan.RangeWrite(frontend: 5, range: IPPrefix("fd00::/8")!)
    #expect(WireV6.range(WireV6.range(range6)) == range6)
  }

  @Test func addresses_that_are_guarded_spread_over_their_buckets() {
    for family in IPFamily.allCases {
      let count = GuardTable.buckets(for: 10_000)
      var used = [Int](repeating: 0, count: count)
      for number in 0..<10_000 {
        let address =
          family == .v4
          ? IPAddress(v4: 0x0a60_0000 + UInt32(number))
          : IPAddress(v6High: 0xfd00 << 48, low: UInt64(number))
        let (first, second) = GuardTable.buckets(of: address, seed: 7, count: count)
        #expect((1...UInt32(count)).contains(first) && (1...UInt32(count)).contains(second))
        let (a, b) = (Int(first) - 1, Int(second) - 1)
        used[GuardTable.ways - used[a] > GuardTable.ways / 4 || used[a] <= used[b] ? a : b] += 1
      }
      #expect(used.allSatisfy { $0 <= GuardTable.ways }, "\(used.max() ?? 0) in one")
    }
  }

  @Test func address_filter_has_bits_per_place() {
    let one = IPAddress("10.96.0.1")!
    let two = IPAddress("fd00::5")!
    var frontends = AddressFilter()
    frontends.insert(frontend: one)
    #expect(frontends.words.map(\.nonzeroBitCount).reduce(0, +) == 1)
    let hash = AddressFilter.hash(of: one)
    #expect(frontends.words[hash / 16] == 1 << UInt64(hash % 16 * 4))
    var guarded = AddressFilter()
    guarded.insert(guarded: one)
    #expect(guarded.words[hash / 16] == 2 << UInt64(hash % 16 * 4))
    guarded.insert(guarded: two)
    #expect(guarded.union(frontends).words[hash / 16] >> UInt64(hash % 16 * 4) & 15 == 3)
    #expect(guarded.union(frontends).words.map(\.nonzeroBitCount).reduce(0, +) == 3)
    var backends = AddressFilter()
    backends.insert(backend: one)
    #expect(backends.words[hash / 16] == 4 << UInt64(hash % 16 * 4))
    #expect(backends.words[hash / 16] & AddressFilter.backendBits == backends.words[hash / 16])
    #expect(AddressFilter.backendBits == 0x4444_4444_4444_4444)
  }

  /// C = Swift; abi_check.c asserts the same numbers in C, the kernel tests compare with BTF.
  @Test func sizes_are_those_of_C() {
    #expect(MemoryLayout<svc_key_bucket>.size == 64)
    #expect(MemoryLayout<svc_frontend4>.size == 24)
    #expect(MemoryLayout<svc_frontend6>.size == 32)
    #expect(MemoryLayout<svc_slot4>.size == 16)
    #expect(MemoryLayout<svc_slot6>.size == 32)
    #expect(MemoryLayout<svc_endpoint>.size == 8)
    #expect(MemoryLayout<svc_kept4>.size == 12)
    #expect(MemoryLayout<svc_kept6>.size == 24)
    #expect(MemoryLayout<svc_service>.size == 64)
    #expect(MemoryLayout<svc_guard_parameters>.offset(of: \.mask) == 8)
    #expect(MemoryLayout<svc_counters>.size == 8)
    #expect(MemoryLayout<svc_header>.size == 72)
    #expect(MemoryLayout<svc_flow>.size == 56)
    #expect(MemoryLayout<svc_socket>.size == 64)
    #expect(MemoryLayout<svc_more_flows>.size == 1016)
    #expect(MemoryLayout<svc_header>.offset(of: \.generation) == 8)
    #expect(MemoryLayout<svc_service>.offset(of: \.text) == 12)
    #expect(MemoryLayout<svc_slot6>.offset(of: \.generation) == 24)
    #expect(WireV4.targetOffset == 8 && WireV6.targetOffset == 24)
    #expect(WireV4.flagsOffset == 16 && WireV6.flagsOffset == 20)
  }
}
