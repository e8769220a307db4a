import ServiceDataplane
import ServiceFollow
import ServiceMaps

/// What `status` says, as text and as facts.
struct StatusReport {
  let common: CommonOptions
  let dataplane: Dataplane
  let attached: Attached
  let snapshot: KernelTables.Snapshot
  let termination: TerminationWay
  let sockets: KernelTables.SocketUse
  /// How far the maps may grow; nil: this is not known.
  let limits: Capacities?
  /// The `socklb run` that is at work; nil: there is none, or this user may not know.
  let running: RunRecord?

  private var attachments: [Dataplane.Attachment] { attached.attachments }
  private var problems: [String] { attached.problems }

  /// Every hook is attached to every cgroup and effective in it, and every cgroup is there.
  var isHealthy: Bool { problems.isEmpty }

  private struct Fill {
    var family: String
    var room: Capacities
    var services: Int
    var frontends: Int
    var backends: Int
  }

  private var fills: [Fill] {
    snapshot.states.map { state in
      Fill(
        family: state.family.description, room: state.capacities, services: state.services.count,
        frontends: state.frontends.count,
        backends: state.lists.values.reduce(0) { $0 + Int($1.count) })
    }
  }

  private var totals: ServiceCounters {
    snapshot.counters.values.reduce(into: ServiceCounters()) { sum, value in
      sum.translated &+= value.translated
      sum.refused &+= value.refused
    }
  }

  private var cgroups: [(place: String, id: UInt64, isLive: Bool, hooks: [Dataplane.Attachment])] {
    var result: [(place: String, id: UInt64, isLive: Bool, hooks: [Dataplane.Attachment])] = []
    for attachment in attachments {
      if result.last?.id == attachment.cgroupID {
        result[result.count - 1].hooks.append(attachment)
      } else {
        result.append(
          (
            attachment.cgroupPath ?? "gone", attachment.cgroupID, attachment.isLive, [attachment]
          ))
      }
    }
    return result
  }

  func text(_ style: Style) -> String {
    var lines = [
      "socklb      \(Socklb.version), table layout \(dataplane.tables.layoutVersion)",
      "pinned at   \(dataplane.pin), generation \(dataplane.tables.generation / 2)",
      "state       \(common.state)",
    ]
    for cgroup in cgroups {
      let state =
        cgroup.isLive ? "" : "  " + style.bad("DEAD") + ": detached, or the cgroup is gone"
      lines.append("cgroup      \(cgroup.place) (id \(cgroup.id))\(state)")
      for hook in cgroup.hooks {
        lines.append(
          "  \(pad(hook.hook, 13)) program \(pad("\(hook.programID)", 6)) tag \(hook.tag)")
      }
    }
    lines += running.map { runLines($0, style) } ?? []
    lines.append("effective   \(attached.summary)")
    for problem in problems {
      lines.append(
        style.bad("PROBLEM")
          + "     \(problem); run `socklb attach`, or `socklb doctor` to know more")
    }
    for fill in fills {
      let room = fill.room
      lines.append(
        "\(pad(fill.family, 11)) service ports \(fill.services)/\(room.services), frontends "
          + "\(fill.frontends)/\(room.frontends), backends \(fill.backends)/\(room.backends)")
    }
    lines.append(
      "room        \(limits.map { "grows to \($0)" } ?? "does not grow"); "
        + (dataplane.tables.grownAt.map { "grown \(UTCTime(seconds: Int64($0)))" }
          ?? "never grown")
    )
    lines.append(
      "sockets     \(sockets.records)/\(sockets.capacity) records, since attach: "
        + "\(sockets.setFull) without a record, \(sockets.sharedBackends) with VIPs on one backend, "
        + "\(sockets.flowsGivenUp) VIPs forgotten, \(sockets.noMemory) without memory")
    if sockets.talliesLost > 0 {
      lines.append(
        "counters    those of backends are too low: \(sockets.talliesLost) times the kernel had no "
          + "memory for 128 more")
    }
    lines.append("ends        sockets whose backend went away by \(termination)")
    lines.append("totals      \(totals.translated) translated, \(totals.refused) refused")
    return lines.joined(separator: "\n") + "\n"
  }

  private func runLines(_ run: RunRecord, _ style: Style) -> [String] {
    let changed = run.changed.map { "\($0)" } ?? "never"
    return [
      "run         process \(run.pid) follows \(run.directory) since \(run.started): "
        + "\(run.files) files, \(run.objects) objects, last change \(changed)"
    ] + (run.trouble.map { [style.bad("TROUBLE") + "     \($0)"] } ?? [])
      + run.broken.map { style.bad("BROKEN") + "      \($0.file): \($0.problem)" }
  }

  private var runFacts: Facts {
    guard let run = running else { return .none }
    let broken: [Facts] = run.broken.map {
      .members([("file", .text($0.file)), ("problem", .text($0.problem))])
    }
    let changed: Facts = run.changed.map { .text("\($0)") } ?? .none
    let trouble: Facts = run.trouble.map { .text($0) } ?? .none
    return .members([
      ("pid", .number(UInt64(max(0, run.pid)))), ("directory", .text(run.directory)),
      ("started", .text("\(run.started)")),
      ("changed", changed),
      ("files", .number(UInt64(run.files))), ("objects", .number(UInt64(run.objects))),
      ("trouble", trouble), ("broken", .list(broken)),
    ])
  }

  var facts: Facts {
    func use(_ used: Int, _ capacity: Int) -> Facts {
      .members([("used", .number(UInt64(used))), ("capacity", .number(UInt64(capacity)))])
    }
    return .members([
      ("version", .text(Socklb.version)),
      ("layoutVersion", .number(UInt64(dataplane.tables.layoutVersion))),
      ("healthy", .flag(isHealthy)),
      ("problems", .list(problems.map { .text($0) })),
      ("effective", attached.facts),
      ("pin", .text(dataplane.pin)),
      ("state", .text(common.state)),
      ("generation", .number(dataplane.tables.generation / 2)),
      ("run", runFacts),
      (
        "cgroups",
        .list(
          cgroups.map { cgroup in
            .members([
              ("path", cgroup.place == "gone" ? .none : .text(cgroup.place)),
              ("id", .number(cgroup.id)),
              ("live", .flag(cgroup.isLive)),
              (
                "hooks",
                .list(
                  cgroup.hooks.map { hook in
                    .members([
                      ("name", .text(hook.hook)), ("programID", .number(UInt64(hook.programID))),
                      ("tag", .text(hook.tag)),
                    ])
                  })
              ),
            ])
          })
      ),
      (
        "families",
        .list(
          fills.map { fill in
            .members([
              ("family", .text(fill.family)),
              ("servicePorts", use(fill.services, fill.room.services)),
              ("frontends", use(fill.frontends, fill.room.frontends)),
              ("backends", use(fill.backends, fill.room.backends)),
            ])
          })
      ),
      (
        "growth",
        .members([
          ("servicePorts", limits.map { .number(UInt64($0.services)) } ?? .none),
          ("frontends", limits.map { .number(UInt64($0.frontends)) } ?? .none),
          ("backends", limits.map { .number(UInt64($0.backends)) } ?? .none),
          (
            "last",
            dataplane.tables.grownAt.map { .text("\(UTCTime(seconds: Int64($0)))") } ?? .none
          ),
        ])
      ),
      (
        "sockets",
        .members([
          ("records", use(sockets.records, sockets.capacity)),
          ("setFull", .number(sockets.setFull)),
          ("sharedBackends", .number(sockets.sharedBackends)),
          ("flowsGivenUp", .number(sockets.flowsGivenUp)),
          ("noMemory", .number(sockets.noMemory)),
          ("talliesLost", .number(sockets.talliesLost)),
        ])
      ),
      ("termination", .text(termination.description)),
      (
        "totals",
        .members([
          ("translated", .number(totals.translated)), ("refused", .number(totals.refused)),
        ])
      ),
    ])
  }

  private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}
