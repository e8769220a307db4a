import BPFLoader
import HookKit
import HookPrograms

/// Which programs are on the clients' cgroup while something is measured.
enum HookVariant: Int, CaseIterable {
  /// No program; programs that do nothing; HookObject; socklb's, and the same with a reader of the
  /// trace.
  case none, empty, floor, peers, ours, traced

  /// Those whose figures stand beside each other in every table.
  static let compared: [HookVariant] = [.none, .empty, .floor, .peers, .ours]

  /// Whether a client that asks for a VIP comes to a backend.
  var translates: Bool { self != .none && self != .empty }
  /// Whose programs these are.
  var programs: HookVariant { self == .traced ? .ours : self }
  /// Whether what it shows the client is the address that was asked for.
  var isTwoWay: Bool { self != .floor }
}

/// The programs of each variant, attached to the clients' cgroup in turn.
///
/// They take turns on one cgroup, and are never attached to two at once: as long as any cgroup of
/// the machine has a program on a hook, the kernel does more for all other cgroups too.
final class HookSets {
  private let cgroup: String
  private var programs: [HookVariant: [hk_program]]
  /// Descriptors that somebody else closes.
  private let owners: [BPFProgram]

  /// Takes over what is attached to `cgroup`: the caller has to detach it then.
  init(attachedTo cgroup: String, table: HookTable) throws {
    self.cgroup = cgroup
    let ours = try Self.programs(on: cgroup, effective: false)
    guard !ours.isEmpty else { throw Wrong(what: "no program is attached to \(cgroup)") }
    let empty = try ours.map { program in
      var program = program
      var result = hk_program()
      try Call.check(
        hk_load_empty(&program, &result), "loading an empty \(Self.name(of: program.hook))")
      return result
    }
    programs = [.none: [], .empty: empty, .ours: ours]
    // Of socklb's hooks those that translation needs; it may have more.
    let shared = ours.filter { SocketHook(rawValue: Self.name(of: $0.hook)) != nil }
    var owners: [BPFProgram] = []
    for (variant, object) in [(HookVariant.floor, HookObject.floor), (.peers, .peers)] {
      let loaded = try HookRivals.load(
        object, table, hooks: shared.map { Self.name(of: $0.hook) })
      programs[variant] = zip(shared, loaded).map { like, program in
        hk_program(hook: like.hook, program: program.descriptor.number, link: -1)
      }
      owners += loaded
    }
    self.owners = owners
  }

  deinit {
    for variant in [HookVariant.empty, .ours] {
      var some = programs[variant] ?? []
      hk_close_programs(&some, Int32(some.count))
    }
  }

  private static func programs(on cgroup: String, effective: Bool) throws -> [hk_program] {
    var room = [hk_program](repeating: hk_program(), count: 64)
    let count = hk_programs_on(cgroup, effective ? 1 : 0, &room, Int32(room.count))
    return Array(room.prefix(Int(try Call.check(count, "asking for the programs on \(cgroup)"))))
  }

  /// Programs that run for every socket of a cgroup, on whatever cgroup above they are.
  static func count(effectiveOn cgroup: String) throws -> Int {
    var found = try programs(on: cgroup, effective: true)
    hk_close_programs(&found, Int32(found.count))
    return found.count
  }

  private static func name(of hook: Int32) -> String {
    hk_hook_name(hook).map { String(cString: $0) } ?? "hook \(hook)"
  }

  func programs(of variant: HookVariant) -> [hk_program] { programs[variant.programs] ?? [] }

  func hooks(of variant: HookVariant) -> [String] {
    programs(of: variant).map { Self.name(of: $0.hook) }
  }

  func attach(_ variant: HookVariant) throws {
    var some = programs(of: variant)
    try Call.check(hk_attach(cgroup, &some, Int32(some.count)), "attaching \(variant)")
    programs[variant.programs] = some
  }

  func detach(_ variant: HookVariant) {
    var some = programs(of: variant)
    hk_detach(&some, Int32(some.count))
    programs[variant.programs] = some
  }

  /// In the order of `hooks(of:)`.
  func times(of variant: HookVariant) throws -> [hk_times] {
    try programs(of: variant).map { program in
      var program = program
      var times = hk_times()
      try Call.check(hk_times_of(&program, &times), "asking for the time of a program")
      return times
    }
  }

  /// How many programs of the same types somebody else has loaded.
  var strangers: Int {
    let own = programs.values.flatMap(\.self)
    return own.withUnsafeBufferPointer { buffer in
      Int(hk_count_strangers(buffer.baseAddress, Int32(buffer.count)))
    }
  }
}
