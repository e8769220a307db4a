public import ServiceMaps

/// A kind of object that is followed at an API server, and which of them.
public struct WatchedResource: Hashable, Sendable {
  public let kind: ObjectKind
  /// `/api/v1/services`
  public let path: String
  public let labelSelector: String?
  public let fieldSelector: String?

  /// What kube-proxy leaves to others, left out at the server (pkg/proxy, cmd/kube-proxy/app/server.go).
  private static let proxied =
    "!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name"

  public static let services = WatchedResource(
    kind: .service, path: "/api/v1/services", labelSelector: proxied, fieldSelector: nil)
  public static let endpointSlices = WatchedResource(
    kind: .endpointSlice, path: "/apis/discovery.k8s.io/v1/endpointslices", labelSelector: proxied,
    fieldSelector: nil)

  public static func node(_ name: String) -> WatchedResource {
    WatchedResource(
      kind: .node, path: "/api/v1/nodes", labelSelector: nil, fieldSelector: "metadata.name=\(name)"
    )
  }

  /// Those that have not ended, on one node: for their host ports.
  public static func pods(onNode name: String) -> WatchedResource {
    WatchedResource(
      kind: .pod, path: "/api/v1/pods", labelSelector: nil,
      fieldSelector: "spec.nodeName=\(name),status.phase!=Failed,status.phase!=Succeeded")
  }

  /// The same for what nobody has: only its version matters.
  func nothing(_ parameters: [(String, String)]) -> String {
    WatchedResource(
      kind: kind, path: path, labelSelector: nil, fieldSelector: "metadata.name=socklb-probe"
    ).target(parameters)
  }

  /// Path and query of a request.
  func target(_ parameters: [(String, String)]) -> String {
    var all = parameters
    if let labelSelector { all.append(("labelSelector", labelSelector)) }
    if let fieldSelector { all.append(("fieldSelector", fieldSelector)) }
    return path + "?" + all.map { "\($0.0)=\(Self.escaped($0.1))" }.joined(separator: "&")
  }

  /// Everything but what RFC 3986 calls unreserved.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"):
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        result += (digits.count == 1 ? "%0" : "%") + digits
      }
    }
    return result
  }
}
