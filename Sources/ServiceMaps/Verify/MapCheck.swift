/// Compares what the maps hold, entry by entry, with what a table asks for.
///
/// Indexes and ids are not compared, since any will do: what they lead to is. What nothing leads
/// to is not looked at (records, lists and slots behind no key; generations of free ids; counters;
/// what sockets and clients remember), nor what only says where a backend once was.
public enum MapCheck {
  /// Sorted as the table is, map by map; the same input gives the same lines.
  public static func drift(of image: MapsImage, from table: ServiceTable) -> [Drift] {
    var result: [Drift] = []
    if image.generation % 2 != 0 {
      result.append(
        Drift(
          map: "header", object: "generation", found: "\(image.generation)",
          expected: "an even number: a writer was killed, or is at work"))
    }
    if image.isGracePending {
      result.append(
        Drift(
          map: "header", object: "grace_pending", found: "1",
          expected: "0: a writer was killed, or is at work"))
    }
    for family in image.families {
      var check = FamilyCheck(family, table)
      check.run()
      result += check.drifts
    }
    return result + AddressFilter.drift(of: image, from: table)
  }
}

/// The comparison for one family.
struct FamilyCheck {
  let image: FamilyImage
  let table: ServiceTable
  let frontends: [Frontend]
  var drifts: [Drift] = []
  /// What wanted frontends use.
  var idOfService: [ServicePortName: UInt32] = [:]
  var checkedServices: [UInt32: ServicePortName] = [:]
  /// Stray words of which a line says already what is wrong.
  private var explained = Set<Int>()
  private var serviceOfList: [UInt32: UInt32] = [:]
  /// What endpoint ids stand for, as the lists have it.
  private(set) var holders: [UInt32: KeptRecord] = [:]
  private var idOfHolder: [KeptRecord: UInt32] = [:]

  init(_ image: FamilyImage, _ table: ServiceTable) {
    self.image = image
    self.table = table
    frontends = table.frontends.filter { $0.key.address.family == image.family }
  }

  mutating func add(
    _ map: String, _ object: String, has found: String, should expected: String
  ) {
    drifts.append(
      Drift(map: map + "\(image.family.rawValue)", object: object, found: found, expected: expected)
    )
  }

  mutating func run() {
    for junk in image.junk {
      add(junk.map, "-", has: junk.element, should: "no such entry")
    }
    for frontend in frontends { check(frontend) }
    let wanted = Set(frontends.lazy.map(\.key))
    for key in image.keys.keys.filter({ !wanted.contains($0) }).sorted() {
      let name = image.record(of: key).flatMap { image.services[$0.service]?.name.description }
      add("keys", "\(name ?? "-") \(key)", has: "an entry", should: "none")
    }
    for position in image.strayKeys where !explained.contains(position) {
      let index = KeyTable.index(in: image.keyTable.words[position])
      add(
        "keys", "- position \(position)", has: "an entry for index \(index), of no key there",
        should: "none")
    }
    if image.keyMask != image.keyTable.mask {
      add("keys", "-", has: "mask \(image.keyMask)", should: "\(image.keyTable.mask)")
    }
    checkServices()
    checkEndpoints()
    checkGuards()
    checkRanges()
  }

  private mutating func check(_ frontend: Frontend) {
    let name = frontend.driftName
    guard let record = image.record(of: frontend.key) else {
      if let position = image.strayPosition(of: frontend.key) {
        explained.insert(position)
        let index = KeyTable.index(in: image.keyTable.words[position])
        let found = image.records[index]
        add(
          "frontends", name,
          has: "at index \(index) " + (found?.key.map { "the record of \($0)" } ?? "no record"),
          should: "its own record")
      } else {
        add("keys", name, has: "no entry", should: "one")
      }
      return
    }
    let flags = frontend.record(service: 0, list: 0).flags
    if record.flags != flags {
      add(
        "frontends", name, has: "flags \(FrontendFlags.text(record.flags))",
        should: FrontendFlags.text(flags))
    }
    checkService(record.service, frontend)
    checkList(record, frontend)
  }

  // MARK: Service ports

  private mutating func checkService(_ id: UInt32, _ frontend: Frontend) {
    let name = frontend.driftName
    if let first = idOfService[frontend.service], first != id {
      add(
        "frontends", name, has: "service port id \(id)",
        should: "\(first), as other frontends of the service port")
    } else {
      idOfService[frontend.service] = id
    }
    guard checkedServices[id] != frontend.service else { return }
    checkedServices[id] = frontend.service
    let expected = frontend.serviceRecord
    let found = image.services[id]
    if found != expected {
      add(
        "services", name, has: found.map { "\($0.text) for id \(id)" } ?? "no record",
        should: expected.text)
    }
    let policy = FamilyImage.Policy(expected.policy)
    if let found = image.policies[id], found != policy {
      add("policies", name, has: found.text, should: policy.text)
    }
  }

  private mutating func checkServices() {
    let names = Set(frontends.lazy.map(\.service))
    for (id, record) in image.services.sorted(by: { $0.key < $1.key }) {
      if checkedServices[id] != nil { continue }
      // One whose frontend is missing waits for it.
      if names.contains(record.name) && idOfService[record.name] == nil { continue }
      add("services", "\(record.name)", has: "a record for id \(id)", should: "none")
    }
  }

  // MARK: Lists

  private mutating func checkList(_ record: FamilyImage.Record, _ frontend: Frontend) {
    let name = frontend.driftName
    guard let range = image.lists[record.list] else {
      add("frontends", name, has: "list \(record.list), which there is not", should: "its list")
      return
    }
    guard let slots = image.slots[record.list] else {
      add(
        "lists", name, has: "\(range.count) slots from \(range.base), more than there are",
        should: "\(frontend.backends.count) slots")
      return
    }
    let backends = slots.compactMap { $0?.backend }
    if backends.count < slots.count {
      add(
        "slots", name, has: "\(slots.count - backends.count) that are no backend",
        should: Drift.text(frontend.backends))
    } else if backends != frontend.backends {
      add(
        "lists", name, has: Drift.text(backends), should: Drift.text(frontend.backends))
    }
    let other = serviceOfList.updateValue(record.service, forKey: record.list)
    if let other {
      if other != record.service {
        add(
          "frontends", name, has: "list \(record.list), which is service port \(other)'s",
          should: "a list of its own service port")
      }
      return
    }
    for case .some(let slot) in slots { check(slot, of: record.service, name) }
  }

  private mutating func check(_ slot: Slot, of service: UInt32, _ name: String) {
    // Only for what differs: there may be a million slots.
    func place() -> String { "\(name) -> \(slot.backend)" }
    guard let endpoint = image.endpoint(slot.endpoint) else {
      add(
        "slots", place(), has: "endpoint id \(slot.endpoint), which there is not", should: "its id")
      return
    }
    let expected = EndpointRecord(generation: slot.generation, service: service)
    if endpoint != expected {
      add("endpoints", place(), has: endpoint.text(slot.endpoint), should: expected.text)
    }
    let holder = KeptRecord(service: service, backend: slot.backend)
    let otherHolder = holders.updateValue(holder, forKey: slot.endpoint)
    if let otherHolder, otherHolder != holder {
      add(
        "slots", place(),
        has: "endpoint id \(slot.endpoint), which is that of \(otherHolder.backend)",
        should: "an id of its own")
    }
    let otherID = idOfHolder.updateValue(slot.endpoint, forKey: holder)
    if let otherID, otherID != slot.endpoint {
      add(
        "slots", place(), has: "endpoint id \(slot.endpoint)",
        should: "\(otherID), as in another list")
    }
  }

  // MARK: Endpoints

  private mutating func checkEndpoints() {
    let serving = Set(table.keptEndpoints)
    var held = Set(holders.keys)
    for (record, id) in image.kept.sorted(by: { $0.key < $1.key }) {
      let service = image.services[record.service]?.name
      let name = "\(service?.description ?? "-") -> \(record.backend)"
      guard let service, image.endpoint(id)?.service == record.service else {
        add("kept", name, has: "id \(id), which is not its own", should: "no entry")
        continue
      }
      if let holder = holders[id] {
        add(
          "kept", name, has: "id \(id), which a list holds for \(holder.backend)",
          should: "no entry")
      } else if !serving.contains(KeptEndpoint(service: service, backend: record.backend)) {
        add("kept", name, has: "id \(id)", should: "no entry: it does not serve, or is listed")
      } else if !held.insert(id).inserted {
        add("kept", name, has: "id \(id), which another entry has", should: "an id of its own")
      }
      held.insert(id)
    }
    for (id, record) in image.endpoints.enumerated() {
      guard let service = record.service, !held.contains(UInt32(id)) else { continue }
      let name = image.services[service]?.name.description
      add(
        "endpoints", "\(name ?? "-") id \(id)", has: record.text,
        should: "none: no list and no kept endpoint has it")
    }
  }

  // MARK: Guards and source ranges

  private mutating func checkGuards() {
    let wanted = Set(table.guardedAddresses.filter { $0.family == image.family })
    for address in wanted.subtracting(image.guards).sorted() {
      add("guards", "\(address)", has: "no entry", should: "one")
    }
    for address in image.guards.subtracting(wanted).sorted() {
      add("guards", "\(address)", has: "an entry", should: "none")
    }
  }

  private mutating func checkRanges() {
    var found: [UInt32: Set<IPPrefix>] = [:]
    for write in image.ranges { found[write.frontend, default: []].insert(write.range) }
    for frontend in frontends {
      guard let index = image.keys[frontend.key] else { continue }
      let ranges = found.removeValue(forKey: index) ?? []
      let wanted = Set(frontend.sourceRanges)
      for range in wanted.subtracting(ranges).sorted() {
        add("ranges", frontend.driftName, has: "no \(range)", should: "it")
      }
      for range in ranges.subtracting(wanted).sorted() {
        add("ranges", frontend.driftName, has: "\(range)", should: "it not")
      }
    }
    for (index, ranges) in found.sorted(by: { $0.key < $1.key }) {
      for range in ranges.sorted() {
        add("ranges", "- frontend \(index)", has: "\(range)", should: "none: no key leads there")
      }
    }
  }
}

extension ServiceRecord {
  fileprivate var text: String {
    "\(name)/\(name.transport) affinity=\(affinityTimeout.map { "\($0)s" } ?? "none") "
      + "algorithm=\(algorithm) terminate=\(termination)"
  }
}

extension EndpointRecord {
  fileprivate var text: String {
    service.map { "generation \(generation) of service port \($0)" }
      ?? "generation \(generation), free"
  }

  fileprivate func text(_ id: UInt32) -> String { "for id \(id) \(text)" }
}

extension FamilyImage.Policy {
  fileprivate var text: String { "affinity \(affinityTimeout) s, algorithm \(algorithm)" }
}
