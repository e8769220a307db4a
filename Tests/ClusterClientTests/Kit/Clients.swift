import ClusterClient
import Foundation
import Logging
import Synchronization
import Testing

/// Keeps what is logged.
final class Lines: Sendable {
  private let lines = Mutex<[String]>([])
  var all: [String] { lines.withLock { $0 } }

  var logger: Logger {
    var logger = Logger(label: "test") { _ in Handler(lines: self) }
    logger.logLevel = .trace
    return logger
  }

  private struct Handler: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(lines: Lines) { self.lines = lines }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      lines.lines.withLock { $0.append("\(event.level): \(event.message)") }
    }
  }
}

func server(_ url: String) throws -> ClusterServer {
  let folder = try Folder()
  defer { withExtendedLifetime(folder) {} }
  let file = try folder.write("config", kubeconfig(url))
  return try ClusterConfiguration.kubeconfig([file], environment: [:]).servers[0]
}

/// A kubeconfig with one context.
func kubeconfig(_ url: String, cluster: String = "", user: String = "") -> String {
  """
  apiVersion: v1
  kind: Config
  current-context: test
  contexts:
  - {name: test, context: {cluster: test, user: test}}
  clusters:
  - name: test
    cluster:
      server: \(url)
  \(cluster.indented(4))
  users:
  - name: test
    user:
      {}
  """.replacingOccurrences(of: "    {}", with: user.isEmpty ? "    {}" : user.indented(4))
}

extension String {
  func indented(_ count: Int) -> String {
    split(separator: "\n").map { String(repeating: " ", count: count) + $0 }.joined(separator: "\n")
  }

  var base64: String { Data(utf8).base64EncodedString() }
}

func configuration(
  _ url: String, cluster: String = "", user: String = "", environment: [String: String] = [:],
  servers: [String] = [], tlsServerName: String? = nil, in folder: Folder? = nil
) throws -> ClusterConfiguration {
  let folder = try folder ?? Folder()
  defer { withExtendedLifetime(folder) {} }
  let file = try folder.write("config", kubeconfig(url, cluster: cluster, user: user))
  return try .kubeconfig(
    [file], servers: servers, tlsServerName: tlsServerName, environment: environment)
}

/// Runs a test with a client, and shuts it down.
func withClient(
  _ configuration: ClusterConfiguration, log: Lines = Lines(),
  rotation: ClusterClient.Rotation = .init(),
  _ body: (ClusterClient) async throws -> Void
) async throws {
  let client = ClusterClient(configuration, log: log.logger, rotation: rotation)
  do {
    try await body(client)
    await client.shutdown()
  } catch {
    await client.shutdown()
    throw error
  }
}

extension ClusterClient {
  /// The text that a path has.
  func text(_ path: String = "/", limits: ClusterLimits = .init()) async throws -> String {
    var request = ClusterRequest(path)
    request.limits = limits
    return String(decoding: try await send(request).collect(upTo: 1 << 20), as: UTF8.self)
  }

  /// The error of a request that is to fail; its body is read too.
  func failure(_ request: ClusterRequest = ClusterRequest("/")) async -> ClusterError? {
    do throws(ClusterError) {
      let response = try await send(request)
      _ = try await response.collect(upTo: 1 << 20)
      Issue.record("a response: \(response.status)")
      return nil
    } catch { return error }
  }
}

/// Waits until something is so.
func eventually(_ seconds: Double = 5, _ condition: () -> Bool) async -> Bool {
  let end = ContinuousClock.now + .seconds(seconds)
  while !condition() {
    if .now > end { return false }
    try? await Task.sleep(for: .milliseconds(5))
  }
  return true
}
