import ArgumentParser
import ServiceMaps

/// Names of Services on the command line.
enum ServiceNames {
  /// Whether a word names the kind, as kubectl has it.
  static func isKind(_ word: String) -> Bool { ["service", "services", "svc"].contains(word) }

  /// NAMESPACE/NAME, or NAME in `default`.
  static func parse(_ words: some Sequence<String>) throws -> [NamespacedName] {
    try words.map { word in
      let parts = word.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
      guard parts.count <= 2, !parts.contains("") else {
        throw ValidationError("'\(word)' is no NAMESPACE/NAME")
      }
      return parts.count == 1
        ? NamespacedName(namespace: "default", name: parts[0])
        : NamespacedName(namespace: parts[0], name: parts[1])
    }
  }
}
