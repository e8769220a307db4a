public import CServiceABI

// What a comparison needs of the wire format beyond the entries that make sense.

/// The parts of a frontend record, whatever is in them.
public protocol WireImage: WireFamily {
  static func image(_ frontend: WireFrontend) -> FamilyImage.Record
}

extension WireV4: WireImage {
  public static func image(_ frontend: svc_frontend4) -> FamilyImage.Record {
    FamilyImage.Record(
      key: key(of: frontend), flags: frontend.flags,
      service: UInt32(truncatingIfNeeded: frontend.target >> 32),
      list: UInt32(truncatingIfNeeded: frontend.target))
  }
}

extension WireV6: WireImage {
  public static func image(_ frontend: svc_frontend6) -> FamilyImage.Record {
    FamilyImage.Record(
      key: key(of: frontend), flags: frontend.flags,
      service: UInt32(truncatingIfNeeded: frontend.target >> 32),
      list: UInt32(truncatingIfNeeded: frontend.target))
  }
}

extension FamilyImage.Policy {
  public init(_ wire: svc_policy) {
    self.init(affinityTimeout: wire.affinity_timeout, algorithm: wire.algorithm)
  }
}

/// svc_frontend*.flags, for messages.
enum FrontendFlags {
  private static let names: [(svc_frontend_flags, String)] = [
    (SVC_FRONTEND_DROP, "drop"), (SVC_FRONTEND_SOURCE_RANGES, "source-ranges"),
    (SVC_FRONTEND_POLICY, "policy"), (SVC_FRONTEND_PER_DATAGRAM, "per-datagram"),
    (SVC_FRONTEND_TERMINATE, "terminate"),
  ]

  /// `ClusterIP,policy`
  static func text(_ flags: UInt32) -> String {
    let kind = flags & UInt32(SVC_KIND_MASK)
    var words = [FrontendKind(wire: svc_kind(rawValue: kind))?.rawValue ?? "kind \(kind)"]
    var rest = flags & ~UInt32(SVC_KIND_MASK)
    for (flag, name) in names where rest & flag.rawValue != 0 {
      words.append(name)
      rest &= ~flag.rawValue
    }
    if rest != 0 { words.append("0x" + String(rest, radix: 16)) }
    return words.joined(separator: ",")
  }
}

extension FrontendRecord {
  /// A record out of its parts; where the kind is none, another one than `kind` stands for it.
  init(
    _ image: FamilyImage.Record, key: FrontendKey, sourceRanges: [IPPrefix],
    insteadOf kind: FrontendKind?
  ) {
    let found = FrontendKind(wire: svc_kind(rawValue: image.flags & UInt32(SVC_KIND_MASK)))
    self.init(
      key: key, kind: found ?? (kind == .hostPort ? .clusterIP : .hostPort),
      whenEmpty: image.flags & SVC_FRONTEND_DROP.rawValue != 0 ? .drop : .refuse,
      hasPolicy: image.flags & SVC_FRONTEND_POLICY.rawValue != 0,
      udpChoice: image.flags & SVC_FRONTEND_PER_DATAGRAM.rawValue != 0 ? .datagram : .socket,
      isTerminated: image.flags & SVC_FRONTEND_TERMINATE.rawValue != 0,
      sourceRanges: sourceRanges, service: image.service, list: image.list)
  }
}

extension AddressFilter {
  /// Bits that are missing, by address, and bits of frontends and guards that stand for nothing.
  /// Bits of backends stay for as long as a socket may remember one.
  static func drift(of image: MapsImage, from table: ServiceTable) -> [Drift] {
    let expected = AddressFilter(of: image, for: table)
    guard image.filter.count == expected.words.count else {
      return [
        Drift(
          map: "address_filter", object: "-", found: "\(image.filter.count) words",
          expected: "\(expected.words.count)")
      ]
    }
    var result: [Drift] = []
    var said = Set<Said>()
    func check(_ bit: svc_filter, _ address: IPAddress, _ what: String) {
      let hash = hash(of: address)
      let word = image.filter[hash / Int(SVC_FILTER_PLACES)]
      let mask =
        UInt64(bit.rawValue) << UInt64(hash % Int(SVC_FILTER_PLACES) * Int(SVC_FILTER_BITS))
      guard word & mask == 0, said.insert(Said(bit: bit.rawValue, address: address)).inserted else {
        return
      }
      result.append(
        Drift(
          map: "address_filter", object: "\(address)", found: "no bit", expected: "that of \(what)")
      )
    }
    forEachAddress(of: image, for: table) { check($0, $1, $2) }
    for (index, word) in image.filter.enumerated() {
      let surplus = word & ~(expected.words[index] | backendBits)
      if surplus == 0 { continue }
      result.append(
        Drift(
          map: "address_filter", object: "word \(index)",
          found: "bits 0x" + String(surplus, radix: 16), expected: "none of them"))
    }
    return result
  }

  private struct Said: Hashable {
    var bit: UInt32
    var address: IPAddress
  }

  /// The bits that have to be set.
  public init(of image: MapsImage, for table: ServiceTable) {
    self.init()
    var result = self
    AddressFilter.forEachAddress(of: image, for: table) { bit, address, _ in
      switch bit {
      case SVC_FILTER_FRONTEND: result.insert(frontend: address)
      case SVC_FILTER_GUARDED: result.insert(guarded: address)
      default: result.insert(backend: address)
      }
    }
    self = result
  }

  private static func forEachAddress(
    of image: MapsImage, for table: ServiceTable, _ visit: (svc_filter, IPAddress, String) -> Void
  ) {
    for frontend in table.frontends {
      visit(SVC_FILTER_FRONTEND, frontend.key.address, "a frontend")
      for backend in frontend.backends {
        visit(SVC_FILTER_BACKEND, backend.address, "a backend")
      }
    }
    for address in table.guardedAddresses { visit(SVC_FILTER_GUARDED, address, "a guard") }
    for family in image.families {
      for record in family.kept.keys {
        visit(SVC_FILTER_BACKEND, record.backend.address, "a backend")
      }
    }
  }
}
