/// The same for programs.
extension HookReport {
  /// case, variant, measure, median, low, high: the quartiles.
  ///
  /// `program` is what the kernel's statistics read, `net` without the empty program's part, `cpu`
  /// what the thread took, `more` without what it takes with no program; `net connect4` one hook's.
  var tsv: String {
    var lines = [["case", "variant", "measure", "median", "low", "high"]]
    func number(_ value: Double) -> String { String((value * 100).rounded() / 100) }
    func add(_ name: String, _ variant: HookVariant, _ measure: String, _ value: Readings) {
      lines.append(
        [name, "\(variant)", measure] + [value.median, value.low, value.high].map(number))
    }
    for result in results {
      for variant in result.test.variants {
        let name = result.test.name
        add(name, variant, "cpu", result.cpu(variant))
        if variant == .none { continue }
        add(name, variant, "more", result.more(variant))
        add(name, variant, "program", result.raw(variant))
        if variant == .empty { continue }
        add(name, variant, "net", result.net(variant))
        if variant == .traced {
          add(name, variant, "adds", result.tracedNet)
          add(name, variant, "CPU adds", result.tracedCPU)
        }
        for part in result.parts(variant) { add(name, variant, "net \(part.hook)", part.net) }
      }
    }
    for result in cores {
      for variant in result.variants {
        for (cpus, word) in [(1, "one core"), (2, "two cores")] {
          add(result.name, variant, "cpu \(word)", result.cpu(variant, cpus))
          if !variant.translates { continue }
          add(result.name, variant, "net \(word)", result.net(variant, cpus))
        }
      }
    }
    for bar in bars {
      let value = number(bar.value)
      lines.append([bar.name, "ours", "bar \(bar.unit) \(bar.verdict)", value, value, value])
    }
    return lines.map { $0.joined(separator: "\t") + "\n" }.joined()
  }

  var json: String {
    func number(_ value: Double) -> String { String((value * 10).rounded() / 10) }
    func readings(_ value: Readings) -> String {
      "{\"median\": \(number(value.median)), \"low\": \(number(value.low)), "
        + "\"high\": \(number(value.high)), "
        + "\"uncertainty\": \(number(value.uncertainty))}"
    }
    let cases = results.map { one in
      var fields = ["\"case\": \"\(one.test.name)\""]
      // The names that scripts/bench-compare.sh finds in reports of older commits too.
      var values = [
        ("ours", one.raw(.ours)), ("empty", one.raw(.empty)), ("net", one.net(.ours)),
        ("cpuNone", one.cpu(.none)), ("cpuEmpty", one.cpu(.empty)), ("cpuOurs", one.cpu(.ours)),
        ("cpuMore", one.more(.ours)),
      ]
      for (name, variant) in [("floor", HookVariant.floor), ("peers", .peers)]
      where one.test.variants.contains(variant) {
        values.append((name, one.raw(variant)))
        values.append((name + "Net", one.net(variant)))
      }
      if one.test.isTraced {
        values += [("tracedAdds", one.tracedNet), ("tracedCPUAdds", one.tracedCPU)]
      }
      fields += values.map { "\"\($0.0)\": \(readings($0.1))" }
      for (name, value) in [
        ("must", one.test.must), ("aim", one.test.aim), ("cpuMust", one.test.mustCPU),
      ] {
        if let value { fields.append("\"\(name)\": \(value)") }
      }
      // Every reading, in the order they were taken, for who wants other statistics.
      let rounds = one.test.variants.map { variant in
        let values = one.rounds.map { number($0.cpu[variant] ?? 0) }
        return "\"\(variant)\": [\(values.joined(separator: ", "))]"
      }
      fields.append("\"cpuRounds\": {\(rounds.joined(separator: ", "))}")
      let hooks = one.parts(.ours).map { "\"\($0.hook)\": \(readings($0.net))" }
      fields.append("\"hooks\": {\(hooks.joined(separator: ", "))}")
      return "    {" + fields.joined(separator: ", ") + "}"
    }
    let met = bars.map {
      "    {\"bar\": \"\($0.name)\", \"value\": \(number($0.value)), \"unit\": \"\($0.unit)\", "
        + "\"must\": \($0.must), \"aim\": \($0.aim), \"verdict\": \"\($0.verdict)\"}"
    }
    let said = notes.map { note in
      "\"\(note.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "'"))\""
    }
    return """
      {
        "rounds": \(options.rounds), "count": \(options.count),
        "notes": [\(said.joined(separator: ", "))],
        "bars": [
      \(met.joined(separator: ",\n"))
        ],
        "cases": [
      \(cases.joined(separator: ",\n"))
        ]
      }

      """
  }
}
