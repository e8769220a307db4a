import ServiceMaps

/// One way in which the maps of a family can be wrong.
struct Damage: Sendable {
  var name: String
  /// - Returns: false when there is nothing in these maps that it could be done to.
  var body: @Sendable (inout FamilyImage, inout SeededGenerator) -> Bool

  static let all: [Damage] =
    keys + frontends + lists + slots + others

  private static let keys = [
    Damage(name: "a key is gone") { image, random in
      image.changeWord(&random) { $0 = 0 }
    },
    Damage(name: "a key that nobody asked for") { image, random in
      guard let index = image.keys.values.sorted().randomElement(using: &random),
        var record = image.records[index]
      else { return false }
      let free = (image.records.keys.max() ?? 0) + 1
      record.key = clusterIP(999)
      image.records[free] = record
      guard image.keyTable.insert(clusterIP(999), index: free) != nil else { return false }
      image.findKeys()
      return true
    },
    Damage(name: "a key leads to another's record") { image, random in
      guard let other = image.keys.values.sorted().randomElement(using: &random) else {
        return false
      }
      return image.changeWord(&random) { word in
        let index = UInt64(KeyTable.index(in: word) == other ? other + 1 : other)
        word = word & ~0xffffff | index
      }
    },
    Damage(name: "a key leads out of the map") { image, random in
      image.changeWord(&random) { $0 |= 0xfffff0 }
    },
    Damage(name: "a key that no program finds") { image, random in
      let bit = UInt64.random(in: 24...63, using: &random)
      return image.changeWord(&random) { $0 ^= 1 << bit }
    },
    Damage(name: "a key twice") { image, random in
      guard let key = image.keys.keys.sorted().randomElement(using: &random),
        let index = image.keys[key], image.keyTable.insert(key, index: index) != nil
      else { return false }
      image.findKeys()
      return true
    },
    Damage(name: "another mask") { image, _ in
      image.keyMask ^= 8
      return true
    },
  ]

  private static let frontends = [
    Damage(name: "a record with another key") { image, random in
      image.changeRecord(&random) { $0.key = clusterIP(888) }
    },
    Damage(name: "a record that is none") { image, random in
      image.changeRecord(&random) { $0.key = nil }
    },
    Damage(name: "another kind") { image, random in image.changeRecord(&random) { $0.flags ^= 7 } },
    Damage(name: "a flag") { image, random in
      let bit = UInt32.random(in: 8...14, using: &random)
      return image.changeRecord(&random) { $0.flags ^= 1 << bit }
    },
    Damage(name: "another service port") { image, random in
      let other = UInt32.random(in: 0..<40, using: &random)
      return image.changeRecord(&random) { $0.service = $0.service == other ? 41 : other }
    },
    Damage(name: "another list") { image, random in
      guard let list = image.lists.keys.sorted().randomElement(using: &random) else { return false }
      guard image.lists.count > 1 else { return false }
      // Lists of one service port that are empty are as good as one another.
      guard image.slots[list]?.isEmpty == false else { return false }
      return image.changeRecord(&random) { record in
        record.list = record.list == list ? 1 << 29 : list
      }
    },
  ]

  private static let lists = [
    Damage(name: "a list that is shorter") { image, random in
      image.changeList(&random) { range, slots in
        range.count -= 1
        slots.removeLast()
      }
    },
    Damage(name: "a list that leads out of the map") { image, random in
      guard let list = image.lists.keys.sorted().randomElement(using: &random) else { return false }
      image.lists[list] = SlotRange(base: 5, count: .max)
      image.slots[list] = nil
      return true
    },
    Damage(name: "a list that leads into another's slots") { image, random in
      let full = image.lists.keys.sorted().filter { image.slots[$0]?.isEmpty == false }
      guard let a = full.randomElement(using: &random),
        let b = full.first(where: { list in
          image.slots[list]?.map { $0?.backend } != image.slots[a]?.map { $0?.backend }
        })
      else { return false }
      image.lists[a] = image.lists[b]
      image.slots[a] = image.slots[b]
      return true
    },
  ]

  private static let slots = [
    Damage(name: "a slot that is none") { image, random in
      image.changeSlot(&random) { $0 = nil }
    },
    Damage(name: "another backend") { image, random in
      image.changeSlot(&random) { $0?.backend = backend(77) }
    },
    Damage(name: "an older generation") { image, random in
      image.changeSlot(&random) { $0?.generation &-= 1 }
    },
    Damage(name: "a newer generation") { image, random in
      image.changeSlot(&random) { $0?.generation &+= 3 }
    },
    Damage(name: "another endpoint's id") { image, random in
      let other = UInt32.random(in: 0..<40, using: &random)
      return image.changeSlot(&random) { slot in
        let id: UInt32 = slot?.endpoint == other ? 41 : other
        slot?.endpoint = id
      }
    },
    Damage(name: "an endpoint id that there is not") { image, random in
      image.changeSlot(&random) { $0?.endpoint = 1 << 28 }
    },
    Damage(name: "an endpoint of another generation") { image, random in
      image.changeEndpoint(&random) { $0.generation &+= 2 }
    },
    Damage(name: "an endpoint of another service port") { image, random in
      image.changeEndpoint(&random) { $0.service = 50 }
    },
    Damage(name: "an endpoint that is free") { image, random in
      image.changeEndpoint(&random) { $0.service = nil }
    },
    Damage(name: "an endpoint that nothing holds") { image, random in
      image.endpoints += [EndpointRecord(), EndpointRecord(generation: 4, service: 0)]
      return true
    },
  ]

  private static let others = [
    Damage(name: "a service port without a name") { image, random in
      guard let id = image.services.keys.sorted().randomElement(using: &random) else {
        return false
      }
      image.services[id] = nil
      return true
    },
    Damage(name: "a service port with another name") { image, random in
      guard let id = image.services.keys.sorted().randomElement(using: &random) else {
        return false
      }
      image.services[id]?.name = serviceName(Int.random(in: 0..<14, using: &random), port: "x")
      return true
    },
    Damage(name: "a name that nothing has") { image, _ in
      image.services[33] = ServiceRecord(name: serviceName(66))
      return true
    },
    Damage(name: "a name twice") { image, random in
      guard
        let record = image.services.sorted(by: { $0.key < $1.key }).map(\.value)
          .randomElement(using: &random)
      else { return false }
      image.services[34] = record
      return true
    },
    Damage(name: "another policy") { image, random in
      let used = Set(image.records.values.map(\.service))
      guard
        let id = image.policies.keys.filter(used.contains).sorted()
          .randomElement(using: &random)
      else { return false }
      image.policies[id]?.algorithm &+= 5
      return true
    },
    Damage(name: "a kept endpoint that is none") { image, _ in
      image.kept[KeptRecord(service: 0, backend: backend(99))] = 17
      return true
    },
    Damage(name: "two kept endpoints with one id") { image, _ in
      image.endpoints += [EndpointRecord(generation: 1, service: 0)]
      let id = UInt32(image.endpoints.count - 1)
      image.kept[KeptRecord(service: 0, backend: backend(98))] = id
      image.kept[KeptRecord(service: 0, backend: backend(97))] = id
      return true
    },
    Damage(name: "a guard is gone") { image, random in
      guard let address = image.guards.sorted().randomElement(using: &random) else { return false }
      image.guards.remove(address)
      return true
    },
    Damage(name: "a guard that nobody asked for") { image, _ in
      image.guards.insert(clusterIP(777).address)
      return true
    },
    Damage(name: "a source range is gone") { image, random in
      guard let range = image.ranges.randomElement(using: &random) else { return false }
      image.ranges.removeAll { $0 == range }
      return true
    },
    Damage(name: "a source range that nobody asked for") { image, random in
      guard let index = image.keys.values.sorted().randomElement(using: &random),
        let range = IPPrefix("10.77.0.0/16")
      else { return false }
      image.ranges.append(.init(frontend: index, range: range))
      return true
    },
    Damage(name: "a source range of no frontend") { image, _ in
      guard let range = IPPrefix("10.77.0.0/16") else { return false }
      image.ranges.append(.init(frontend: 100, range: range))
      return true
    },
    Damage(name: "an entry that is none") { image, _ in
      image.junk.append(.init(map: "kept", element: "00"))
      return true
    },
  ]
}

extension FamilyImage {
  /// Only what words of keys lead to is part of an image.
  mutating func forgetUnused() {
    let used = Set(keyTable.words.lazy.filter { $0 != 0 }.map { KeyTable.index(in: $0) })
    records = records.filter { used.contains($0.key) }
    let usedLists = Set(records.values.map(\.list))
    lists = lists.filter { usedLists.contains($0.key) }
    slots = slots.filter { usedLists.contains($0.key) }
    findKeys()
  }

  fileprivate mutating func changeWord(
    _ random: inout SeededGenerator, _ change: (inout UInt64) -> Void
  ) -> Bool {
    guard let key = keys.keys.sorted().randomElement(using: &random),
      let position = position(of: key)
    else { return false }
    var word = keyTable.words[position]
    change(&word)
    keyTable.store(word, at: position)
    forgetUnused()
    return true
  }

  fileprivate mutating func changeRecord(
    _ random: inout SeededGenerator, _ change: (inout Record) -> Void
  ) -> Bool {
    guard let index = records.keys.sorted().randomElement(using: &random) else { return false }
    records[index].map { record in
      var record = record
      change(&record)
      records[index] = record
    }
    // Its list is one that the kernel would show.
    if let list = records[index]?.list, lists[list] == nil, Int(list) < capacities.physicalLists {
      lists[list] = SlotRange(base: 0, count: 0)
      slots[list] = []
    }
    forgetUnused()
    return true
  }

  fileprivate mutating func changeList(
    _ random: inout SeededGenerator, _ change: (inout SlotRange, inout [Slot?]) -> Void
  ) -> Bool {
    let full = lists.keys.sorted().filter { slots[$0]?.isEmpty == false }
    guard let list = full.randomElement(using: &random), var range = lists[list],
      var content = slots[list]
    else { return false }
    change(&range, &content)
    lists[list] = range
    slots[list] = content
    return true
  }

  fileprivate mutating func changeSlot(
    _ random: inout SeededGenerator, _ change: (inout Slot?) -> Void
  ) -> Bool {
    changeList(&random) { _, slots in
      change(&slots[slots.count / 2])
    }
  }

  fileprivate mutating func changeEndpoint(
    _ random: inout SeededGenerator, _ change: (inout EndpointRecord) -> Void
  ) -> Bool {
    let used = endpoints.indices.filter { endpoints[$0].service != nil }
    guard let id = used.randomElement(using: &random) else { return false }
    change(&endpoints[id])
    return true
  }
}
