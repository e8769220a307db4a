/// Objects are large values with many references: whoever has one has this, so that moving them about is
/// cheap, and many who have the same one need the memory for it once.
final class SharedObject: Sendable {
  let object: KubernetesObject

  init(_ object: KubernetesObject) { self.object = object }
}
