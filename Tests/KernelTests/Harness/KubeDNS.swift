import Glibc
import SocketKit

/// Real name servers (dnsmasq) in pods, behind a Service as kubeadm makes it for the cluster's DNS:
/// UDP and TCP 53 at one address of each family, and a port that nobody asks here.
final class KubeDNS {
  static let vip = "172.30.0.10"
  static let vip6 = "fd00:172:30::a"
  /// Every replica has an answer of its own to it.
  static let question = "which.svc.cluster.local"
  /// The answer does not fit into a datagram.
  static let longQuestion = "long.svc.cluster.local"

  struct Replica {
    let pod: ClusterPod
    /// What it says when it is asked which it is.
    let answer: String
    let process: Process
  }

  let cluster: Cluster
  private var count = 0

  init(_ cluster: Cluster) throws {
    self.cluster = cluster
    // The mount namespace is the test's own.
    let file = cluster.sandbox.directory + "/resolv.conf"
    try Disk.write("nameserver \(Self.vip)\n", to: file)
    try CallFailed.check(sk_mount_file(file, "/etc/resolv.conf"), "mounting /etc/resolv.conf")
  }

  /// A pod with a name server; returns when that answers.
  func startReplica() throws -> Replica {
    count += 1
    let pod = try cluster.pod("coredns-\(count)", tcp: [])
    let answer = "10.53.0.\(count)"
    let long = (0..<10).map { _ in String(repeating: "x", count: 200) }.joined(separator: ",")
    let process = try pod.run(
      [
        try Tool.dnsmasq.path(), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
        "--no-hosts", "--user=root", "--group=root", "--pid-file=", "--log-facility=-",
        "--bind-interfaces", "--listen-address=\(pod.address),\(pod.address6)",
        "--local=/cluster.local/", "--address=/\(Self.question)/\(answer)",
        "--txt-record=\(Self.longQuestion),\(long)",
      ], output: cluster.sandbox.directory + "/dnsmasq-\(count)")
    for variant in [Variant.v4, .v6] {
      try eventually(seconds: 15) {
        if let code = process.ended { throw Failure("dnsmasq ended with \(code)") }
        let client = try pod.socket(variant, SK_TCP)
        return client.connectError(pod.seen(variant, 53)) == 0
          && sk_wait(client.descriptor, 1, 100) == 1 && sk_error(client.descriptor) == 0
      }
    }
    return Replica(pod: pod, answer: answer, process: process)
  }

  func service(annotations: String = "") -> String {
    """
    apiVersion: v1
    kind: Service
    metadata:
      name: kube-dns
      namespace: e2e
      labels: {k8s-app: kube-dns, kubernetes.io/cluster-service: "true"}
      annotations: {\(annotations)}
    spec:
      type: ClusterIP
      clusterIP: \(Self.vip)
      clusterIPs: ["\(Self.vip)", "\(Self.vip6)"]
      ipFamilies: [IPv4, IPv6]
      ipFamilyPolicy: PreferDualStack
      selector: {k8s-app: kube-dns}
      sessionAffinity: None
      ports:
      - {name: dns, port: 53, protocol: UDP, targetPort: 53}
      - {name: dns-tcp, port: 53, protocol: TCP, targetPort: 53}
      - {name: metrics, port: 9153, protocol: TCP, targetPort: 9153}
    ---

    """
  }

  /// The slices of both families; a replica in two lists has the condition of the second one.
  func slices(_ ready: [Replica], _ others: [Replica] = [], _ condition: Kube.Condition = .ready)
    -> String
  {
    let ports = [
      "{name: dns, port: 53, protocol: UDP}", "{name: dns-tcp, port: 53, protocol: TCP}",
      "{name: metrics, port: 9153, protocol: TCP}",
    ]
    return ["IPv4", "IPv6"].flatMap { family in
      [("ready", ready, Kube.Condition.ready), ("other", others, condition)].map {
        suffix, replicas, condition in
        Kube.slice(
          "kube-dns", replicas.map(\.pod), condition, ports: ports,
          suffix: "\(family.lowercased())-\(suffix)", family: family)
      }
    }.joined()
  }
}
