import ArgumentParser
import NodeHTTP
import ServiceMaps

/// What `run` offers beside its work, with kube-proxy's options where it has them.
struct BesideOptions: ParsableArguments {
  @Option(
    name: .customLong("metrics-bind-address"),
    help: ArgumentHelp(
      "Where /metrics is served: IP:port, or an IP for port \(metricsPort); 0 for nowhere "
        + "(default: \(Defaults.manifests.metrics)).", valueName: "address"))
  var metricsAddress: String?

  @Option(
    name: .customLong("healthz-bind-address"),
    help: ArgumentHelp(
      "Where /healthz, /livez and /readyz are served: IP:port, or an IP for port \(healthPort); 0 for "
        + "nowhere (default: \(Defaults.manifests.healthz)).", valueName: "address"))
  var healthzAddress: String?

  @Flag(
    name: .customLong("health-check-node-ports"), inversion: .prefixedNo,
    help: "Answer load balancers at the healthCheckNodePort of Services (default: on).")
  var healthCheckNodePorts: Bool?

  @Flag(
    name: .customLong("metrics-per-service"),
    help: "Metrics of single services and their backends too.")
  var perService = false

  @Option(
    name: .customLong("metrics-series"),
    help: ArgumentHelp(
      "How many series of services and backends there may be; a metric says how many are left out.",
      valueName: "number"))
  var seriesLimit = 20_000

  static let metricsPort: UInt16 = 10249
  static let healthPort: UInt16 = 10256

  /// What goes where nothing is given; it depends on what is followed.
  struct Defaults {
    var metrics: String
    var healthz: String
    var healthCheckNodePorts: Bool

    /// One node by itself opens no port that nobody asked for.
    static let manifests = Defaults(metrics: "0", healthz: "0", healthCheckNodePorts: true)
    /// kube-proxy's.
    static let cluster = Defaults(
      metrics: "127.0.0.1:\(metricsPort)", healthz: "0.0.0.0:\(healthPort)",
      healthCheckNodePorts: true)
  }

  func validate() throws {
    for (name, text, port) in [
      ("--metrics-bind-address", metricsAddress, Self.metricsPort),
      ("--healthz-bind-address", healthzAddress, Self.healthPort),
    ] {
      guard let text, !Self.isOff(text) else { continue }
      let address = HTTPAddress(text, defaultPort: port)
      guard let address, address.host.map({ IPAddress($0) != nil }) ?? true else {
        throw ValidationError("\(name): '\(text)' is neither IP:port nor an IP")
      }
    }
    if let metrics = metrics(.cluster), metrics == healthz(.cluster) {
      throw ValidationError(
        "--metrics-bind-address and --healthz-bind-address need ports of their own")
    }
    if seriesLimit < 0 { throw ValidationError("--metrics-series: less than 0") }
  }

  private static func isOff(_ text: String) -> Bool { text.isEmpty || text == "0" }

  func metrics(_ defaults: Defaults) -> HTTPAddress? {
    Self.address(metricsAddress ?? defaults.metrics, Self.metricsPort)
  }

  func healthz(_ defaults: Defaults) -> HTTPAddress? {
    Self.address(healthzAddress ?? defaults.healthz, Self.healthPort)
  }

  private static func address(_ text: String, _ port: UInt16) -> HTTPAddress? {
    isOff(text) ? nil : HTTPAddress(text, defaultPort: port)
  }
}
