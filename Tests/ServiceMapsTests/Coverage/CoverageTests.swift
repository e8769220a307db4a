import ServiceMaps
import Testing

/// Two hooks are enough; ours have the programs 1 and 2.
private func facts(_ places: CoverageFacts.Place...) -> CoverageFacts {
  var facts = CoverageFacts(hooks: ["connect4", "sock_release"])
  facts.own = ["connect4": [1], "sock_release": [2]]
  facts.anchors = [.init(id: 100, path: "/cg", isLive: true)]
  facts.places = places
  return facts
}

private func place(
  _ path: String, ids: Set<UInt64> = [100], connect4: [UInt32] = [1], release: [UInt32] = [2]
) -> CoverageFacts.Place {
  .init(
    path: path, ids: ids, processes: 3, programs: ["connect4": connect4, "sock_release": release])
}

@Suite struct CoverageTests {
  @Test func everyHookOnceIsCovered() {
    let coverage = Coverage(facts(place("/cg/b"), place("/cg/a")))
    #expect(coverage.places.map(\.path) == ["/cg/a", "/cg/b"])
    #expect(coverage.places.allSatisfy { $0.state == .covered && $0.isExpected })
    #expect(coverage.coveredCount == 2)
    #expect(coverage.problems == [])
    #expect(coverage.summary == "2 of 2 cgroups with processes (6 processes) run every hook once")
    #expect(coverage.findings.allSatisfy { $0.verdict == .ok })
  }

  @Test func aMissingHookIsNamedWhereItOughtToBe() {
    let coverage = Coverage(facts(place("/cg", connect4: []), place("/cg/a", release: [])))
    #expect(coverage.coveredCount == 0)
    #expect(
      coverage.problems == [
        "connect4 not effective for /cg (3 processes)",
        "sock_release not effective for /cg/a (3 processes)",
      ])
    #expect(coverage.findings.contains { $0.verdict == .failure && $0.check == "effective" })
  }

  @Test func aCgroupBesideIsNoProblem() {
    let outside = place("/other", ids: [7], connect4: [], release: [])
    let coverage = Coverage(facts(place("/cg"), outside))
    #expect(coverage.places[1].state == .missing(["connect4", "sock_release"]))
    #expect(!coverage.places[1].isExpected)
    #expect(coverage.problems == [])
    #expect(coverage.findings[0].message.contains("1 more lie outside"))
  }

  @Test func aNestedAttachRunsTwice() {
    let coverage = Coverage(facts(place("/cg/in", connect4: [1, 1])))
    #expect(coverage.places[0].state == .twice(["connect4"]))
    #expect(coverage.problems.count == 1)
    #expect(coverage.problems[0].contains("twice for /cg/in"))
  }

  @Test func twoOfOurProgramsAreTwiceToo() {
    // After some links were attached with programs that were loaded anew.
    var two = facts(place("/cg/in", connect4: [5, 1]))
    two.own["connect4"] = [1, 5]
    #expect(Coverage(two).places[0].state == .twice(["connect4"]))
    two.places = [place("/cg/in", connect4: [5])]
    #expect(Coverage(two).places[0].state == .covered)
  }

  @Test func othersAreBeforeOrAfter() throws {
    var mixed = facts(place("/cg", connect4: [9, 1, 8]), place("/cg/a", connect4: [9, 1]))
    mixed.others[9] = .init(id: 9, name: "cil_sock4_connect", type: "cgroup_sock_addr")
    let coverage = Coverage(mixed)
    #expect(coverage.problems == [])
    #expect(coverage.places[0].others.map(\.isBefore) == [true, false])
    let findings = coverage.findings.filter { $0.check == "others" }
    #expect(findings.map(\.verdict) == [.warning, .warning])
    #expect(findings[0].message.contains("(id 8, unknown type), runs after ours at connect4"))
    #expect(
      findings[1].message.contains(
        "cil_sock4_connect (id 9, cgroup_sock_addr), runs before ours at connect4 for /cg, /cg/a"))
  }

  @Test func aSecondSocklbIsCalledSo() throws {
    var second = facts(place("/cg", connect4: [9, 1]))
    second.others[9] = .init(id: 9, name: "connect4", type: "cgroup_sock_addr")
    let finding = try #require(Coverage(second).findings.first { $0.check == "others" })
    #expect(try #require(finding.remedy).contains("second socklb"))
  }

  @Test func aDeadAnchorIsAFailure() {
    var dead = facts()
    dead.anchors = [.init(id: 100, path: nil, isLive: false)]
    let coverage = Coverage(dead)
    #expect(coverage.findings[0].verdict == .failure)
    #expect(coverage.findings[0].message.contains("(id 100) is gone"))
    dead.anchors = [.init(id: 100, path: "/cg", isLive: false)]
    #expect(Coverage(dead).findings[0].message.contains("every link to the cgroup /cg is detached"))
    // Nobody is expected to be covered by it.
    dead.places = [place("/cg", connect4: [], release: [])]
    #expect(Coverage(dead).expected.isEmpty)
  }

  @Test func whatCannotBeSeenIsSaid() {
    var hidden = facts(place("/cg"))
    hidden.outOfSight = ["/../pod": 4]
    let finding = Coverage(hidden).findings.last
    #expect(finding?.verdict == .warning)
    #expect(finding?.message.contains("4 processes") == true)
    #expect(finding?.message.contains("/../pod") == true)
    hidden.outOfSight = [:]
    hidden.seesAllProcesses = false
    #expect(Coverage(hidden).findings.last?.check == "sight")
  }

  @Test func whoMayNotAskSaysSo() {
    var denied = facts()
    denied.obstacle = "CAP_NET_ADMIN"
    let coverage = Coverage(denied)
    #expect(!coverage.isKnown)
    #expect(coverage.findings.map(\.verdict) == [.warning])
    #expect(coverage.summary == "not asked: CAP_NET_ADMIN")
  }
}

@Suite struct CanaryOutcomeTests {
  private func all(_ result: CanaryOutcome.Result) -> CanaryOutcome {
    let steps = Dictionary(
      uniqueKeysWithValues: CanaryOutcome.Step.allCases.map { ($0, result) })
    return CanaryOutcome(
      results: Dictionary(
        uniqueKeysWithValues: CanaryOutcome.Way.allCases.map { ($0, steps) }), release: .works)
  }

  @Test func everyHookHasALine() {
    let findings = all(.works).findings(below: "/cg")
    #expect(findings.count == 13)
    #expect(findings.allSatisfy { $0.verdict == .ok })
    for hook in [
      "connect4", "connect6", "sendmsg4", "sendmsg6", "recvmsg4", "recvmsg6", "getpeername4",
      "getpeername6", "sock_release",
    ] {
      #expect(findings.contains { $0.message == "\(hook) works below /cg" }, "\(hook)")
    }
  }

  @Test func aMappedSocketRunsHooksOfBothFamilies() {
    #expect(CanaryOutcome.hook(.mapped, .connect) == "connect6")
    #expect(CanaryOutcome.hook(.mapped, .sendmsg) == "sendmsg4")
    #expect(CanaryOutcome.hook(.mapped, .recvmsg) == "recvmsg6")
    #expect(CanaryOutcome.hook(.mapped, .getpeername) == "getpeername6")
  }

  @Test func whatFailedIsAFailureAndWhatWasNotTriedAWarning() {
    var outcome = all(.works)
    outcome.results[.v4]?[.connect] = .untranslated
    outcome.results[.v4]?[.getpeername] = .untested
    outcome.release = .remains
    let findings = outcome.findings(below: "/cg").filter { $0.verdict != .ok }
    #expect(findings.map(\.verdict) == [.failure, .warning, .failure])
    #expect(findings[0].message.contains("connect4 does not work below /cg"))
    #expect(findings[0].remedy != nil)
    #expect(findings[2].message.contains("sock_release"))
  }
}
