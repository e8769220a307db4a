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

  /// The candidates for one port of `service` in one family.
  func candidates(
    for port: Service.ServicePort, of service: Service, family: IPFamily
  ) -> EndpointCandidates {
    switch self {
    case .slices(let slices): EndpointCandidates(slices, port: port, family: family)
    case .endpoints(let endpoints):
      EndpointCandidates(
        endpoints, port: port, family: family,
        publishNotReady: service.publishNotReadyAddresses)
    case .pods(let pods):
      EndpointCandidates(
        pods, port: port, family: family, publishNotReady: service.publishNotReadyAddresses)
    case .nothing: EndpointCandidates()
    }
  }
}

extension EndpointCandidates {
  /// The union over all slices of the family; ports are matched by name and protocol, and each
  /// slice has its own port number (pkg/proxy/endpointslicecache.go, endpointInfoByServicePort).
  init(_ slices: [EndpointSlice], port: Service.ServicePort, family: IPFamily) {
    let addressType: EndpointSlice.AddressType = family == .v4 ? .v4 : .v6
    self.init()
    for slice in slices where slice.addressType == addressType {
      for slicePort in slice.ports
      where slicePort.transport == port.transport && slicePort.name == port.name {
        for i in slice.endpoints.indices where slice.endpoints[i].address.family == family {
          append(slice.endpoints[i].address, slicePort.port, slice.endpoints[i].conditions)
        }
      }
    }
  }

  /// Subsets are addresses × ports. The not-ready ones come first, so that an address which is
  /// ready in another subset is ready.
  init(
    _ endpoints: Endpoints, port: Service.ServicePort, family: IPFamily, publishNotReady: Bool
  ) {
    self.init()
    let notReady: EndpointCandidate.Conditions = publishNotReady ? [.ready, .serving] : []
    for (addresses, conditions) in [
      (\Endpoints.Subset.notReadyAddresses, notReady), (\.addresses, [.ready, .serving]),
    ] {
      for subset in endpoints.subsets {
        for subsetPort in subset.ports
        where subsetPort.transport == port.transport && subsetPort.name == port.name {
          for address in subset[keyPath: addresses] where address.family == family {
            append(address, subsetPort.port, conditions)
          }
        }
      }
    }
  }

  /// One endpoint per Pod, at the Pod's own number for a named targetPort; a Pod that does not
  /// have the name is left out (k8s.io/endpointslice, podToEndpoint and FindPort).
  ///
  /// `publishNotReadyAddresses` makes all of them ready, terminating ones too. Otherwise one
  /// that terminates is not ready, but still serves as long as its Ready condition holds.
  init(_ pods: [Pod], port: Service.ServicePort, family: IPFamily, publishNotReady: Bool) {
    self.init()
    for pod in pods where !pod.isFinished {
      guard let address = pod.addresses.first(where: { $0.family == family }),
        let number = pod.number(of: port)
      else { continue }
      var conditions: EndpointCandidate.Conditions = []
      if publishNotReady || (pod.isReady && !pod.isTerminating) { conditions.insert(.ready) }
      if publishNotReady || pod.isReady { conditions.insert(.serving) }
      if pod.isTerminating { conditions.insert(.terminating) }
      append(address, number, conditions)
    }
  }
}

extension EndpointSlice.Endpoint {
  var conditions: EndpointCandidate.Conditions {
    var conditions: EndpointCandidate.Conditions = []
    if isReady { conditions.insert(.ready) }
    if isServing { conditions.insert(.serving) }
    if isTerminating { conditions.insert(.terminating) }
    return conditions
  }
}

extension Pod {
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
