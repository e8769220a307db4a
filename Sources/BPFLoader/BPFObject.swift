/// An object file that is not loaded yet: its maps can be sized.
///
/// `load()` consumes it, so a map cannot be sized after it was made.
public struct OpenObject: ~Copyable {
  private let handle: ObjectHandle
  private let name: String

  /// - Parameters:
  ///   - elf: the compiled object, as clang wrote it.
  ///   - name: what error messages call it.
  public init(elf: [UInt8], name: String) throws(BPFError) {
    self.name = name
    do {
      handle = try ObjectHandle(elf: elf, name: name)
    } catch {
      throw .call("reading the BPF object \(name)", errno: error.errno)
    }
  }

  /// Sets `max_entries` of a map.
  public func setMaxEntries(_ count: Int, ofMap map: String) throws(BPFError) {
    guard let value = UInt32(exactly: count) else {
      throw BPFError(.failed, "the map \(map) cannot have \(count) entries")
    }
    if let errno = handle.setMaxEntries(value, ofMap: map) {
      throw .call("sizing the map \(map)", errno: errno)
    }
  }

  /// Gives its constants (`const volatile`) their values; they are one value of this layout.
  public func setConstants<T: BitwiseCopyable>(_ value: T) throws(BPFError) {
    if let errno = handle.setConstants(value) {
      throw .call("setting the constants of the BPF object \(name)", errno: errno)
    }
  }

  /// The names of its maps, without those that clang makes of constants, and of variables without
  /// a section of their own.
  public var mapNames: [String] { handle.mapNames }

  /// What it wants a map to be; nil when it has no such map.
  public func definition(ofMap map: String) -> MapDefinition? { handle.definition(ofMap: map) }

  /// What the keys and values of a map are; nil when the object does not say.
  public func types(ofMap map: String) -> MapTypes? { handle.types(ofMap: map) }

  /// How many elements a map has room for as it is now; nil when there is no such map.
  public func maxEntries(ofMap map: String) -> Int? { handle.maxEntries(ofMap: map) }

  /// Sets the first bytes of the constants (`const volatile`) of an object.
  public func setFirstConstant(_ value: UInt32) throws(BPFError) {
    if let errno = handle.setFirstConstant(value) {
      throw .call("setting a constant of the BPF object \(name)", errno: errno)
    }
  }

  /// Sets the constant (`const volatile __u32`) that is alone in a section, `.rodata.` and its name.
  public func setConstant(_ value: UInt32, inSection section: String) throws(BPFError) {
    if let errno = handle.setFirstConstant(value, in: ".rodata." + section) {
      throw .call("setting the constant \(section) of the BPF object \(name)", errno: errno)
    }
  }

  /// Loads no other programs than these: the rest may need what this kernel has not.
  public func loadOnly(_ programs: [String]) throws(BPFError) {
    if let errno = handle.loadOnly(programs) {
      throw .call("choosing programs of the BPF object \(name)", errno: errno)
    }
  }

  /// Uses an existing map instead of making one.
  public func reuse(_ existing: BPFMap, as map: String) throws(BPFError) {
    if let errno = handle.reuse(fd: existing.descriptor.number, asMap: map) {
      throw .call("reusing the map \(map)", errno: errno)
    }
  }

  /// Creates the maps and loads the programs (BPF_MAP_CREATE, BPF_PROG_LOAD).
  public consuming func load() throws(BPFError) -> LoadedObject {
    let wanted = mapNames.map { (name: $0, definition: handle.definition(ofMap: $0)) }
    if let failure = handle.load() {
      if let program = failure.program {
        throw BPFError(
          .rejected, "the kernel's verifier refused the program \(program)",
          errno: failure.errno, verifierLog: failure.log)
      }
      throw .call("loading the BPF object \(name)", errno: failure.errno)
    }
    let loaded = LoadedObject(handle)
    // libbpf leaves out what the kernel seems not to know when a probe of its fails: a flag, or
    // the name; who reuses a map without a name loses its own for it.
    for (map, definition) in wanted {
      let isNamed = try !loaded.map(map).name.isEmpty
      guard handle.definition(ofMap: map) == definition, isNamed else {
        throw BPFError(
          .failed, "the map \(map) of the BPF object \(name) was not made as it has to be",
          remedy: "a test of what the kernel can do has failed: try again")
      }
    }
    return loaded
  }
}

/// An object whose maps and programs exist in the kernel.
public struct LoadedObject: ~Copyable {
  private let handle: ObjectHandle

  fileprivate init(_ handle: ObjectHandle) { self.handle = handle }

  public func program(_ name: String) throws(BPFError) -> BPFProgram {
    guard let fd = handle.programFD(name) else {
      throw BPFError(.notFound, "the BPF object has no program \(name)")
    }
    return BPFProgram(FileDescriptor(owning: fd))
  }

  public func map(_ name: String) throws(BPFError) -> BPFMap {
    guard let fd = handle.mapFD(name) else {
      throw BPFError(.notFound, "the BPF object has no map \(name)")
    }
    return try BPFMap(FileDescriptor(owning: fd))
  }
}
