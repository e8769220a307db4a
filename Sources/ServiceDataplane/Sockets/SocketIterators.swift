import BPFLoader
import BPFObject

/// Programs of Sources/bpf/sockets.bpf.c or files.bpf.c, loaded for one command: they work on the maps of the
/// data plane that is attached, and are gone when this value is.
struct SocketIterators: ~Copyable {
  /// The raw value is the program's name.
  enum Program: String, Sendable {
    /// Ends what the map `endings` names (6.5).
    case endTCP = "end_tcp"
    case endUDP = "end_udp"
    /// Says where that is: `svc_located`.
    case locateTCP = "locate_tcp"
    case locateUDP = "locate_udp"
    /// The connected flows in `more_flows`: `svc_socket`. Of all network namespaces.
    case listMoreFlows = "list_more_flows"
    /// What `since` of a flow is now: one `UInt32`, over the map `header`.
    case readClock = "read_clock"
    /// Cookies of all sockets of a network namespace: those that have an address.
    case listTCP = "list_tcp"
    case listUDP = "list_udp"
    /// Cookies of all sockets that processes have open.
    case listOpen = "list_open"
    /// Who has which socket open, and what it uses: `svc_socket_user`. Of all processes.
    case listFiles = "list_files"

    /// What time it is: one `svc_clocks`, over the map `header`.
    case readClocks = "read_clocks"

    fileprivate var isInFiles: Bool { self == .listFiles || self == .readClocks }
  }

  private let object: LoadedObject

  /// - Parameters:
  ///   - programs: of one of the two files.
  ///   - configure: may size the maps that are not the data plane's.
  init(
    _ programs: [Program], of layout: PinLayout,
    configure: (borrowing OpenObject) throws(BPFError) -> Void = { _ in }
  ) throws(BPFError) {
    let compiled: CompiledObject = programs.contains(where: \.isInFiles) ? .files : .sockets
    let open = try OpenObject(elf: compiled.elf, name: compiled.rawValue)
    try open.loadOnly(programs.map(\.rawValue))
    for name in open.mapNames {
      let pin = name == "header" ? layout.header : layout.map(name)
      if Files.exists(pin) { try open.reuse(BPFMap(pinned: pin), as: name) }
    }
    try configure(open)
    object = try open.load()
  }

  /// - Parameter map: what it walks over, if not sockets.
  func iterator(_ program: Program, over map: BPFMap? = nil) throws(BPFError) -> BPFIterator {
    try BPFIterator(object.program(program.rawValue), named: program.rawValue, over: map)
  }

  func map(_ name: String) throws(BPFError) -> BPFMap { try object.map(name) }

  /// What `since` of a flow is at this moment. Needs `.readClock`.
  func now(_ layout: PinLayout) throws(BPFError) -> UInt32 {
    let header = try BPFMap(pinned: layout.header)
    return try iterator(.readClock, over: header).read(as: UInt32.self).first ?? 0
  }
}
