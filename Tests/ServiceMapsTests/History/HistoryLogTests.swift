import ServiceMaps
import Testing

@Suite struct HistoryLogTests {
  static func entry(
    _ generation: UInt64, _ command: String = "apply", objects: String? = nil, bytes: Int = 100
  ) -> HistoryEntry {
    var summary = ChangeSummary()
    summary.objects = .init(added: 2, changed: 1)
    summary.backends = .init(removed: 3)
    return HistoryEntry(
      generation: generation, time: UTCTime(seconds: 1_763_746_295 + Int64(generation)),
      command: command, summary: summary, input: "00112233445566ff",
      objects: objects ?? "digest-\(generation)", objectCount: 7, bytes: bytes)
  }

  static func log(_ entries: [HistoryEntry]) -> HistoryLog {
    var log = HistoryLog()
    for entry in entries { log.append(entry) }
    return log
  }

  @Test func whatIsWrittenIsRead() {
    let log = Self.log([
      Self.entry(3), Self.entry(4, "apply --prune"), Self.entry(9, "rollback to 3"),
    ])
    #expect(HistoryLog(decoding: log.encode()) == log)
    #expect(log[4]?.command == "apply --prune")
    #expect(log[5] == nil)
  }

  /// Whatever is cut off, the lines before it are there, and nothing else.
  @Test func aFileThatWasCutOffCostsItsEndAlone() {
    let log = Self.log((1...4).map { Self.entry($0) })
    let bytes = log.encode()
    for length in bytes.indices {
      let cut = HistoryLog(decoding: Array(bytes[..<length]))
      let whole = bytes[..<length].count { $0 == UInt8(ascii: "\n") }
      // A last line without its line end is whole all the same.
      #expect([whole, whole + 1].contains(cut.entries.count), "\(length) bytes")
      #expect(cut.entries == Array(log.entries.prefix(cut.entries.count)), "\(length) bytes")
    }
  }

  @Test func aFlippedByteCostsItsLineAlone() {
    let log = Self.log((1...3).map { Self.entry($0) })
    let bytes = log.encode()
    for i in bytes.indices where bytes[i] != UInt8(ascii: "\n") {
      var damaged = bytes
      damaged[i] ^= 1
      let read = HistoryLog(decoding: damaged)
      #expect(read.entries.count == 2, "byte \(i)")
      #expect(read.damaged >= 1, "byte \(i)")
      #expect(Set(read.entries).isSubset(of: log.entries), "byte \(i)")
    }
  }

  @Test func keepsSoManyPastGenerations() {
    let log = Self.log((1...20).map { Self.entry($0) })
    #expect(log.kept(.init(generations: 3)) == [20, 19, 18, 17])
    #expect(log.kept(.init(generations: 0)) == [20])
    #expect(log.kept(.init(generations: 100)).count == 20)
    #expect(HistoryLog().kept(.init()) == [])
  }

  @Test func keepsSoManyBytesButOnePastGeneration() {
    let log = Self.log((1...20).map { Self.entry($0, bytes: 100) })
    #expect(log.kept(.init(bytes: 250)) == [20, 19, 18])
    #expect(log.kept(.init(bytes: 10)) == [20, 19])
    let same = Self.log((1...5).map { Self.entry($0, objects: "the same", bytes: 100) })
    #expect(same.kept(.init(bytes: 10)).count == 5)
  }

  @Test func aLogNeverGrowsOverItsLimit() {
    let log = Self.log((1...500).map { Self.entry($0) })
    #expect(log.entries.count == HistoryLog.longest)
    #expect(log.entries.first?.generation == 301)
  }

  @Test func aPendingChangeIsReadWholeOrNotAtAll() {
    let pending = PendingChange(
      entry: Self.entry(0), before: "digest-1", settings: ["node-name": "a=b", "terminate": "none"])
    let bytes = pending.encode()
    #expect(PendingChange(decoding: bytes) == pending)
    // All but the last line end is needed.
    for length in 0..<bytes.count - 1 {
      #expect(PendingChange(decoding: Array(bytes[..<length])) == nil, "\(length) bytes")
    }
  }

  @Test func tellsWhetherAPendingChangeHasHappened() {
    var pending = PendingChange(entry: Self.entry(2), before: "digest-1", settings: ["a": "1"])
    #expect(pending.hasHappened(objects: "digest-2", settings: [:]))
    #expect(!pending.hasHappened(objects: "digest-1", settings: [:]))
    #expect(!pending.hasHappened(objects: nil, settings: [:]))
    // Only the settings change: then they tell.
    pending.before = "digest-2"
    #expect(!pending.hasHappened(objects: "digest-2", settings: [:]))
    #expect(pending.hasHappened(objects: "digest-2", settings: ["a": "1"]))
  }

  @Test func writesTimesAsRFC3339() {
    for (seconds, text) in [
      (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"),
      (951_782_400, "2000-02-29T00:00:00Z"), (951_868_800, "2000-03-01T00:00:00Z"),
      (1_763_746_295, "2025-11-21T17:31:35Z"), (4_107_542_400, "2100-03-01T00:00:00Z"),
    ] as [(Int64, String)] {
      #expect("\(UTCTime(seconds: seconds))" == text)
      #expect(UTCTime(text)?.seconds == seconds)
    }
    for wrong in ["", "2025-11-21", "2025-02-29T00:00:00Z", "2025-11-21 17:31:35Z"] {
      #expect(UTCTime(wrong) == nil)
    }
    let time = UTCTime(seconds: 1000)
    #expect(time.age(at: UTCTime(seconds: 1045)) == "45s")
    #expect(time.age(at: UTCTime(seconds: 1000 + 3 * 86_400)) == "3d")
    #expect(time.age(at: UTCTime(seconds: 0)) == "0s")
  }
}

@Suite struct ChangeSummaryTests {
  private func table(_ backends: [Int], vips: Int = 1) -> ServiceTable {
    ServiceTable(
      frontends: (1...vips).map { vip in
        Frontend(
          key: clusterIP(vip), kind: .clusterIP, service: serviceName(0),
          backends: backends.map { backend($0) })
      })
  }

  @Test func countsBackendsOnceHoweverManyFrontendsLeadThere() {
    let summary = ChangeSummary(
      ChangeSet(), from: table([1, 2], vips: 3), to: table([2, 3, 4], vips: 2))
    #expect(summary.frontends == .init(changed: 2, removed: 1))
    #expect(summary.backends == .init(added: 2, removed: 1))
    #expect("\(summary)" == "frontends ~2 -1, backends +2 -1")
  }

  @Test func nothingIsNothing() {
    let summary = ChangeSummary(ChangeSet(), from: table([1]), to: table([1]))
    #expect(summary.isEmpty && "\(summary)" == "nothing")
  }

  @Test func digestsDoNotDependOnOrder() {
    let a = manifests([service("default/a"), service("default/b")])
    #expect(
      KnownObjects.digest(ofInput: a) == KnownObjects.digest(ofInput: Array(a.reversed())))
    #expect(
      KnownObjects.digest(ofInput: a) != KnownObjects.digest(ofInput: Array(a.prefix(1))))
    let bytes = known([service("default/a"), service("default/b")]).encode()
    let digest = KnownObjects.digest(ofEncoded: bytes)
    #expect(digest?.count == 2)
    #expect(KnownObjects.digest(ofEncoded: bytes.suffix(100))?.digest == digest?.digest)
    #expect(KnownObjects.digest(ofEncoded: bytes.dropLast()) == nil)
  }

  @Test func becomesWhatItWas() {
    var now = known([service("default/a"), service("default/b")])
    let past = known([
      service("default/b") { $0.externalIPs = [ip("192.168.0.1")] }, service("default/c"),
    ])
    let changes = now.become(past)
    #expect(now == past)
    #expect(
      changes.changes.map(\.description) == [
        "service \"a\" deleted", "service/b configured", "service/c created",
      ])
    #expect(!now.become(past).isChange)
  }
}
