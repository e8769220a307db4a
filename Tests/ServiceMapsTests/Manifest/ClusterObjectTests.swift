import ServiceMaps
import Testing

/// What is kept of objects as an API server sends them.
@Suite struct ClusterObjectTests {
  private func item(_ kind: ObjectKind, _ json: String) -> ClusterItem? {
    ClusterDecoder(kind).item(Array(json.utf8))
  }

  private func text(_ item: ClusterItem?) -> String {
    String(decoding: item?.object?.json ?? [], as: UTF8.self)
  }

  private let slice = #"""
    {"metadata":{"name":"web-x","namespace":"shop","uid":"1","resourceVersion":"42","generation":3,
     "labels":{"kubernetes.io/service-name":"web","endpointslice.kubernetes.io/managed-by":"c","app":"y"},
     "annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"2026-01-02T03:04:05Z"},
     "ownerReferences":[{"kind":"Service","name":"web"}],"managedFields":[{"manager":"m"}],
     "creationTimestamp":"2026-01-01T00:00:00Z"},
     "addressType":"IPv4",
     "endpoints":[{"addresses":["10.1.0.1"],"conditions":{"ready":true,"serving":true},
       "targetRef":{"kind":"Pod","name":"web-1"},"nodeName":"n","zone":"z","hostname":"h",
       "hints":{"forZones":[{"name":"z"}]}},
       {"addresses":["10.1.0.2"],"conditions":{"ready":false,"serving":true,"terminating":true}}],
     "ports":[{"name":"http","port":8080,"protocol":"TCP"}]}
    """#

  @Test func aSliceIsReducedToWhatRulesRead() {
    let found = item(.endpointSlice, slice)
    #expect(found?.resourceVersion == "42")
    #expect(
      text(found)
        == #"{"addressType":"IPv4","apiVersion":"discovery.k8s.io/v1","endpoints":[{"addresses":["10.1.0.1"],"#
        + #""hints":{"forZones":[{"name":"z"}]},"nodeName":"n","zone":"z"},{"addresses":["10.1.0.2"],"#
        + #""conditions":{"ready":false,"serving":true,"terminating":true}}],"kind":"EndpointSlice","metadata":{"annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"2026-01-02T03:04:05Z"},"#
        + #""creationTimestamp":"2026-01-01T00:00:00Z","labels":{"kubernetes.io/service-name":"web"},"#
        + #""name":"web-x","namespace":"shop"},"ports":[{"name":"http","port":8080,"protocol":"TCP"}]}"#
    )
  }

  /// What is stored must be read again as the same, or each start would change everything.
  @Test func whatIsKeptIsReadAgainAsTheSame() {
    let objects: [(ObjectKind, String)] = [
      (.endpointSlice, slice),
      (
        .service,
        #"""
        {"metadata":{"name":"web","namespace":"shop","resourceVersion":"1","labels":{"app":"web"},
         "annotations":{"socklb.io/algorithm":"round-robin","kubectl.kubernetes.io/last-applied-configuration":"{}"}},
         "spec":{"clusterIP":"10.96.1.1","clusterIPs":["10.96.1.1"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"PreferDualStack",
          "ports":[{"name":"http","port":80,"targetPort":8080,"nodePort":30080,"protocol":"TCP"}],"selector":{"app":"web"},
          "sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":9}},"type":"LoadBalancer",
          "healthCheckNodePort":31000,"externalTrafficPolicy":"Local"},
         "status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1","ipMode":"VIP"}]},"conditions":[{"type":"x"}]}}
        """#
      ),
      (
        .pod,
        #"""
        {"metadata":{"name":"p","namespace":"shop","labels":{"app":"web"}},
         "spec":{"nodeName":"n","containers":[{"name":"c","image":"i","ports":[{"containerPort":80,"hostPort":8080}]}]},
         "status":{"phase":"Running","podIP":"10.1.0.7","podIPs":[{"ip":"10.1.0.7"}],
          "conditions":[{"type":"Ready","status":"True","lastProbeTime":null}]}}
        """#
      ),
      (
        .node,
        #"""
        {"metadata":{"name":"n","labels":{"topology.kubernetes.io/zone":"z","kubernetes.io/arch":"amd64"}},
         "spec":{"taints":[{"key":"ToBeDeletedByClusterAutoscaler","effect":"NoSchedule"}]},
         "status":{"addresses":[{"type":"InternalIP","address":"192.0.2.9"}],"images":[{"names":["x"]}]}}
        """#
      ),
    ]
    for (kind, json) in objects {
      let found = item(kind, json)
      guard let object = found?.object else {
        Issue.record("\(kind): \(found?.diagnostics ?? [])")
        continue
      }
      var again = decodeObject(object.json)
      if case .service(var service)? = again {
        // Those that no rule looks at are in the JSON only.
        #expect(service.meta.labels == ["app": "web"])
        service.meta.labels = [:]
        again = .service(service)
      }
      #expect(again == object.object, "\(kind)")
      #expect(!text(found).contains("last-applied") && !text(found).contains("images"))
    }
  }

  @Test func podsWithoutHostPortsAreOfNoInterest() {
    let found = item(
      .pod,
      #"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","ports":[{"containerPort":80}]}]}}"#
    )
    #expect(found != nil && found?.object == nil && found?.hasErrors == false)
  }

  @Test func whatIsWrongIsSaidWithoutAFile() {
    let found = item(.service, #"{"metadata":{"name":"web"},"spec":{"ports":[{"port":0}]}}"#)
    #expect(found?.object == nil && found?.hasErrors == true)
    #expect(
      found?.diagnostics.first?.description.hasPrefix("Service default/web: spec.ports[0].port: ")
        == true)
  }

  @Test func eventsAreTold() {
    let decoder = ClusterDecoder(.service)
    func event(_ text: String) -> ClusterEvent { decoder.event(Array(text.utf8)) }
    if case .present(let item) = event(
      #"{"type":"MODIFIED","object":{"kind":"Service","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"5"},"spec":{"clusterIP":"10.96.0.9","ports":[{"port":1}]}}}"#
    ) {
      #expect(item.resourceVersion == "5" && item.object != nil)
    } else {
      Issue.record("no change")
    }
    if case .deleted(let id, let version) = event(
      #"{"type":"DELETED","object":{"metadata":{"name":"a","namespace":"b","resourceVersion":"6"}}}"#
    ) {
      #expect(id.name.description == "b/a" && version == "6")
    } else {
      Issue.record("not deleted")
    }
    if case .bookmark(let version, let ends) = event(
      #"{"type":"BOOKMARK","object":{"kind":"Service","metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}}"#
    ) {
      #expect(version == "7" && ends)
    } else {
      Issue.record("no bookmark")
    }
    if case .failed(let status) = event(
      #"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old","details":{"retryAfterSeconds":2,"causes":[{"reason":"ResourceVersionTooLarge"}]}}}"#
    ) {
      #expect(status.code == 410 && status.reason == "Expired" && status.retryAfterSeconds == 2)
      #expect(status.causes == ["ResourceVersionTooLarge"])
    } else {
      Issue.record("no error")
    }
    for text in ["", "{}", "[1]", #"{"type":"ADDED","object":{"metadata":{}}}"#, "{\"type\":\"A"] {
      if case .undecodable = event(text) { continue }
      Issue.record("\(text) was read")
    }
    if case .unknown("NEW") = event(#"{"type":"NEW","object":{}}"#) {
    } else {
      Issue.record("known")
    }
  }

  @Test func headsOfListsAreTold() {
    func head(_ text: String) -> ClusterListHead? {
      ClusterDecoder(.service).head(Array(text.utf8))
    }
    #expect(
      head(#"{"kind":"ServiceList","metadata":{"resourceVersion":"9","continue":"t"},"items":[]}"#)
        == ClusterListHead(resourceVersion: "9", continueToken: "t"))
    #expect(head(#"{"kind":"PodList","metadata":{"resourceVersion":"9"}}"#) == nil)
    #expect(head(#"{"kind":"Status","code":403}"#) == nil)
  }
}
