import APIServerKit
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// `socklb run --kubeconfig`: what an API server says is served, as it changes.
let clusterTests: [KernelTest] = [
  KernelTest("cluster_what_the_api_server_says_is_served") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    let cluster = try TestCluster(sandbox)
    try cluster.server.apply(Manifest.both("web", vip: web, [pods.places[0]]))
    let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig)
    try awaitAnswer(web, pods, pods.places[0])
    try cluster.server.apply(Manifest.slice("web", [pods.places[1]]))
    try awaitAnswer(web, pods, pods.places[1])
    try cluster.server.apply(Manifest.both("mail", vip: mail, [pods.places[2]]))
    try awaitAnswer(mail, pods, pods.places[2])
    try check(try cluster.server.delete("Service", "shop", "web"), "no Service web")
    try awaitNobody(web, pods)
    try cluster.awaitTruth(sandbox)
    let status = try sandbox.succeed(["status"]).output
    try check(status.contains("follows the cluster at \(cluster.server.url)"), status)
    // All namespaces, one list each, and what others serve is left out at the server.
    let watches = cluster.server.requests("watch")
    try checkEqual(watches.count, 4, "requests: \(watches)")
    for resource in ["services", "endpointslices"] {
      let selector = cluster.server.requests("watch", resource).first?.query["labelSelector"]
      try checkEqual(
        selector, "!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name",
        resource)
    }
    try run.end()
    try sandbox.checkWhole()
    // It goes on without anybody.
    try checkEqual(try whoAnswers(mail, pods), pods.places[2], "after the end")
  },
  KernelTest("cluster_a_deletion_that_was_missed_is_made_up_for") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...3)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    let cluster = try TestCluster(sandbox)
    try cluster.server.apply(
      Manifest.both("web", vip: web, [pods.places[0]])
        + Manifest.both("mail", vip: mail, [pods.places[2]]))
    let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig)
    try awaitAnswer(web, pods, pods.places[0])
    try awaitAnswer(mail, pods, pods.places[2])
    cluster.server.goAway()
    try run.waitFor("cannot be followed")
    // What is known goes on, and status says that it may be old.
    try checkEqual(try whoAnswers(web, pods), pods.places[0], "while the server is away")
    for _ in 0..<100 {
      if try sandbox.succeed(["status"]).output.contains("TROUBLE") { break }
      sk_sleep(50)
    }
    let status = try sandbox.succeed(["status"]).output
    try check(status.contains("the API server cannot be followed"), status)
    _ = try cluster.server.delete("Service", "shop", "mail")
    _ = try cluster.server.delete("EndpointSlice", "shop", "mail-1")
    try cluster.server.apply(Manifest.slice("web", [pods.places[1]]))
    // Nobody remembers what happened in between: everything has to be listed again.
    cluster.server.compact()
    try cluster.server.comeBack()
    try awaitAnswer(web, pods, pods.places[1], seconds: 30)
    try awaitNobody(mail, pods)
    try cluster.awaitTruth(sandbox)
    for _ in 0..<100 {
      if try !sandbox.succeed(["status"]).output.contains("TROUBLE") { break }
      sk_sleep(50)
    }
    try check(!(try sandbox.succeed(["status"]).output.contains("TROUBLE")), "status")
    try run.end()
  },
  KernelTest("cluster_nothing_changes_before_all_is_listed") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    let cluster = try TestCluster(sandbox)
    try cluster.server.apply(Manifest.both("web", vip: web, [pods.places[0]]))
    let first = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig)
    try awaitAnswer(web, pods, pods.places[0])
    first.process.kill()
    try cluster.server.apply(Manifest.both("mail", vip: mail, [pods.places[1]]))
    // The Services are there at once, the slices are not: a Service without its slices would be
    // refused to its clients.
    cluster.server.watchList = false
    cluster.server.fail(.list("endpointslices"), with: .unavailable, times: 6)
    let second = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig, name: "second")
    try second.waitFor("listed Service")
    for _ in 0..<20 {
      try checkEqual(try whoAnswers(web, pods), pods.places[0], "before all is listed")
      try check(
        Socket(.v4, SK_TCP).connectError(mail) != ECONNREFUSED
          || !second.messages.contains("listed EndpointSlice"), "mail")
    }
    try awaitAnswer(mail, pods, pods.places[1], seconds: 30)
    try checkEqual(try whoAnswers(web, pods), pods.places[0], "when all is listed")
    try second.end()
  },
  KernelTest("cluster_what_went_while_nobody_looked_is_gone") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    let cluster = try TestCluster(sandbox)
    try cluster.server.apply(
      Manifest.both("web", vip: web, [pods.places[0]])
        + Manifest.both("mail", vip: mail, [pods.places[1]]))
    let first = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig)
    try awaitAnswer(web, pods, pods.places[0])
    try awaitAnswer(mail, pods, pods.places[1])
    try cluster.awaitTruth(sandbox)
    first.process.kill()
    try cluster.server.deleteAll("EndpointSlice")
    try cluster.server.deleteAll("Service")
    try cluster.server.apply(Manifest.both("web", vip: web, [pods.places[0]]))
    try checkEqual(try whoAnswers(mail, pods), pods.places[1], "without anybody")
    let second = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig, name: "second")
    try awaitNobody(mail, pods)
    try checkEqual(try whoAnswers(web, pods), pods.places[0], "after the start")
    try cluster.awaitTruth(sandbox)
    // A cluster without a Service is a cluster without a Service.
    try cluster.server.deleteAll("Service")
    try awaitNobody(web, pods)
    try second.end()
  },
  KernelTest("cluster_lists_come_in_pages_where_they_cannot_be_streamed", inVM: false) { sandbox in
    let cluster = try TestCluster(sandbox)
    cluster.server.watchList = false
    try cluster.server.putServices(1100, endpoints: 2)
    let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig, capacity: [])
    try cluster.awaitTruth(sandbox)
    try check(cluster.server.requests("list", "services").count >= 1, "lists")
    // Pages that are gone while they are read, and a page that gets lost.
    cluster.server.fail(.continuedList(), with: .expired, times: 2)
    cluster.server.goAway()
    _ = try cluster.server.delete("Service", "load-3", "svc-3")
    cluster.server.compact()
    try cluster.server.comeBack()
    try cluster.awaitTruth(sandbox)
    try run.end()
  },
  KernelTest("cluster_the_api_server_keeps_its_endpoints") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let api = Variant.v4.vip(1)
    let cluster = try TestCluster(sandbox)
    func manifests(_ places: [Place]) -> String {
      Manifest.both("kubernetes", vip: api, places).replacing("shop", with: "default")
    }
    try cluster.server.apply(manifests([pods.places[0]]))
    let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig)
    try awaitAnswer(api, pods, pods.places[0])
    try cluster.server.patch(
      "EndpointSlice", "default", "kubernetes-1", ["endpoints": []])
    try run.waitFor("its last ones stay in force")
    try checkEqual(try whoAnswers(api, pods), pods.places[0], "without endpoints")
    _ = try cluster.server.delete("EndpointSlice", "default", "kubernetes-1")
    try run.waitFor("its last ones stay in force", times: 2)
    try checkEqual(try whoAnswers(api, pods), pods.places[0], "without a slice")
    // When there are others, they are followed.
    try cluster.server.apply(manifests([pods.places[1]]))
    try awaitAnswer(api, pods, pods.places[1])
    try run.end()
  },
  KernelTest("cluster_an_object_that_makes_no_sense_keeps_its_last_good_version") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    let cluster = try TestCluster(sandbox)
    try cluster.server.put(#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#)
    try cluster.server.apply(Manifest.both("web", vip: web, [pods.places[0]]))
    let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig)
    try awaitAnswer(web, pods, pods.places[0])
    try cluster.server.patch(
      "Service", "shop", "web", ["spec": ["ports": [["name": "http", "port": 99999]]]])
    try run.waitFor("its last good version stays in force")
    try check(run.messages.contains("Service shop/web: spec.ports[0].port"), run.messages)
    for _ in 0..<200 {
      if try !cluster.server.objects("events").isEmpty { break }
      sk_sleep(20)
    }
    let event = try cluster.server.objects("events").first
    try checkEqual(event?.at("involvedObject", "name")?.string, "web", "the Event's object")
    try check(
      event?["message"]?.string?.contains("spec.ports[0].port") == true, "\(event ?? .null)")
    // All others go on, and its slices too.
    try cluster.server.apply(Manifest.both("mail", vip: mail, [pods.places[1]]))
    try awaitAnswer(mail, pods, pods.places[1])
    try cluster.server.apply(Manifest.slice("web", [pods.places[1]]))
    try awaitAnswer(web, pods, pods.places[1])
    var status = ""
    for _ in 0..<100 {
      status = try sandbox.succeed(["status"]).output
      if status.contains("BROKEN") { break }
      sk_sleep(20)
    }
    try check(status.contains("BROKEN") && status.contains("service/shop/web"), status)
    try cluster.server.apply(Manifest.service("web", vip: web))
    try run.waitFor("is good again")
    try cluster.awaitTruth(sandbox)
    try run.end()
  },
  KernelTest("cluster_host_ports_and_the_zone_of_this_node", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let cluster = try TestCluster(sandbox)
    try cluster.server.put(
      """
      {"apiVersion":"v1","kind":"Node","metadata":{"name":"node-1",
       "labels":{"topology.kubernetes.io/zone":"z1"}},"spec":{},
       "status":{"addresses":[{"type":"InternalIP","address":"192.0.2.1"}]}}
      """)
    for (name, node, address) in [
      ("mine", "node-1", pods.places[0].address), ("other", "node-2", pods.places[1].address),
    ] {
      try cluster.server.put(
        """
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"\(name)","namespace":"shop"},
         "spec":{"nodeName":"\(node)","containers":[{"name":"c","image":"i",
          "ports":[{"containerPort":\(pods.places[0].port),"hostPort":54323}]}]},
         "status":{"phase":"Running","podIP":"\(address)","podIPs":[{"ip":"\(address)"}],
          "conditions":[{"type":"Ready","status":"True"}]}}
        """)
    }
    let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig)
    // Nothing else refuses at this address: a connect may end later.
    let local = Place("127.0.0.1", 54323)
    func awaitServed(_ isWanted: Bool) throws {
      for _ in 0..<500 {
        if try isServed(local, pods) == isWanted { return }
        sk_sleep(10)
      }
      throw Failure("served, or not: \(run.messages)")
    }
    try awaitServed(true)
    try checkEqual(try whoAnswers(local, pods), pods.places[0], "the Pod of this node")
    let selectors = cluster.server.requests("watch", "pods").compactMap {
      $0.query["fieldSelector"]
    }
    try check(selectors.first?.hasPrefix("spec.nodeName=node-1") == true, "\(selectors)")
    try checkEqual(
      cluster.server.requests("watch", "nodes").first?.query["fieldSelector"],
      "metadata.name=node-1", "nodes")
    _ = try cluster.server.delete("Pod", "shop", "mine")
    try awaitServed(false)
    try run.end()
  },
]
