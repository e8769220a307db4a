/// The cgroup hooks of the life of a socket. The raw value is the name of the program for it.
public enum SocketHook: String, CaseIterable, Sendable {
  case connect4, connect6
  case sendmsg4, sendmsg6
  case recvmsg4, recvmsg6
  case getpeername4, getpeername6
  case sockRelease = "sock_release"
}
