import ManifestText

extension ObjectDecoder {
  mutating func node(_ node: TextNode, _ meta: ObjectMeta) -> Node {
    var result = Node(meta: meta)
    result.isBeingDeleted = !(node["metadata"]?["deletionTimestamp"]?.isNull ?? true)
    result.isToBeDeletedByAutoscaler =
      node["spec"]?["taints"]?.elements.contains {
        $0["key"]?.string == "ToBeDeletedByClusterAutoscaler"
      } ?? false
    mapping(node, "status") { decoder, status -> Void? in
      decoder.mappings(status, "addresses") { decoder, node in
        let type = decoder.string(node, "type")
        guard type == "InternalIP" || type == "ExternalIP" else { return }
        decoder.field(node, "address") { decoder, node -> Void? in
          guard let text = decoder.string(node) else { return nil }
          if let address = IPAddress(text) {
            result.addresses.append(address)
          } else {
            decoder.report(.warning, node, "\(quoted(text)) is no IP address; ignored")
          }
          return nil
        }
      }
      return nil
    }
    return result
  }
}
