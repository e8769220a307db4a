/// An owned file descriptor: closed when its last holder goes.
public final class FileDescriptor: Sendable {
  /// Valid for as long as this object lives.
  public let number: Int32

  /// Takes `number` over.
  public init(owning number: Int32) { self.number = number }

  deinit { Calls.close(number) }
}
