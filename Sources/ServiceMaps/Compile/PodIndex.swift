/// Finds the Pods that a selector matches without looking at each Pod for each Service.
struct PodIndex {
  private struct Label: Hashable {
    var namespace: String
    var key: String
    var value: String
  }

  private let pods: [Pod]
  private var byLabel: [Label: [Int]] = [:]

  /// - Parameter pods: in any order; what is found comes sorted by name.
  init(_ pods: [Pod]) {
    self.pods = pods.sorted { $0.meta.name < $1.meta.name }
    for (i, pod) in self.pods.enumerated() {
      for (key, value) in pod.meta.labels {
        let label = Label(namespace: pod.meta.name.namespace, key: key, value: value)
        byLabel[label, default: []].append(i)
      }
    }
  }

  /// The Pods of `namespace` that have all labels of `selector`, which is not empty.
  func pods(in namespace: String, matching selector: [String: String]) -> [Pod] {
    var fewest: [Int]?
    for (key, value) in selector {
      guard let found = byLabel[Label(namespace: namespace, key: key, value: value)] else {
        return []
      }
      if found.count < fewest?.count ?? .max { fewest = found }
    }
    return (fewest ?? []).compactMap { i in
      let labels = pods[i].meta.labels
      return selector.allSatisfy { labels[$0.key] == $0.value } ? pods[i] : nil
    }
  }
}
