import BPFLoader
public import ServiceMaps

extension KernelTables {
  /// What the maps hold, damage and all, and whether a writer was at work all the time.
  public struct Image: Sendable {
    public var maps: MapsImage
    public var isConsistent: Bool
  }

  /// Reads the maps at one point in time, without holding up a writer: when the generation
  /// changed meanwhile, they are read again.
  ///
  /// - Parameter settled: whether nothing outside of the maps has changed since the last call;
  ///   called before and after reading.
  public func readImage(
    settled: () throws(DataplaneError) -> Bool = { () throws(DataplaneError) in true }
  ) throws(DataplaneError) -> Image {
    for _ in 0..<100 {
      _ = try settled()
      let before = generation
      if before % 2 == 0 {
        let maps = try readMaps()
        let isSame = before == generation
        if isReplaced { break }
        if isSame, try settled() { return Image(maps: maps, isConsistent: true) }
      }
      Files.sleep(milliseconds: 20)
    }
    return Image(maps: try readMaps(), isConsistent: false)
  }

  func readMaps() throws(DataplaneError) -> MapsImage {
    let families = try bpf { () throws(BPFError) in [try v4.readImage(), try v6.readImage()] }
    return MapsImage(
      families: families,
      filter: (0..<UInt32(addressFilter.count)).map { addressFilter.acquire(at: $0) },
      generation: generation, isGracePending: isGracePending)
  }

  // MARK: Repair

  /// Makes the maps hold `table`, whatever is in them. Only for whoever holds the lock.
  ///
  /// What a plan can mend is mended by plans, so in the order and with the waits of any change:
  /// lists that are damaged are written beside what is in use, and published with one store.
  /// What makes no difference to a plan is written after that, one word or element at a time.
  public func repair(_ table: ServiceTable) throws(DataplaneError) {
    try waitIfPending()
    try mendKeys()
    // Damage upon damage may hide what is wrong until the rest is right.
    for _ in 0..<4 {
      try repairOnce(table)
      if MapCheck.drift(of: try readMaps(), from: table).isEmpty { break }
    }
  }

  private func repairOnce(_ table: ServiceTable) throws(DataplaneError) {
    for _ in 0..<64 {
      let images = try readMaps().families
      var (states, plans) = try repairPlans(images, table, blockingSlots: true)
      if plans.allSatisfy(\.isEmpty) && !plans.allSatisfy(\.isComplete) {
        (states, plans) = try repairPlans(images, table, blockingSlots: false)
      }
      if plans.allSatisfy(\.isEmpty) { break }
      try write(plans, from: states)
      if plans.allSatisfy(\.isComplete) { break }
    }
    try mendRest(table)
  }

  private func repairPlans(
    _ images: [FamilyImage], _ table: ServiceTable, blockingSlots: Bool
  ) throws(DataplaneError) -> ([FamilyState], [FamilyPlan]) {
    let states = images.map { $0.stateForRepair(table, blockingSlots: blockingSlots) }
    return (states, try plan(states, table))
  }

  /// Takes away what leads programs nowhere, and lets those end that have read it.
  private func mendKeys() throws(DataplaneError) {
    let images = try readMaps().families
    let fixes = images.map { FamilyFixes(ofKeys: $0) }
    if fixes.allSatisfy(\.isEmpty) { return }
    setGeneration(generation | 1)
    setGracePending(true)
    try apply(fixes, to: images)
    try waitIfPending()
  }

  private func apply(
    _ fixes: [FamilyFixes], to images: [FamilyImage]
  ) throws(DataplaneError) {
    try bpf { () throws(BPFError) in
      for (family, fixes) in zip(images, fixes) {
        if family.family == .v4 { try v4.apply(fixes) } else { try v6.apply(fixes) }
      }
    }
  }

  private func mendRest(_ table: ServiceTable) throws(DataplaneError) {
    let image = try readMaps()
    let fixes = image.families.map { FamilyFixes($0, table) }
    // Odd already when a writer was killed.
    let generation = self.generation / 2 * 2
    setGeneration(generation + 1)
    defer { setGeneration(generation + 2) }
    if fixes.contains(where: { !$0.isEmpty }) { setGracePending(true) }
    try apply(fixes, to: image.families)
    setAddressFilter(AddressFilter(of: image, for: table))
    try waitIfPending()
  }
}
