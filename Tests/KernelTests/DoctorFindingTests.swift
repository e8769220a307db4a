import BPFLoader
import CServiceABI
import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// What `doctor` finds on a machine, and what it makes a bundle of.
let doctorFindingTests: [KernelTest] = [
  KernelTest("doctor_probes_tell_what_is_there_from_what_is_not") { _ in
    try checkEqual(KernelProbe.map(.lruHash), .there, "LRU hashes")
    try checkEqual(KernelProbe.map(type: 9999), .missing, "a type of map that is none")
    try checkEqual(KernelProbe.helper(.setReturnValue), .there, "bpf_set_retval")
    try checkEqual(KernelProbe.helper(number: 9999), .missing, "a helper that is none")
    try checkEqual(KernelProbe.tracepoint("inet_sock_set_state"), .there, "a tracepoint")
    try checkEqual(KernelProbe.tracepoint("no_such_tracepoint"), .missing, "none")
    try checkEqual(KernelProbe.iterator("task_file"), .there, "an iterator")
    try checkEqual(KernelProbe.iterator("no_such_iterator"), .missing, "none")
    for finding in Machine.featureFindings() {
      try checkEqual(finding.verdict, .ok, finding.message)
    }
  },
  KernelTest("doctor_finds_kube_proxy_and_what_it_left", inVM: false) { sandbox in
    let clean = try sandbox.run(["doctor"])
    try check(clean.output.contains("ok       kube-proxy   no kube-proxy, and nothing"), clean.all)
    try execute(sandbox, "iptables-legacy -t nat -N KUBE-SEP-LEFT")
    try execute(sandbox, "ip6tables-legacy -t nat -N KUBE-SVC-LEFT6")
    try execute(sandbox, "iptables-nft -t nat -N KUBE-SVC-NFT")
    try execute(sandbox, "nft add table ip6 kube-proxy")
    // The kubelet's stay, and mean nothing.
    try execute(sandbox, "iptables-legacy -t nat -N KUBE-KUBELET-CANARY")
    let left = try sandbox.run(["doctor"])
    let lines = left.output.split(separator: "\n").filter { $0.hasPrefix("warning  kube-proxy") }
    try checkEqual(lines.count, 4, "lines: \(left.all)")
    for text in [
      "iptables (legacy, IPv4): 1 name such as KUBE-SEP-LEFT",
      "iptables (legacy, IPv6): 1 name such as KUBE-SVC-LEFT6",
      "nftables: 1 name such as kube-proxy",
      "iptables (nft): 1 name such as KUBE-SVC-NFT",
    ] {
      try check(lines.contains { $0.contains("left over from kube-proxy, \(text)") }, left.all)
    }
    // Something that calls itself so.
    let copy = sandbox.directory + "/kube-proxy"
    try execute(sandbox, "cp /bin/sleep \(copy)")
    let process = try Process([copy, "60"], output: "/dev/null", errors: "/dev/null")
    sk_sleep(100)
    let running = try sandbox.run(["doctor"])
    try check(running.output.contains("kube-proxy runs (process \(process.pid))"), running.all)
    try check(!running.output.contains("left over from"), running.all)
    kill(process.pid, SIGKILL)
    _ = process.wait(seconds: 5)
  }.alone("doctor of another test would see the process that is called kube-proxy"),
  KernelTest("doctor_sees_settings_clients_and_clocks") { sandbox in
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup, "--max-services", "5"])
    let vip = Variant.v4.vip(1)
    let input =
      Manifest.service("empty", vip: vip)
      + (2...5).map { Manifest.service("s\($0)", vip: Variant.v4.vip($0)) }.joined()
    try sandbox.succeed(["apply", "-f", "-"], input: input)
    let before = try sandbox.succeed(["doctor"])
    try check(
      before.output.contains("5 of 5 service ports have no endpoint, and nobody"), before.all)
    for _ in 0..<3 { _ = try Socket(.v4, SK_TCP).connectError(vip) }
    // A file over the setting of this mount namespace alone.
    let file = sandbox.directory + "/one"
    try Disk.write("1\n", to: file)
    try CallFailed.check(
      mount(file, "/proc/sys/kernel/bpf_stats_enabled", nil, UInt(MS_BIND), nil) == 0 ? 0 : -errno,
      "bind mount")
    let found = try sandbox.succeed(["doctor"])
    for text in [
      "warning  settings     kernel.bpf_stats_enabled is 1",
      "warning  room         the maps are full: 5 service ports of IPv4",
      "warning  clients      shop/empty:http has no endpoint, and has refused 3 times",
      "ok       drift        the maps hold what the known objects ask for",
      "ok       programs     the kernel's verifier takes every program", "ok       clock",
    ] {
      try check(found.output.contains(text), "\(text): \(found.all)")
    }
    // A change from the future: what a clock that was set back leaves.
    let log = sandbox.state + "/history/log"
    var entry = try StateDirectory(sandbox.state).readHistory().entries.last!
    entry.time = UTCTime(seconds: entry.time.seconds + 7200)
    var history = HistoryLog()
    history.append(entry)
    try Disk.write(String(decoding: history.encode(), as: UTF8.self), to: log)
    let later = try sandbox.succeed(["doctor"])
    try check(later.output.contains("warning  clock        the wall clock ("), later.all)
  },
  KernelTest("doctor_finds_drift") { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let vip = Variant.v4.vip(1)
    try sandbox.succeed(["apply", "-f", "-"], input: Manifest.both("web", vip: vip, pods.places))
    try Dataplane(pin: sandbox.pin).serve([
      frontend(vip, .tcp, of: "shop/web", portName: "http", [pods.places[0]])
    ])
    let doctor = try sandbox.run(["doctor"])
    try checkEqual(doctor.code, 1, doctor.all)
    try check(
      doctor.output.contains(
        "FAIL     drift        the maps are not what the known objects ask for"),
      doctor.all)
    try sandbox.succeed(["verify", "--repair"])
    try sandbox.succeed(["doctor"])
  },
  KernelTest("doctor_bundle_has_everything_and_no_secret", inVM: false) { sandbox in
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let secret = """
      apiVersion: v1
      kind: Pod
      metadata: {name: web-1, namespace: shop, labels: {app: web}, annotations: {note: hunter2}}
      spec: {containers: [{name: web, env: [{name: P, value: hunter2}], ports: [{containerPort: 80}]}]}
      status: {phase: Running, podIP: 10.0.0.1}
      """
    try sandbox.succeed(
      ["apply", "-f", "-"],
      input: Manifest.both("web", vip: Variant.v4.vip(1), [Variant.v4.pod(1)]) + secret)
    let bundle = sandbox.directory + "/bundle.tar.gz"
    // Whoever was there before is replaced, and nobody else may read it.
    try Disk.write("old", to: bundle)
    chmod(bundle, 0o644)
    umask(0)
    setenv("SECRET", "hunter2", 1)
    let doctor = try sandbox.succeed(["doctor", "--bundle", bundle])
    try check(doctor.output.contains("ok       canary"), doctor.all)
    var info = stat()
    try CallFailed.check(stat(bundle, &info), "stat")
    try checkEqual(info.st_mode & 0o7777, 0o600, "mode")
    let names = try execute(sandbox, "tar tzf \(bundle)").split(separator: "\n").map {
      String($0.split(separator: "/").last ?? "")
    }
    try checkEqual(
      Set(names),
      [
        "doctor.txt", "doctor.json", "versions.txt", "status.txt", "status.json", "dump-all.json",
        "describe.txt", "objects.json", "history.txt", "pending.txt", "settings.txt", "verify.txt",
        "effective.txt", "maps.txt", "mounts.txt", "kernel-config.txt", "README.txt",
      ], "files")
    let all = try execute(sandbox, "tar xzOf \(bundle)")
    try check(!all.contains("hunter2"), "the secret is in the bundle")
    try check(!all.contains("NOT THERE"), "something is missing: \(all.prefix(3000))")
    for text in [
      "connect4: ", "CONFIG_BPF=y", "no difference", "shop/web", "socklb \(ReleaseVersion.current)",
    ] {
      try check(all.contains(text), "\(text) is not in the bundle")
    }
    // The other way round: it would have been found.
    try check(try sandbox.succeed(["dump", "objects"]).output.contains("hunter2"), "no secret")
    // To a place that is no file, as it is; to none, with nothing left.
    try sandbox.succeed(["doctor", "--bundle", "/dev/null"])
    try CallFailed.check(stat("/dev/null", &info), "stat")
    try checkEqual(info.st_mode & S_IFMT, S_IFCHR, "/dev/null")
    let nowhere = try sandbox.run(["doctor", "--bundle", sandbox.directory + "/no/b.tar.gz"])
    try checkEqual(nowhere.code, 74, nowhere.all)
    try check(
      !Disk.list(sandbox.directory).contains { $0.contains(".socklb-") }, "something is left")
  },
  KernelTest("doctor_bundle_says_what_it_lacks", inVM: false) { sandbox in
    let bundle = sandbox.directory + "/bundle.tar.gz"
    let doctor = try sandbox.run(["doctor", "--bundle", bundle])
    try checkEqual(doctor.code, 1, doctor.all)
    let readme = try execute(sandbox, "tar xzOf \(bundle) --wildcards '*/README.txt'")
    for name in ["status.txt", "dump-all.json", "effective.txt", "maps.txt"] {
      try check(
        readme.contains("\(name)  NOT THERE: socklb is not attached: nothing is pinned at"), readme)
    }
    try check(readme.contains("doctor.txt  what doctor found"), readme)
    let status = try execute(sandbox, "tar xzOf \(bundle) --wildcards '*/status.txt'")
    try check(status.hasPrefix("error: socklb is not attached"), status)
  },
]

/// `report`, and what is told again and again.
let reportTests: [KernelTest] = [
  KernelTest("report_shows_what_was_observed_and_who_has_sockets", timeLimit: 90) { sandbox in
    let pods = try Pods(.v4, SK_TCP, 1...2)
    let vips = (1...3).map { Variant.v4.vip($0) }
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try sandbox.succeed(
      ["apply", "-f", "-"],
      input: Manifest.both("web", vip: vips[0], pods.places)
        + Manifest.service("empty", vip: vips[1])
        + Manifest.both("shut", vip: vips[2], [Variant.v4.pod(5)]))
    // A name that would be markup.
    try Disk.write("<b>&", to: "/proc/self/comm")
    let page = sandbox.directory + "/page.html"
    let report = try Process(
      [sandbox.socklb, "report", "--observe", "60s", "-o", page, "--pin", sandbox.pin]
        + ["--state", sandbox.state], output: sandbox.directory + "/out",
      errors: sandbox.directory + "/err")
    for _ in 0..<500 {
      if try Disk.read(sandbox.directory + "/err").contains("observing;") { break }
      sk_sleep(10)
    }
    let sockets = try (0..<10).map { _ in
      let socket = try Socket(.v4, SK_TCP)
      try socket.connect(vips[0])
      return socket
    }
    try checkEqual(try Socket(.v4, SK_TCP).connectError(vips[1]), ECONNREFUSED, "empty")
    // Without waiting for the backend's answer.
    let shut = try Socket(.v4, SK_TCP)
    _ = shut.connectError(vips[2])
    sk_sleep(1200)
    kill(report.pid, SIGINT)
    try checkEqual(report.wait(seconds: 20), 0, "report")
    let text = try Disk.read(page)
    for word in [
      "shop/web:http</b> TCP<br>10 decisions", "<b>10</b> established",
      "<li class=\"no\"><b>1</b> refused: no endpoints</li>",
      "<li class=\"no\"><b>1</b> refused</li>", "/&lt;b&gt;&amp; connect4",
      "fair is 50 %", "connections are refused",
    ] {
      try check(text.contains(word), "\(word) is not in the page")
    }
    try check(!text.contains("<b>&"), "markup of somebody else's")
    // Nobody's decision is said to have sent no SYN because nobody watched yet.
    try check(!text.contains("not-sent"), "not sent")
    withExtendedLifetime((pods, sockets, shut)) {}
  },
  KernelTest("report_without_rights_says_so", inVM: false) { sandbox in
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    let rights = Rights(user: 0, group: 0, [])
    let page = try sandbox.run(["report", "-o", "-"], by: rights.wrapper)
    try checkEqual(page.code, 0, page.errors)
    try check(page.output.contains("Nothing was observed"), "observation")
    let observe = try sandbox.run(["report", "--observe", "1s", "-o", "-"], by: rights.wrapper)
    try checkEqual(observe.code, 77, observe.errors)
  },
  KernelTest("watching_prints_again_until_it_is_ended") { sandbox in
    let vip = Variant.v4.vip(1)
    try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
    try sandbox.succeed(["apply", "-f", "-"], input: Manifest.service("empty", vip: vip))
    let output = sandbox.directory + "/watch"
    let watch = try sandbox.start(
      // A round takes longer: it ends all the same.
      ["dump", "counters", "--every", "1ms"], output: output, by: [])
    func expect(_ text: String) throws {
      for _ in 0..<100 {
        if try Disk.read(output).contains(text) { return }
        sk_sleep(50)
      }
      throw Failure("no \(text): \(try Disk.read(output))")
    }
    try expect("refused=0\n")
    try checkEqual(try Socket(.v4, SK_TCP).connectError(vip), ECONNREFUSED, "connect")
    try expect("refused=1\n")
    kill(watch.pid, SIGTERM)
    try checkEqual(watch.wait(seconds: 5), 0, "exit code")
    // No terminal: nothing that moves a cursor, and no colour.
    let said = try Disk.read(output)
    try check(!said.contains("\u{1b}"), "escapes")
    let doctor = try sandbox.succeed(["doctor"])
    try check(!doctor.output.contains("\u{1b}"), "colours")
  },
]

/// Runs a command of the shell, in the sandbox's namespaces, and returns what it prints.
@discardableResult
private func execute(_ sandbox: Sandbox, _ command: String) throws -> String {
  let (output, errors) = (sandbox.directory + "/shell.out", sandbox.directory + "/shell.err")
  let process = try Process(["/bin/sh", "-c", command], output: output, errors: errors)
  let code = process.wait(seconds: 20)
  let said = try Disk.read(errors)
  try checkEqual(code, 0, "\(command): \(said)")
  return try Disk.read(output)
}
