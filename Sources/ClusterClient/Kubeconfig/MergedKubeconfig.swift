import ManifestText

/// Several kubeconfigs as one: the first that has something wins.
struct MergedKubeconfig {
  typealias Problem = ClusterConfigurationError.Problem

  private var files: [KubeconfigFile] = []
  private(set) var paths: [String]

  /// - Parameter paths: when there are several, those that do not exist are left out, as kubectl does it
  ///   with $KUBECONFIG.
  init(_ paths: [String], problems: inout [Problem]) {
    self.paths = paths
    var isThere = false
    for path in paths where paths.count == 1 || System.exists(path) {
      isThere = true
      if let file = KubeconfigFile.read(path, problems: &problems) { files.append(file) }
    }
    if !isThere {
      let names = paths.joined(separator: ", ")
      problems.append(
        Problem(paths.isEmpty ? "no kubeconfig was given" : "none of these files exists: \(names)"))
    }
  }

  var isEmpty: Bool { files.isEmpty }

  /// Where it is set first.
  func currentContext() -> String? {
    for file in files {
      if let text = file.root["current-context"]?.string, !text.isEmpty { return text }
    }
    return nil
  }

  /// The names in a list, as they come.
  func names(in list: String) -> [String] {
    var names: [String] = []
    for file in files {
      for element in file.root[list]?.elements.map(\.self) ?? [] {
        if let name = Self.name(of: element), !names.contains(name) { names.append(name) }
      }
    }
    return names
  }

  /// The entry of that name in the list `clusters`, `users` or `contexts`.
  ///
  /// - Parameter key: the member that holds it: `cluster`, `user` or `context`.
  func entry(
    _ list: String, _ key: String, named name: String, problems: inout [Problem]
  ) -> KubeconfigEntry? {
    for file in files {
      guard let elements = file.root[list], !elements.isNull else { continue }
      guard elements.kind == .sequence else {
        problems.append(file.problem(elements, "`\(list)` must be a list"))
        continue
      }
      let found = elements.elements.filter { Self.name(of: $0) == name }
      guard let first = found.first else { continue }
      let label = "\(key) \"\(name)\""
      if found.count > 1 {
        problems.append(file.problem(found[1], "there is another \(label) in this file"))
      }
      guard let node = first[key], !node.isNull else {
        return KubeconfigEntry(file: file, node: first, label: label)
      }
      guard node.kind == .mapping else {
        problems.append(
          file.problem(node, "\(label): `\(key)` must be a mapping, not \(node.kind)"))
        return nil
      }
      return KubeconfigEntry(file: file, node: node, label: label)
    }
    return nil
  }

  private static func name(of element: TextNode) -> String? {
    guard let name = element["name"], !name.kind.isContainer, !name.isNull else { return nil }
    return name.string ?? String(decoding: name.utf8, as: UTF8.self)
  }
}
