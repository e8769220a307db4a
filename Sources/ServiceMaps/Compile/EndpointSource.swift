/// Where the endpoints of a Service come from. One kind of object only, never a mixture: a
/// cluster has the same endpoints as slices, as Endpoints and as Pods.
enum EndpointSource {
  /// Sorted by name. What kube-proxy reads.
  case slices([EndpointSlice])
  /// Clusters mirror them to slices (the endpointslicemirroring controller).
  case endpoints(Endpoints)
  /// What the endpointslice controller makes slices of.
  case pods([Pod])
  case nothing
}

/// Asks for the candidates of one port of a Service in one family, as seen from `node`.
struct EndpointQuestion {
  var port: Service.ServicePort
  /// `spec.publishNotReadyAddresses`: what makes endpoints of Pods and of Endpoints objects.
  /// Slices carry the outcome already.
  var publishNotReady: Bool
  var family: IPFamily
  var node: NodeIdentity
  /// Whether to keep what is passed over.
  var isExplained = false

  func ask(_ source: EndpointSource) -> EndpointCandidates {
    let found =
      switch source {
      case .slices(let slices): candidates(of: slices)
      case .endpoints(let endpoints): candidates(of: endpoints)
      case .pods(let pods): candidates(of: pods)
      case .nothing: EndpointCandidates(isExplained: isExplained)
      }
    return found.withoutDuplicates()
  }

  // MARK: Slices

  /// The union over all slices of the family; ports are matched by name and protocol, and each
  /// slice has its own port number (pkg/proxy/endpointslicecache.go, endpointInfoByServicePort).
  private func candidates(of slices: [EndpointSlice]) -> EndpointCandidates {
    let addressType: EndpointSlice.AddressType = family == .v4 ? .v4 : .v6
    var result = EndpointCandidates(isExplained: isExplained)
    for slice in slices {
      guard slice.addressType == addressType else {
        passOver(slice, .otherFamily, &result)
        continue
      }
      var hasPort = false
      for slicePort in slice.ports
      where slicePort.transport == port.transport && slicePort.name == port.name {
        hasPort = true
        for i in slice.endpoints.indices where slice.endpoints[i].address.family == family {
          result.append(
            slice.endpoints[i].address, slicePort.port,
            slice.endpoints[i].conditions(on: node))
        }
      }
      if !hasPort { passOver(slice, .noSuchPort, &result) }
    }
    return result
  }

  private func passOver(
    _ slice: EndpointSlice, _ reason: LeftOutReason, _ result: inout EndpointCandidates
  ) {
    guard isExplained else { return }
    for endpoint in slice.endpoints { result.passOver(endpoint.address, reason) }
  }

  // MARK: Endpoints

  /// Subsets are addresses × ports. The not-ready ones come first, so that an address which is
  /// ready in another subset is ready.
  private func candidates(of endpoints: Endpoints) -> EndpointCandidates {
    var result = EndpointCandidates(isExplained: isExplained)
    let notReady: EndpointCandidate.Conditions =
      publishNotReady ? [.ready, .serving] : []
    for (addresses, conditions) in [
      (\Endpoints.Subset.notReadyAddresses, notReady), (\.addresses, [.ready, .serving]),
    ] {
      for subset in endpoints.subsets {
        let ports = subset.ports.filter {
          $0.transport == port.transport && $0.name == port.name
        }
        for address in subset[keyPath: addresses] {
          guard address.family == family, !ports.isEmpty else {
            result.passOver(address, address.family == family ? .noSuchPort : .otherFamily)
            continue
          }
          var conditions = conditions
          if node.isNamed(subset.nodeNames[address]) { conditions.insert(.onThisNode) }
          for subsetPort in ports { result.append(address, subsetPort.port, conditions) }
        }
      }
    }
    return result
  }

  // MARK: Pods

  /// One endpoint per Pod, at the Pod's own number for a named targetPort; a Pod that does not
  /// have the name is left out (k8s.io/endpointslice, podToEndpoint and FindPort).
  private func candidates(of pods: [Pod]) -> EndpointCandidates {
    var result = EndpointCandidates(isExplained: isExplained)
    for pod in pods {
      let own = pod.addresses.first { $0.family == family }
      guard let address = own, let number = pod.number(of: port), !pod.isFinished else {
        let reason: LeftOutReason =
          pod.isFinished ? .finished : own == nil ? .otherFamily : .noSuchPort
        result.passOver(own ?? pod.addresses.first, reason)
        continue
      }
      result.append(
        address, number, pod.conditions(on: node, publishNotReady: publishNotReady))
    }
    return result
  }
}

extension NodeIdentity {
  /// Whether an object with this `nodeName` is on this node; without a name nothing is.
  func isNamed(_ nodeName: String?) -> Bool { !name.isEmpty && nodeName == name }
}

extension EndpointSlice.Endpoint {
  fileprivate func conditions(on node: NodeIdentity) -> EndpointCandidate.Conditions {
    var conditions: EndpointCandidate.Conditions = []
    if isReady { conditions.insert(.ready) }
    if isServing { conditions.insert(.serving) }
    if isTerminating { conditions.insert(.terminating) }
    if nodeName != nil, node.isNamed(nodeName) { conditions.insert(.onThisNode) }
    if !hintedNodes.isEmpty {
      conditions.insert(.hasNodeHints)
      if hintedNodes.contains(where: node.isNamed) { conditions.insert(.hintedToThisNode) }
    }
    if !hintedZones.isEmpty {
      conditions.insert(.hasZoneHints)
      if let zone = node.zone, hintedZones.contains(zone) { conditions.insert(.hintedToThisZone) }
    }
    return conditions
  }
}

extension Pod {
  /// `publishNotReadyAddresses` makes all of them ready, terminating ones too. Otherwise one
  /// that terminates is not ready, but still serves as long as its Ready condition holds.
  fileprivate func conditions(
    on node: NodeIdentity, publishNotReady: Bool
  ) -> EndpointCandidate.Conditions {
    var conditions: EndpointCandidate.Conditions = []
    if publishNotReady || (isReady && !isTerminating) { conditions.insert(.ready) }
    if publishNotReady || isReady { conditions.insert(.serving) }
    if isTerminating { conditions.insert(.terminating) }
    if isLocal(to: node) { conditions.insert(.onThisNode) }
    return conditions
  }

  /// A Pod without `spec.nodeName` is taken for one of this node: in a cluster such a Pod does
  /// not run at all, so this one was written by hand, where there is no other node.
  func isLocal(to node: NodeIdentity) -> Bool { nodeName == nil || node.isNamed(nodeName) }

  /// The number that the targetPort of `port` means in this Pod.
  func number(of port: Service.ServicePort) -> Port? {
    switch port.targetPort {
    case nil: port.port
    case .number(let number): number
    case .name(let name):
      ports.first { $0.name == name && $0.transport == port.transport }?.port
    }
  }
}
