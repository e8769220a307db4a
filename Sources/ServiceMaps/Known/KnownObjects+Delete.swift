extension KnownObjects {
  /// Removes exactly the objects that the input names (`delete -f`).
  ///
  /// What is absent is a warning and no error: deleting what is already gone succeeds.
  public mutating func delete(_ input: [ManifestObject]) -> ChangeSet {
    var result = ChangeSet()
    for manifest in input {
      let id = manifest.object.id
      if objects.removeValue(forKey: id) != nil {
        result.changes.append(ObjectChange(id: id, action: .deleted))
      } else {
        result.diagnostics.append(
          Diagnostic(.warning, at: manifest, "not deleted: no such object is known"))
      }
    }
    return result
  }

  /// Removes a Service with its EndpointSlices and the Endpoints of its name.
  ///
  /// - Returns: what was deleted, the Service first; an error when it is not known.
  public mutating func deleteService(_ name: NamespacedName) -> ChangeSet {
    var result = ChangeSet()
    let service = ObjectID(kind: .service, name: name)
    guard objects.removeValue(forKey: service) != nil else {
      result.diagnostics = [
        Diagnostic(.error, object: "Service \(name)", "not deleted: no such Service is known")
      ]
      return result
    }
    var along = objects.values.compactMap { known -> ObjectID? in
      guard case .endpointSlice(let slice) = known.object, slice.serviceName == name else {
        return nil
      }
      return known.object.id
    }
    let endpoints = ObjectID(kind: .endpoints, name: name)
    if objects[endpoints] != nil { along.append(endpoints) }
    along.sort()
    for id in along { objects[id] = nil }
    result.changes = ([service] + along).map { ObjectChange(id: $0, action: .deleted) }
    return result
  }
}

extension Diagnostic {
  /// A diagnostic that points at the manifest an object came from.
  init(
    _ severity: Severity, at manifest: ManifestObject, path: String? = nil, _ message: String
  ) {
    let id = manifest.object.id
    self.init(
      severity, file: manifest.origin.file, document: manifest.origin.document,
      line: manifest.origin.line, object: id.qualifiedDescription, path: path, message)
  }
}

extension ObjectID {
  /// `Service default/web`, or `Node worker-1`.
  var qualifiedDescription: String {
    name.namespace.isEmpty ? "\(kind.rawValue) \(name.name)" : "\(kind.rawValue) \(name)"
  }
}
