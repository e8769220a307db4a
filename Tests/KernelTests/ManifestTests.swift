import Glibc
import ServiceDataplane
import ServiceMaps
import SocketKit

/// From manifests to sockets, through the real command.
let manifestTests: [KernelTest] =
  Variant.allCases.map { variant in
    KernelTest("manifest_apply_then_connect_\(variant)") { sandbox in
      let pods = try Pods(variant, SK_TCP, 1...3)
      let vip = variant.vip(1)
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      let own: Variant = variant == .mapped ? .v4 : variant
      let apply = try sandbox.succeed(
        ["apply", "-f", "-"], input: Manifest.both("web", vip: own.vip(1), pods.places))
      try check(apply.output.contains("web created"), apply.all)
      let client = try Socket(variant, SK_TCP)
      try client.connect(vip)
      _ = try pods.accept()
      try checkEqual(try client.peerName, vip, "getpeername")
      let again = try sandbox.succeed(
        ["apply", "-f", "-"], input: Manifest.both("web", vip: own.vip(1), pods.places))
      try check(
        again.output.contains("web unchanged") && !again.output.contains("configured"), again.all)
      // The last backend goes.
      try sandbox.succeed(["apply", "-f", "-"], input: Manifest.slice("web", []))
      try checkEqual(try Socket(variant, SK_TCP).connectError(vip), refused, "no backend")
      let delete = try sandbox.succeed(["delete", "service", "shop/web"])
      try check(delete.output.contains("deleted"), delete.all)
      try checkEqual(
        try Socket(variant, SK_TCP).connectError(vip), networkUnreachable, "no service")
      try checkEqual(try sandbox.succeed(["dump", "all"]).output, "", "dump")
    }
  } + [
    KernelTest("manifest_apply_prints_what_dump_prints", inVM: false) { sandbox in
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      let input = example
      let planned = try sandbox.succeed(
        ["apply", "-f", "-", "--dry-run", "-o", "json"], input: input)
      try checkEqual(
        try sandbox.succeed(["dump"]).output, "", "dump after a dry run")
      let applied = try sandbox.succeed(["apply", "-f", "-", "-o", "json"], input: input)
      let dumped = try sandbox.succeed(["dump", "-o", "json"])
      try checkEqual(planned.output, dumped.output, "apply --dry-run and dump")
      try checkEqual(applied.output, dumped.output, "apply and dump")
      try check(dumped.output.contains("\"shop/web\""), dumped.output)
    },
    KernelTest("manifest_dumped_objects_are_unchanged_when_applied", inVM: false) { sandbox in
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      try sandbox.succeed(["apply", "-f", "-"], input: example + Manifest.withoutAddress)
      for format in ["yaml", "json", "text"] {
        let objects = try sandbox.succeed(["dump", "objects", "-o", format]).output
        let table = try sandbox.succeed(["dump", "-o", "json"]).output
        for arguments in [["apply", "-f", "-"], ["apply", "-f", "-", "--prune"]] {
          let again = try sandbox.succeed(arguments, input: objects)
          let lines = again.output.split(separator: "\n")
          try check(!lines.isEmpty, "nothing was said: \(again.all)")
          for line in lines {
            try check(line.hasSuffix(" unchanged"), "\(format): \(line)")
          }
        }
        try checkEqual(try sandbox.succeed(["dump", "-o", "json"]).output, table, "the table")
      }
    },
    KernelTest("manifest_prune_makes_the_input_the_whole_truth", inVM: false) { sandbox in
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      try sandbox.succeed(["apply", "-f", "-"], input: example)
      let empty = try sandbox.run(
        ["apply", "-f", "-", "--prune"], input: Manifest.slice("web", []))
      try checkEqual(empty.code, 1, empty.all)
      try check(empty.errors.contains("--allow-empty"), empty.all)
      let one = Manifest.both("web", vip: Variant.v4.vip(1), [Variant.v4.pod(1)])
      let pruned = try sandbox.succeed(["apply", "-f", "-", "--prune"], input: one)
      try check(pruned.output.contains("mail"), pruned.all)
      let dump = try sandbox.succeed(["dump"]).output
      try check(dump.contains("shop/web") && !dump.contains("shop/mail"), dump)
    },
    KernelTest("manifest_diff_tells_by_its_exit_code", inVM: false) { sandbox in
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      try sandbox.succeed(["apply", "-f", "-"], input: example)
      let same = try sandbox.run(["diff", "-f", "-"], input: example)
      try checkEqual(same.code, 0, same.all)
      try checkEqual(same.output, "", "diff of the same")
      let other = Manifest.slice("web", [Variant.v4.pod(7)])
      let differs = try sandbox.run(["diff", "-f", "-"], input: other)
      try checkEqual(differs.code, 1, differs.all)
      let lines = differs.output.split(separator: "\n")
      try check(lines.contains { $0.hasPrefix("+") && $0.contains("10.0.0.7") }, differs.all)
      try check(lines.contains { $0.hasPrefix("-") && $0.contains("10.0.0.1") }, differs.all)
      // The kernel is what is compared with, not what is known.
      try Dataplane(pin: sandbox.pin).serve([])
      try checkEqual(
        try sandbox.run(["diff", "-f", "-"], input: example).code, 1, "diff after tampering")
      let bad = try sandbox.run(["diff", "-f", "-"], input: "kind: [")
      try check(bad.code > 1, bad.all)
    },
    KernelTest("manifest_bad_input_changes_nothing", inVM: false) { sandbox in
      try sandbox.succeed(["attach", "--cgroup", sandbox.cgroup])
      try sandbox.succeed(["apply", "-f", "-"], input: example)
      let before = try sandbox.succeed(["dump", "all", "-o", "json"]).output
      let generation = try Dataplane(pin: sandbox.pin).tables.generation
      let bad = try sandbox.run(
        ["apply", "-f", "-"],
        input: Manifest.slice("web", [Variant.v4.pod(9)])
          + Manifest.service("broken", vip: Place("172.30.0.400", 70_000)))
      try checkEqual(bad.code, 65, bad.all)
      try checkEqual(bad.output, "", "standard output")
      try checkEqual(try sandbox.succeed(["dump", "all", "-o", "json"]).output, before, "dump")
      try checkEqual(
        try Dataplane(pin: sandbox.pin).tables.generation, generation, "the generation")
    },
    KernelTest("manifest_not_attached_names_attach_and_writes_nothing", inVM: false) { sandbox in
      for arguments in [["apply", "-f", "-"], ["delete", "service", "shop/web"]] {
        let outcome = try sandbox.run(arguments, input: example)
        try checkEqual(outcome.code, 1, outcome.all)
        try check(outcome.errors.contains("socklb attach"), outcome.all)
        try check(!Disk.exists(sandbox.state), "\(arguments) made a state directory")
      }
      let dry = try sandbox.succeed(["apply", "-f", "-", "--dry-run"], input: example)
      try check(dry.output.contains("web created"), dry.all)
      try check(!Disk.exists(sandbox.state), "a dry run made a state directory")
    },
  ]

/// Three services: TCP, UDP over IPv6, and one without backends.
let example =
  Manifest.both("web", vip: Variant.v4.vip(1), (1...3).map { Variant.v4.pod($0) })
  + Manifest.both("mail", vip: Variant.v6.vip(2), (1...2).map { Variant.v6.pod($0) }, "UDP")
  + Manifest.service("empty", vip: Variant.v4.vip(3))

extension Manifest {
  /// It gets one.
  static let withoutAddress = """
    apiVersion: v1
    kind: Service
    metadata: {name: assigned, namespace: shop}
    spec:
      ports: [{name: http, port: 80}]
    ---

    """
}
