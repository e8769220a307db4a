import CServiceABI
import ServiceMaps
import Testing

@Suite struct PodOfProcessTests {
  static let uid = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"
  static let underscores = "0b1c2d3e_4f50_6172_8394_a5b6c7d8e9f0"
  static let container = String(repeating: "0123456789abcdef", count: 4)

  @Test(arguments: [
    "0::/kubepods/burstable/pod\(uid)/\(container)",
    "0::/kubepods/pod\(uid)/\(container)\n",
    "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\(underscores).slice/cri-containerd-\(container).scope",
    "0::/kubepods.slice/kubepods-pod\(underscores).slice/crio-\(container).scope/container",
    "0::/kubelet/kubepods/besteffort/pod\(uid)/\(container)",
    "0::/system.slice/kubepods/pod\(uid)/\(container)",
    "12:pids:/\n3:cpu,cpuacct:/kubepods/pod\(uid)/\(container)\n0::/\n",
  ])
  func paths(_ text: String) {
    #expect(
      PodOfProcess(cgroups: text) == PodOfProcess(uid: Self.uid, container: Self.container))
  }

  @Test func ofThePodItself() {
    let pod = PodOfProcess(uid: Self.uid)
    #expect(PodOfProcess(cgroups: "0::/kubepods/pod\(Self.uid)") == pod)
    #expect(PodOfProcess(cgroups: "0::/kubepods/pod\(Self.uid)/init") == pod)
    // A static Pod has the hash of its manifest.
    let hash = "0123456789abcdef0123456789abcdef"
    #expect(PodOfProcess(cgroups: "0::/kubepods/pod\(hash)")?.uid == hash)
  }

  @Test(arguments: [
    "", "0::/", "0::/system.slice/sshd.service", "0::/kubepods", "0::/kubepods/burstable",
    "0::/kubepods.slice/kubepods-burstable.slice", "0::/pod\(uid)/\(container)",
    "0::/kubepods/podrun", "0::/user.slice/podman-1234.scope",
  ])
  func noPods(_ text: String) { #expect(PodOfProcess(cgroups: text) == nil) }

  @Test func wire() {
    var wire = svc_socket_user()
    #expect(SocketUser(wire: wire).flow == nil)
    wire.flow.backend_port_be = UInt16(8080).bigEndian
    wire.flow.vip_port_be = UInt16(80).bigEndian
    wire.flow.vip_be = (0, 0, UInt32(0xffff).bigEndian, UInt32(0x0a60_0001).bigEndian)
    wire.flow.backend_be = (UInt32(0xfd00_0000).bigEndian, 0, 0, UInt32(1).bigEndian)
    wire.flow.service = 77 | SVC_FLOW_TCP.rawValue | SVC_FLOW_MORE.rawValue
    wire.flow.endpoint = 5
    wire.flow.generation = 6
    wire.flow.netns = 7
    wire.flow.since = 8
    wire.local_be = wire.flow.vip_be
    wire.local_port_be = UInt16(999).bigEndian
    wire.command.0 = 104
    wire.command.1 = 105
    wire.pid = 12
    wire.netns = 1 << 33
    wire.netns_inode = 4
    wire.state = 8
    wire.cookie = 3
    let flow = SocketFlow(
      vip: backend("10.96.0.1", 80), backend: backend("fd00::1", 8080), transport: .tcp,
      isConnected: false, service: 77, endpoint: 5, generation: 6, namespace: 7, since: 8)
    #expect(
      SocketUser(wire: wire)
        == SocketUser(
          cookie: 3, process: SocketProcess(pid: 12, command: "hi"),
          namespace: NetworkNamespace(cookie: 1 << 33, inode: 4), localAddress: ip("10.96.0.1"),
          localPort: 999, state: 8, flow: flow))
    wire.flow.service |= SVC_FLOW_CONNECTED.rawValue
    #expect(SocketFlow(wire: wire.flow)?.isConnected == true)
    wire.flow.service |= SVC_FLOW_PAST.rawValue
    #expect(SocketFlow(wire: wire.flow) == nil)
    #expect(SocketRecord(wire: svc_socket(flow: wire.flow, cookie: 3)) == nil)
  }
}
