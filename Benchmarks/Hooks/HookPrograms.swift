import HookKit

/// Which programs are on the clients' cgroup while something is measured.
enum HookVariant: Int, CaseIterable {
  case none, empty, ours
}

/// socklb's programs, and an empty one for each, attached to the clients' cgroup in turn.
///
/// They take turns on one cgroup, and are never attached to two at once: as long as any cgroup of
/// the machine has a program on a hook, the kernel does more for all other cgroups too.
struct HookPrograms {
  private let cgroup: String
  private var programs: [HookVariant: [hk_program]]

  /// Takes over what is attached to `cgroup`: the caller has to detach it then.
  init(attachedTo cgroup: String) throws {
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
  }

  private static func programs(on cgroup: String, effective: Bool) throws -> [hk_program] {
    var room = [hk_program](repeating: hk_program(), count: 64)
    let count = hk_programs_on(cgroup, effective ? 1 : 0, &room, Int32(room.count))
    return Array(room.prefix(Int(try Call.check(count, "asking for the programs on \(cgroup)"))))
  }

  /// Programs that run for every socket of a cgroup, on whatever cgroup above they are.
  static func count(effectiveOn cgroup: String) throws -> Int {
    try programs(on: cgroup, effective: true).count
  }

  static func name(of hook: Int32) -> String {
    hk_hook_name(hook).map { String(cString: $0) } ?? "hook \(hook)"
  }

  var hooks: [String] { (programs[.ours] ?? []).map { Self.name(of: $0.hook) } }

  mutating func attach(_ variant: HookVariant) throws {
    var some = programs[variant] ?? []
    try Call.check(hk_attach(cgroup, &some, Int32(some.count)), "attaching \(variant)")
    programs[variant] = some
  }

  mutating func detach(_ variant: HookVariant) {
    var some = programs[variant] ?? []
    hk_detach(&some, Int32(some.count))
    programs[variant] = some
  }

  /// In the order of `hooks`.
  func times(of variant: HookVariant) throws -> [hk_times] {
    try (programs[variant] ?? []).map { program in
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
