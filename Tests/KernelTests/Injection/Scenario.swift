import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// A command that changes something, and what there is before and after it. To test another
/// command, add a line to `all`.
struct Scenario: Sendable {
  enum State: Equatable, Sendable {
    /// Nothing is attached, and these objects are known.
    case detached(Objects)
    case attached(Objects)

    var objects: Objects {
      switch self {
      case .detached(let objects), .attached(let objects): objects
      }
    }
  }

  /// Services by number, and the numbers of their backends.
  struct Objects: Equatable, Sendable {
    var backends: [Int: [Int]]

    var manifests: String {
      backends.sorted { $0.key < $1.key }.map { number, pods in
        let variant: Variant = number % 2 == 0 ? .v6 : .v4
        return Manifest.both(
          "s\(number)", vip: variant.vip(number), pods.map { variant.pod($0) }, "UDP")
      }.joined()
    }
  }

  /// What there is beside the state before.
  enum Setting: Equatable, Sendable {
    case usual
    /// The programs of another build are attached.
    case otherBuild
    /// The maps are hardly larger than what is in them.
    case smallMaps
    /// The history knows of other objects before; `PREVIOUS` among the arguments is their generation.
    case after(Objects)
    /// The maps say this, the disk what there is afterwards.
    case drift
  }

  var name: String
  var arguments: [String]
  var input: String?
  var setting = Setting.usual
  var before: State
  var after: State

  private static let small = Objects(backends: [1: [1, 2], 2: [1, 2], 3: [3], 4: [4], 5: [5, 6]])
  /// One stays, one shrinks, one gets other backends, one grows, one goes and one comes.
  private static let other = Objects(backends: [
    1: [1, 2], 2: [2], 3: [7], 4: [4, 8], 6: [9, 10],
  ])

  private static let many = Objects(
    backends: small.backends.merging((6...20).map { ($0, [$0 % 8 + 1, $0 % 8 + 2]) }) { $1 })

  private static let drifted = Objects(backends: small.backends.merging([5: [5]]) { $1 })

  static let all: [Scenario] = [
    Scenario(
      name: "apply that adds", arguments: ["apply", "-f", "-"],
      input: Objects(backends: [6: [9, 10], 7: [11]]).manifests, before: .attached(small),
      after: .attached(
        Objects(backends: small.backends.merging([6: [9, 10], 7: [11]]) { $1 }))),
    Scenario(
      name: "apply --prune", arguments: ["apply", "--prune", "-f", "-"], input: other.manifests,
      before: .attached(small), after: .attached(other)),
    Scenario(
      name: "apply with a setting",
      arguments: ["apply", "--prune", "--algorithm", "round-robin", "-f", "-"],
      input: other.manifests, before: .attached(small), after: .attached(other)),
    Scenario(
      name: "delete", arguments: ["delete", "-f", "-"],
      input: Objects(backends: [3: [3], 4: [4]]).manifests, before: .attached(small),
      after: .attached(Objects(backends: [1: [1, 2], 2: [1, 2], 5: [5, 6]]))),
    Scenario(
      name: "attach", arguments: ["attach", "--algorithm", "round-robin"],
      before: .detached(small), after: .attached(small)),
    Scenario(
      name: "attach by another build", arguments: ["attach"], setting: .otherBuild,
      before: .attached(small), after: .attached(small)),
    Scenario(
      name: "upgrade", arguments: ["upgrade"], setting: .otherBuild, before: .attached(small),
      after: .attached(small)),
    Scenario(
      name: "apply that grows", arguments: ["apply", "-f", "-"], input: many.manifests,
      setting: .smallMaps, before: .attached(small), after: .attached(many)),
    Scenario(
      name: "rollback", arguments: ["rollback", "PREVIOUS"], setting: .after(small),
      before: .attached(other), after: .attached(small)),
    Scenario(
      name: "verify --repair", arguments: ["verify", "--repair"], setting: .drift,
      before: .attached(drifted), after: .attached(small)),
    Scenario(
      name: "detach", arguments: ["detach"], before: .attached(small), after: .detached(small)),
  ]

  func commandLine(_ sandbox: Sandbox) throws -> [String] {
    if arguments[0] == "attach" { return sandbox.attachCommand + arguments.dropFirst() }
    guard let place = arguments.firstIndex(of: "PREVIOUS") else { return arguments }
    let history = try sandbox.history()
    guard history.count > 1 else { throw Failure("no generation before: \(history)") }
    var result = arguments
    result[place] = history[1].generation
    return result
  }
}

extension Sandbox {
  /// Small: it does not take long.
  var attachCommand: [String] {
    [
      "attach", "--cgroup", cgroup, "--max-services", "64", "--max-frontends", "128",
      "--max-backends", "256",
    ]
  }

  /// Makes what there is before the command, whatever there is now, with commands that nothing
  /// disturbs.
  func establish(_ scenario: Scenario) throws {
    var attach = attachCommand
    if case .smallMaps = scenario.setting {
      // Maps do not shrink, and are made for what is known.
      try succeed(["detach", "--forget"])
      attach += ["--initial-services", "8", "--initial-frontends", "8", "--initial-backends", "16"]
    }
    try succeed(attach)
    // So that the same system calls come each time.
    Disk.remove(state + "/history")
    if case .after(let objects) = scenario.setting { try become(objects) }
    switch scenario.setting {
    case .otherBuild:
      try become(scenario.before.objects)
      _ = try Dataplane(pin: pin).upgrade(programs: otherBuild())
    case .drift:
      try become(scenario.before.objects)
      let dataplane = try Dataplane(pin: pin)
      let drifted = try dataplane.tables.readSnapshot().table
      try become(scenario.after.objects)
      try dataplane.tables.commit(dataplane.tables.prepare(drifted))
    default: try become(scenario.before.objects)
    }
    if case .detached = scenario.before { try succeed(["detach"]) }
  }

  private func become(_ objects: Scenario.Objects) throws {
    try succeed(
      ["apply", "--prune", "--algorithm", "random", "-f", "-"], input: objects.manifests)
  }

  /// What there is, to be compared.
  func measure() throws -> MeasuredState {
    var result = MeasuredState(files: [:], pins: pins)
    for name in ["objects", "settings"] {
      result.files[name] = try? Disk.read(state + "/" + name)
    }
    guard Dataplane.isAttached(pin: pin) else { return result }
    let dataplane = try Dataplane(pin: pin)
    result.programs = try dataplane.attachments().map { "\($0.hook) \($0.tag)" }
    let snapshot = try dataplane.tables.readSnapshot()
    try check(snapshot.isConsistent, "the table says that a writer is at work")
    result.frontends = snapshot.table.frontends
    result.guards = snapshot.table.guardedAddresses
    return result
  }

  /// Connects to every VIP of `objects` and `others`, and says what is not as it must be: each
  /// service leads to a backend that it has in one of the two, and one that is missing in both
  /// leads nowhere.
  func checkTraffic(_ states: Scenario.State..., after what: @autoclosure () -> String) throws {
    for number in Set(states.flatMap(\.objects.backends.keys)).sorted() {
      let variant: Variant = number % 2 == 0 ? .v6 : .v4
      var allowed = Set<String>()
      for state in states {
        if case .attached(let objects) = state, let pods = objects.backends[number] {
          allowed.formUnion(pods.map { variant.pod($0).address })
        } else {
          allowed.insert("nowhere")
        }
      }
      for _ in 0..<4 {
        var reached = try destination(of: variant.vip(number), variant)
        // A link whose pin is removed without more ends a moment later.
        for _ in 0..<100 where allowed == ["nowhere"] && reached != "nowhere" {
          sk_sleep(10)
          reached = try destination(of: variant.vip(number), variant)
        }
        try check(
          allowed.contains(reached),
          "service \(number) leads to \(reached), not to \(allowed.sorted()), after \(what())")
      }
    }
  }

  /// The address that a connected socket really leads to: a socket that connects to an address of
  /// its own host gets that address as its own, and no program changes what getsockname says.
  private func destination(of vip: Place, _ variant: Variant) throws -> String {
    let client = try Socket(variant, SK_UDP)
    switch client.connectError(vip) {
    case 0: return try client.ownName.address
    case networkUnreachable: return "nowhere"
    case let error: return "error \(error)"
    }
  }
}

struct MeasuredState: Equatable {
  var files: [String: String]
  var pins: [String]
  /// Hooks and tags.
  var programs: [String] = []
  /// nil: nothing is attached.
  var frontends: [Frontend]?
  var guards: [IPAddress] = []

  /// In what two states differ, in words.
  func difference(from other: MeasuredState) -> String {
    var lines: [String] = []
    if programs != other.programs {
      lines.append("programs are \(programs), not \(other.programs)")
    }
    if pins != other.pins { lines.append("pins are \(pins), not \(other.pins)") }
    for name in ["objects", "settings"] where files[name] != other.files[name] {
      lines.append("\(name) is \(files[name] ?? "gone"), not \(other.files[name] ?? "gone")")
    }
    if frontends != other.frontends || guards != other.guards { lines.append("the table differs") }
    return lines.joined(separator: "; ")
  }
}
