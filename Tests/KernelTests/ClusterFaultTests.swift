import APIServerKit
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// An API server that is not well.
let clusterFaultTests: [KernelTest] = [
  KernelTest("cluster_a_watch_that_breaks_loses_nothing") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let web = Variant.v4.vip(1)
    let cluster = try TestCluster(sandbox)
    try cluster.server.apply(Manifest.both("web", vip: web, [pods.places[0]]))
    let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig)
    try awaitAnswer(web, pods, pods.places[0])
    let faults: [StreamFault] = [
      .reset, .close, .end, .cutChunk(byReset: true), .cutChunk(byReset: false), .cutEvent,
      .badJSON,
      .expired, .error(APIStatus(500, "InternalError", "etcd is not well")), .unknownType,
      .bookmark,
    ]
    for (round, fault) in faults.enumerated() {
      cluster.server.disturbWatches(fault)
      let pod = pods.places[(round + 1) % 2]
      try cluster.server.apply(Manifest.slice("web", [pod]))
      try awaitAnswer(web, pods, pod, seconds: 30)
    }
    try cluster.awaitTruth(sandbox)
    // It has not listed everything for each of them.
    try check(run.messages.contains("an event of unknown type"), run.messages)
    try run.end()
  },
  KernelTest("cluster_a_backup_that_is_restored_is_the_truth") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let (web, mail) = (Variant.v4.vip(1), Variant.v4.vip(2))
    let cluster = try TestCluster(sandbox)
    try cluster.server.apply(Manifest.both("web", vip: web, [pods.places[0]]))
    let backup = cluster.server.backup()
    try cluster.server.apply(Manifest.both("mail", vip: mail, [pods.places[1]]))
    let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig)
    try awaitAnswer(mail, pods, pods.places[1])
    // Its resource versions go back; what came after the backup is gone.
    try cluster.server.restore(backup)
    do { try awaitNobody(mail, pods, seconds: 30) } catch {
      throw Failure("\(error): \(run.messages)")
    }
    try checkEqual(try whoAnswers(web, pods), pods.places[0], "what the backup has")
    try cluster.awaitTruth(sandbox)
    try cluster.server.apply(Manifest.slice("web", [pods.places[1]]))
    try awaitAnswer(web, pods, pods.places[1], seconds: 30)
    try run.end()
  },
  KernelTest("cluster_a_server_that_says_wait_is_not_asked_again_at_once", inVM: false) { sandbox in
    let cluster = try TestCluster(sandbox)
    cluster.server.fail(.all, with: .tooManyRequests(retryAfter: 6), times: 4)
    let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig)
    sk_sleep(2000)
    try checkEqual(cluster.server.requestCount, 4, "requests while it has to wait")
    try run.waitFor("listed Service")
    try run.end()
  },
  KernelTest("cluster_another_server_is_asked_when_one_is_away", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let web = Variant.v4.vip(1)
    let cluster = try TestCluster(sandbox)
    let other = APIServer(APIServer.Options(), sharing: cluster.server)
    try other.start()
    defer { other.stop() }
    try cluster.server.apply(Manifest.both("web", vip: web, [pods.places[0]]))
    let run = try LiveCommand(
      sandbox, kubeconfig: cluster.kubeconfig,
      ["--server", cluster.server.url, "--server", other.url])
    try awaitAnswer(web, pods, pods.places[0])
    cluster.server.goAway()
    try other.apply(Manifest.slice("web", [pods.places[1]]))
    try awaitAnswer(web, pods, pods.places[1], seconds: 30)
    try run.end()
  },
  KernelTest("cluster_tls_and_a_token_that_changes", inVM: false) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let web = Variant.v4.vip(1)
    let directory = sandbox.directory + "/ca"
    mkdir(directory, 0o700)
    let certificates = try Certificates(in: directory)
    var options = APIServer.Options()
    options.tls = try certificates.server("server")
    options.access = Access()
    options.access.tokens = ["token-one": Access.User("socklb")]
    options.access.isOpen = false
    options.access.allowsAnonymous = false
    let token = sandbox.directory + "/token"
    try Disk.write("token-one\n", to: token)
    let server = APIServer(options)
    try server.start()
    defer { server.stop() }
    let cluster = try TestCluster(
      sandbox, APIServer.Options(), user: "{tokenFile: \"\(token)\"}",
      cluster: "{server: \"\(server.url)\", certificate-authority: \"\(certificates.authority)\"}")
    try server.apply(Manifest.both("web", vip: web, [pods.places[0]]))
    let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig)
    try awaitAnswer(web, pods, pods.places[0])
    try Disk.write("token-two\n", to: token)
    server.access.tokens = ["token-two": Access.User("socklb")]
    server.dropConnections()
    try server.apply(Manifest.slice("web", [pods.places[1]]))
    try awaitAnswer(web, pods, pods.places[1], seconds: 30)
    try check(!run.messages.contains("token-"), "the token is in the log")
    try run.end()
  },
  KernelTest("cluster_a_plugin_does_not_outlive_run", inVM: false) { sandbox in
    let script = sandbox.directory + "/plugin"
    let pid = sandbox.directory + "/pid"
    try Disk.write("#!/bin/sh\necho $$ >\(pid)\nexec sleep 60\n", to: script)
    chmod(script, 0o755)
    let cluster = try TestCluster(
      sandbox,
      user: "{exec: {apiVersion: client.authentication.k8s.io/v1, command: \(script), "
        + "interactiveMode: Never}}")
    // It ends in good order, and because somebody has detached.
    for isDetached in [false, true] {
      unlink(pid)
      let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig)
      var child: pid_t = 0
      for _ in 0..<1000 where child == 0 {
        sk_sleep(10)
        child = (try? Disk.read(pid)).flatMap { pid_t($0.filter { $0 != "\n" }) } ?? 0
      }
      try check(child > 0 && kill(child, 0) == 0, "the plugin does not run: \(run.messages)")
      if isDetached {
        try sandbox.succeed(["detach"])
        try checkEqual(run.process.wait(seconds: 20), 1, run.messages)
      } else {
        try run.end()
      }
      try check(kill(child, 0) != 0 && errno == ESRCH, "the plugin is still there")
    }
  },
  KernelTest("cluster_random_faults_end_in_the_truth", timeLimit: 1200) { sandbox in
    let seed =
      getenv("CLUSTER_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 1...9999)
    let rounds = getenv("CLUSTER_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 6
    print("CLUSTER_SEED=\(seed)")
    var random = SeededNumbers(seed: seed)
    let cluster = try TestCluster(sandbox)
    let server = cluster.server
    try server.putServices(40, endpoints: 3)
    let run = try LiveCommand(sandbox, kubeconfig: cluster.kubeconfig, ["--log-level", "debug"])
    server.failRandomly(
      seed: seed, rate: 0.3,
      with: [
        .reset, .close, .internalError, .unavailable, .expired, .cut(after: 500, byReset: true),
        .cut(after: 3000, byReset: false), .garbage, .noInitialEventsEnd,
        .endOfInitialEvents(after: 5), .page(502, "<html>Bad Gateway</html>"),
        .tooManyRequests(retryAfter: 0), .delay(0.05),
      ])
    server.disturbEvents(EventFaults(duplicates: 0.2))
    var backup = server.backup()
    for _ in 0..<rounds {
      for _ in 0..<60 {
        let number = Int(random.next() % 60)
        switch random.next() % 12 {
        case 0: _ = try server.delete("Service", "load-\(number % 10)", "svc-\(number)")
        case 1: _ = try server.delete("EndpointSlice", "load-\(number % 10)", "svc-\(number)-1")
        case 2: try server.put(APIServer.service(number))
        case 3: server.disturbWatches(.reset)
        case 4: server.disturbWatches(.cutEvent)
        case 5: server.disturbWatches(.expired)
        case 6 where random.next() % 8 == 0: backup = server.backup()
        case 7 where random.next() % 20 == 0:
          try server.restore(backup, bumpsRevision: true, byReset: true)
        case 8 where random.next() % 4 == 0: server.compact()
        case 9 where random.next() % 4 == 0: server.watchList.toggle()
        default:
          try server.put(
            APIServer.slice(
              number, endpoints: Int(random.next() % 4), variant: Int(random.next() % 200)))
        }
        sk_sleep(Int32(random.next() % 20))
      }
      // When it is well again, what it says is in force.
      server.clearFaults()
      do { try cluster.awaitTruth(sandbox, seconds: 60) } catch {
        let said = run.messages.split(separator: "\n").suffix(60).joined(separator: "\n")
        throw Failure("\(error)\n\(said)")
      }
      server.failRandomly(seed: random.next(), rate: 0.3, with: [.reset, .internalError, .expired])
    }
    server.clearFaults()
    try run.end()
    try sandbox.checkWhole()
  },
]
