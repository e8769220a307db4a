/// The compiled BPF programs, as they travel inside the binary.
public enum SocketPrograms {
  /// The ELF object, base64.
  public static var base64: StaticString { EmbeddedObject.base64 }
}
