import ServiceFollow
import ServiceMaps
import Testing

@Suite struct ProxyHealthTests {
  private let second: UInt64 = 1_000_000_000
  private let time = WallTime(milliseconds: 1_763_838_000_123)

  @Test func itIsHealthyWhileChangesAreAppliedInTime() {
    var health = ProxyHealth()
    #expect(health.isHealthy(at: 0))
    health.queued(at: 10 * second)
    // The oldest one counts.
    health.queued(at: 60 * second)
    #expect(health.isHealthy(at: 70 * second - 1))
    #expect(!health.isHealthy(at: 70 * second))
    // To start it anew would be of no use.
    #expect(health.livez(at: 70 * second, time).code == 200)
    health.updated(at: time)
    #expect(health.isHealthy(at: 200 * second))
  }

  @Test func aThreadThatDoesNotAnswerIsNotHealthy() {
    var health = ProxyHealth()
    health.ping(at: second)
    health.ping(at: 30 * second)
    #expect(health.isHealthy(at: 60 * second) && !health.isHealthy(at: 61 * second))
    health.answerPing()
    #expect(health.isHealthy(at: 61 * second))
  }

  @Test func theAnswersAreKubeProxys() {
    var health = ProxyHealth()
    #expect(
      health.healthz(at: 0, time).body
        == #"{"lastUpdated":"2025-11-22T19:00:00.123Z","currentTime":"2025-11-22T19:00:00.123Z","nodeEligible":true,"healthy":true}"#
    )
    health.queued(at: 0)
    #expect(
      health.healthz(at: 61 * second, time).body
        == #"{"lastUpdated":"0001-01-01T00:00:00Z","currentTime":"2025-11-22T19:00:00.123Z","nodeEligible":true,"healthy":false}"#
    )
    health.updated(at: WallTime(milliseconds: 1_763_838_000_000))
    let livez = health.livez(at: 0, time)
    #expect(
      livez.body
        == #"{"lastUpdated":"2025-11-22T19:00:00.123Z","currentTime":"2025-11-22T19:00:00.123Z","healthy":true,"status":{"IPv4":{"lastUpdated":"2025-11-22T19:00:00.000Z","healthy":true},"IPv6":{"lastUpdated":"2025-11-22T19:00:00.000Z","healthy":true}}}"#
    )
    #expect(livez.code == 200)
  }

  @Test func aNodeThatGoesAwayGetsNoTrafficAndStaysAlive() {
    var node = Node(meta: ObjectMeta(name: NamespacedName(namespace: "", name: "n")))
    var health = ProxyHealth()
    for change in [
      { $0.isBeingDeleted = true }, { $0.isToBeDeletedByAutoscaler = true },
    ] as [(inout Node) -> Void] {
      node.isBeingDeleted = false
      #expect(ProxyHealth.NodeState(node).isEligible)
      change(&node)
      health.node = ProxyHealth.NodeState(node)
      #expect(health.healthz(at: 0, time).code == 503)
      #expect(health.healthz(at: 0, time).body.contains(#""nodeEligible":false,"healthy":true"#))
      #expect(health.livez(at: 0, time).code == 200)
      node.isToBeDeletedByAutoscaler = false
    }
    health.node = .missing
    #expect(health.healthz(at: 0, time).code == 503)
  }

  @Test(arguments: [
    ("2025-11-22T19:00:00Z", 1_763_838_000), ("2025-11-22T19:00:00.5Z", 1_763_838_000.5),
    ("2025-11-22T19:00:00.123456789Z", 1_763_838_000.123),
  ])
  func timesAreRead(text: String, seconds: Double) {
    #expect(WallTime(rfc3339: text)?.seconds == seconds)
  }

  @Test(arguments: ["", "2025-11-22T19:00:00", "2025-11-22T19:00:00.Z", "2025-11-22T19:00:00.aZ"])
  func whatIsNoTimeIsNone(text: String) {
    #expect(WallTime(rfc3339: text) == nil)
  }
}

@Suite struct ReadinessTests {
  private func readiness(_ problem: String?) -> Readiness {
    Readiness([.init("ping", nil), .init("source", problem)])
  }

  @Test func isOkInAWord() {
    let answer = readiness(nil).answer()
    #expect(answer.code == 200 && answer.body == "ok")
    #expect(
      readiness(nil).answer(query: "verbose").body
        == "[+]ping ok\n[+]source ok\nreadyz check passed\n")
  }

  @Test func saysWhatIsAmiss() {
    let answer = readiness("services: not read").answer()
    #expect(answer.code == 503)
    #expect(
      answer.body == "[+]ping ok\n[-]source failed: services: not read\nreadyz check failed\n")
  }

  @Test func whatIsExcludedDoesNotCount() {
    let answer = readiness("x").answer(query: "verbose=1&exclude=source")
    #expect(answer.code == 200)
    #expect(answer.body == "[+]ping ok\n[+]source excluded: ok\nreadyz check passed\n")
    #expect(readiness(nil).answer(query: "verbose&exclude=other").body.contains("other"))
  }

  @Test func oneCheckCanBeAskedFor() {
    #expect(readiness("x").answer(path: "/ping").code == 200)
    #expect(readiness("x").answer(path: "/source").code == 503)
    #expect(readiness("x").answer(path: "/other").code == 404)
    #expect(readiness("x").answer(path: "/").code == 503)
  }
}
