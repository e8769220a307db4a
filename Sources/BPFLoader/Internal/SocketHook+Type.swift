import CLibBPF

extension SocketHook {
  /// enum bpf_attach_type
  var attachType: UInt32 {
    switch self {
    case .connect4: BPF_CGROUP_INET4_CONNECT.rawValue
    case .connect6: BPF_CGROUP_INET6_CONNECT.rawValue
    case .sendmsg4: BPF_CGROUP_UDP4_SENDMSG.rawValue
    case .sendmsg6: BPF_CGROUP_UDP6_SENDMSG.rawValue
    case .recvmsg4: BPF_CGROUP_UDP4_RECVMSG.rawValue
    case .recvmsg6: BPF_CGROUP_UDP6_RECVMSG.rawValue
    case .getpeername4: BPF_CGROUP_INET4_GETPEERNAME.rawValue
    case .getpeername6: BPF_CGROUP_INET6_GETPEERNAME.rawValue
    case .sockRelease: BPF_CGROUP_INET_SOCK_RELEASE.rawValue
    }
  }
}
