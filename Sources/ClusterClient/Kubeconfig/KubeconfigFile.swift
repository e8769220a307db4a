import ManifestText

/// One file of kubeconfigs, read as a tree.
struct KubeconfigFile {
  var path: String
  var root: TextNode

  /// Paths in the file are relative to its directory.
  func resolved(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    guard let slash = self.path.lastIndex(of: "/") else { return path }
    return self.path[...slash] + path
  }

  typealias Problem = ClusterConfigurationError.Problem

  func problem(_ node: TextNode?, _ message: String) -> Problem {
    Problem(file: path, line: node?.line, message)
  }

  /// - Returns: nil for a file without a document, which is as good as none.
  static func read(_ path: String, problems: inout [Problem]) -> KubeconfigFile? {
    let bytes: [UInt8]
    switch System.readFile(path, limit: 1 << 24) {
    case .success(let read): bytes = read
    case .failure(let failure):
      problems.append(Problem(file: path, "cannot be read: \(System.errorText(failure.errno))"))
      return nil
    }
    let parsed = parseManifest(bytes)
    guard parsed.problems.isEmpty else {
      problems += parsed.problems.map { Problem(file: path, line: $0.line, $0.message) }
      return nil
    }
    guard let document = parsed.documents.first, !document.root.isNull else { return nil }
    let file = KubeconfigFile(path: path, root: document.root)
    if parsed.documents.count > 1 {
      problems.append(
        file.problem(parsed.documents[1].root, "is a second document; a kubeconfig is one"))
    }
    guard document.root.kind == .mapping else {
      problems.append(
        file.problem(document.root, "a kubeconfig is a mapping, and this is \(document.root.kind)"))
      return nil
    }
    if let kind = document.root["kind"], !kind.isNull, kind.string != "Config" {
      problems.append(file.problem(kind, "this is no kubeconfig: `kind` is not `Config`"))
      return nil
    }
    if let version = document.root["apiVersion"], !version.isNull, version.string != "v1" {
      problems.append(file.problem(version, "`apiVersion` of a kubeconfig must be `v1`"))
      return nil
    }
    return file
  }
}

/// The members of one entry; what is wrong with them is collected.
struct KubeconfigEntry {
  var file: KubeconfigFile
  /// The mapping beside `name`.
  var node: TextNode
  /// `user "admin"`
  var label: String

  typealias Problem = ClusterConfigurationError.Problem

  func has(_ key: String) -> Bool { node[key].map { !$0.isNull } ?? false }

  func problem(_ key: String, _ message: String) -> Problem {
    file.problem(node[key] ?? node, "\(label): \(message)")
  }

  /// A scalar as text; nil when it is missing, null or empty.
  func text(_ key: String, _ problems: inout [Problem]) -> String? {
    guard let value = node[key], !value.isNull else { return nil }
    guard !value.kind.isContainer else {
      problems.append(file.problem(value, "\(label): `\(key)` must be a string, not \(value.kind)"))
      return nil
    }
    let text = value.string ?? String(decoding: value.utf8, as: UTF8.self)
    return text.isEmpty ? nil : text
  }

  func boolean(_ key: String, _ problems: inout [Problem]) -> Bool {
    guard let value = node[key], !value.isNull else { return false }
    guard let boolean = value.boolean else {
      problems.append(file.problem(value, "\(label): `\(key)` must be true or false"))
      return false
    }
    return boolean
  }

  func texts(_ key: String, _ problems: inout [Problem]) -> [String] {
    guard let value = node[key], !value.isNull else { return [] }
    guard value.kind == .sequence, value.elements.allSatisfy({ !$0.kind.isContainer }) else {
      problems.append(file.problem(value, "\(label): `\(key)` must be a list of strings"))
      return []
    }
    return value.elements.map { $0.string ?? String(decoding: $0.utf8, as: UTF8.self) }
  }

  /// Bytes of `KEY-data` in base64, or the file that `KEY` names; data goes first.
  func material(_ key: String, _ problems: inout [Problem]) -> ClusterMaterial? {
    if let data = text(key + "-data", &problems) {
      guard let bytes = Base64.decode(data.utf8) else {
        problems.append(problem(key + "-data", "`\(key)-data` is not base64"))
        return nil
      }
      return .bytes(bytes)
    }
    return text(key, &problems).map { .file(file.resolved($0)) }
  }
}
