extension KnownObjects {
  /// Merges what was read from manifests into what is known (`apply`).
  ///
  /// An object replaces its predecessor whole, but a Service keeps the clusterIPs that it omits
  /// and its predecessor had, and gets those it lacks from `cidrs`; so with node ports, unless its
  /// manifest has a clusterIP. With `prune` the input is the whole truth and everything else goes.
  /// The outcome does not depend on the order of `input`.
  ///
  /// - Returns: the changes and what there is to say; with an error among it (`isRefused`) the
  ///   known objects are left as they were.
  public mutating func merge(
    _ input: [ManifestObject], prune: Bool = false, cidrs: ServiceCIDRs = .standard,
    nodePorts range: NodePortRange = .standard
  ) -> ChangeSet {
    var result = ChangeSet()
    let manifests = KnownObjects.withoutRepetitions(input, &result.diagnostics)
    var addresses = ClusterIPAllocator(cidrs: cidrs)
    var ports = NodePortAllocator(range: range)
    if !prune { claimUntouched(by: manifests, in: &addresses, &ports) }
    merge(manifests, prune: prune, &addresses, &ports, &result)
    return result
  }

  /// The same without `prune`, for a process that merges again and again: it takes as long as the
  /// input is large.
  ///
  /// - Parameter allocations: what the Services here have, made by `ResidentAllocations(self)` and
  ///   kept up to date by each merge.
  public mutating func merge(
    _ input: [ManifestObject], _ allocations: inout ResidentAllocations
  ) -> ChangeSet {
    var result = ChangeSet()
    let manifests = KnownObjects.withoutRepetitions(input, &result.diagnostics)
    if !manifests.contains(where: { $0.object.kind == .service }) {
      var (addresses, ports) = (
        ClusterIPAllocator(cidrs: allocations.cidrs), NodePortAllocator(range: allocations.range)
      )
      merge(manifests, prune: false, &addresses, &ports, &result)
      return result
    }
    allocations.complete(from: self)
    for manifest in manifests { allocations.release(objects[manifest.object.id]) }
    merge(manifests, prune: false, &allocations.addresses, &allocations.ports, &result)
    // Some of it was claimed before it was refused.
    if result.isRefused { allocations.forget() }
    return result
  }

  /// - Parameters:
  ///   - addresses: with those of the Services that the input does not name.
  ///   - ports: the same.
  private mutating func merge(
    _ manifests: [ManifestObject], prune: Bool, _ addresses: inout ClusterIPAllocator,
    _ ports: inout NodePortAllocator, _ result: inout ChangeSet
  ) {
    let assigned = assignClusterIPs(manifests, &addresses, &result.diagnostics)
    let nodePorts = assignNodePorts(manifests, &ports, &result.diagnostics)
    if result.isRefused { return }

    // In place from here on: a copy of what is known would cost more than all the rest.
    var pruned: [ObjectID] = []
    if prune {
      let named = Set(manifests.lazy.map(\.object.id))
      pruned = objects.keys.filter { !named.contains($0) }.sorted()
      for id in pruned { objects[id] = nil }
    }
    objects.reserveCapacity(objects.count + manifests.count)
    result.changes.reserveCapacity(manifests.count + pruned.count)
    for (i, manifest) in manifests.enumerated() {
      let id = manifest.object.id
      let new = KnownObject(
        manifest, assignedClusterIPs: assigned[i] ?? [], assignedNodePorts: nodePorts[i] ?? [:])
      let old = objects.updateValue(new, forKey: id)
      let isSame = old.map { new.isSame(as: $0) } ?? false
      let action: ObjectChange.Action = isSame ? .unchanged : old == nil ? .created : .configured
      result.changes.append(ObjectChange(id: id, action: action))
    }
    result.changes += pruned.map { ObjectChange(id: $0, action: .pruned) }
  }

  /// Each object once; the same one again is dropped, a different one of the same name refused.
  private static func withoutRepetitions(
    _ input: [ManifestObject], _ diagnostics: inout [Diagnostic]
  ) -> [ManifestObject] {
    var firsts: [ObjectID: Int] = [:]
    firsts.reserveCapacity(input.count)
    var hasRepetitions = false
    for (i, manifest) in input.enumerated() {
      if let first = firsts.updateValue(i, forKey: manifest.object.id) {
        hasRepetitions = true
        firsts[manifest.object.id] = first
        if input[first].json == manifest.json { continue }
        let origin = input[first].origin
        diagnostics.append(
          Diagnostic(
            .error, at: manifest,
            "given twice with different content; the first is document \(origin.document) "
              + "of \(origin.file)"))
      }
    }
    if !hasRepetitions { return input }
    return input.enumerated().filter { firsts[$1.object.id] == $0 }.map(\.element)
  }
}

extension KnownObjects {
  /// One Service of the input and the clusterIPs it is to have.
  private struct Assignment {
    var name: NamespacedName
    var manifest: Int
    var explicit: [IPAddress]
    var predecessor: [IPAddress]
    var families: [IPFamily]
  }

  /// The clusterIPs to assign to Services among `manifests`, by their position there.
  ///
  /// In the order in which the API server would know of them: first what Services already have,
  /// then what the input asks for, then what is to be allocated.
  private func assignClusterIPs(
    _ manifests: [ManifestObject], _ allocator: inout ClusterIPAllocator,
    _ diagnostics: inout [Diagnostic]
  ) -> [Int: [IPAddress]] {
    let cidrs = allocator.cidrs
    var assignments = assignments(of: manifests, cidrs: cidrs, &diagnostics)
    if assignments.isEmpty { return [:] }
    // By name, so that the order of the documents decides nothing.
    assignments.sort { $0.name < $1.name }

    var assigned: [[IPAddress]] = []
    for assignment in assignments {
      assigned.append(
        assignment.predecessor.filter { old in
          assignment.families.contains(old.family)
            && !assignment.explicit.contains { $0.family == old.family }
        })
      for address in assigned[assigned.count - 1] {
        _ = allocator.claim(address, for: assignment.name)
      }
    }
    for assignment in assignments {
      for (i, address) in assignment.explicit.enumerated() {
        guard let owner = allocator.claim(address, for: assignment.name) else { continue }
        diagnostics.append(
          Diagnostic(
            .error, at: manifests[assignment.manifest], path: "spec.clusterIPs[\(i)]",
            "\(address) is already allocated to Service \(owner)"))
      }
    }
    var result: [Int: [IPAddress]] = [:]
    for (i, assignment) in assignments.enumerated() {
      for family in assignment.families {
        let has = (assignment.explicit + assigned[i]).contains { $0.family == family }
        guard !has, cidrs.has(family) else { continue }
        if let address = allocator.allocate(family, for: assignment.name) {
          assigned[i].append(address)
        } else {
          diagnostics.append(
            Diagnostic(
              .error, at: manifests[assignment.manifest], path: "spec.clusterIP",
              "no \(family) address is left in the service CIDRs \(cidrs)"))
        }
      }
      // The primary family first, as `ipFamilies` may have changed their order.
      if assigned[i].isEmpty { continue }
      result[assignment.manifest] = assignment.families.compactMap { family in
        assigned[i].first { $0.family == family }
      }
    }
    KnownObjects.noteOutside(cidrs, assignments.map { ($0.name, $0.explicit) }, &diagnostics)
    return result
  }

  private func assignments(
    of manifests: [ManifestObject], cidrs: ServiceCIDRs, _ diagnostics: inout [Diagnostic]
  ) -> [Assignment] {
    var assignments: [Assignment] = []
    for (i, manifest) in manifests.enumerated() {
      guard case .service(let service) = manifest.object, service.hasClusterIPs else { continue }
      let name = service.meta.name
      let predecessor = objects[ObjectID(kind: .service, name: name)]?.clusterIPs ?? []
      let wanted = WantedFamilies(service: service, predecessor: predecessor, cidrs: cidrs)
      for problem in wanted.problems {
        diagnostics.append(
          Diagnostic(.error, at: manifest, path: problem.path, problem.message))
      }
      assignments.append(
        Assignment(
          name: name, manifest: i, explicit: service.clusterIPs, predecessor: predecessor,
          families: wanted.families))
    }
    return assignments
  }

  /// Claims the addresses and node ports of the Services that the input does not name.
  private func claimUntouched(
    by manifests: [ManifestObject], in addresses: inout ClusterIPAllocator,
    _ ports: inout NodePortAllocator
  ) {
    let services = manifests.lazy.map(\.object.id).filter { $0.kind == .service }
    if services.isEmpty { return }
    let touched = Set(services)
    for (id, known) in objects where id.kind == .service && !touched.contains(id) {
      known.claim(&addresses, &ports)
    }
  }

  /// One note for all: a cluster with another service CIDR has them by the thousand.
  private static func noteOutside(
    _ cidrs: ServiceCIDRs, _ services: [(NamespacedName, [IPAddress])],
    _ diagnostics: inout [Diagnostic]
  ) {
    if cidrs == .none { return }
    let outside = services.filter { $0.1.contains { !cidrs.contains($0) } }
    guard let first = outside.first, let address = first.1.first(where: { !cidrs.contains($0) })
    else { return }
    let others = outside.count == 1 ? "" : ", and that of \(outside.count - 1) more,"
    diagnostics.append(
      Diagnostic(
        .note, object: "Service \(first.0)",
        "clusterIP \(address)\(others) is outside the service CIDRs \(cidrs); it is used as it is"))
  }
}
