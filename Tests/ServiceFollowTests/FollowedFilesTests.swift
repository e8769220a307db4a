import ServiceFollow
import ServiceMaps
import Testing

@Suite struct FollowedFilesTests {
  private func service(_ name: String, port: Int = 80) -> String {
    """
    apiVersion: v1
    kind: Service
    metadata: {name: \(name), namespace: shop}
    spec: {clusterIP: 10.96.7.1, ports: [{port: \(port)}]}
    ---

    """
  }

  private func decoded(_ name: String, _ text: String) -> FollowedFiles.Reading {
    .decoded(decodeManifests([ManifestFile(name: name, bytes: Array(text.utf8))]))
  }

  private func id(_ name: String) -> ObjectID {
    ObjectID(kind: .service, name: NamespacedName(namespace: "shop", name: name))
  }

  private func names(_ objects: [ManifestObject]) -> [String] {
    objects.map(\.object.id.name.name)
  }

  @Test func filesBringAndTakeObjects() {
    var files = FollowedFiles()
    var change = files.take(["a": decoded("a", service("web") + service("mail"))])
    #expect(names(change.merged) == ["mail", "web"] && change.removed.isEmpty)
    change = files.take(["a": decoded("a", service("web", port: 81))])
    #expect(names(change.merged) == ["web"] && change.removed == [id("mail")])
    change = files.take(["a": decoded("a", service("web", port: 81))])
    #expect(change.isEmpty)
    change = files.take(["a": .gone])
    #expect(change.merged.isEmpty && change.removed == [id("web")])
    #expect(files.fileCount == 0 && files.objectCount == 0)
  }

  @Test func aBrokenFileKeepsItsLastGoodVersion() {
    var files = FollowedFiles()
    _ = files.take(["a": decoded("a", service("web")), "b": decoded("b", service("mail"))])
    var change = files.take([
      "a": decoded("a", "apiVersion: v1\nkind: Service\nmetadata: {name: web"),
      "b": decoded("b", service("mail", port: 81)),
    ])
    #expect(change.broken == ["a"] && names(change.merged) == ["mail"] && change.removed.isEmpty)
    #expect(files.problems.map(\.file) == ["a"] && files.isBroken("a"))
    #expect(files.object(id("web")) != nil)
    // The same again is no news.
    change = files.take(["a": decoded("a", "apiVersion: v1\nkind: Service\nmetadata: {name: web")])
    #expect(change.broken.isEmpty)
    change = files.take(["a": .unreadable(Diagnostic(.error, file: "a", "no permission"))])
    #expect(change.broken == ["a"] && change.isEmpty)
    change = files.take(["a": decoded("a", service("web"))])
    #expect(change.mended == ["a"] && change.isEmpty && files.problems.isEmpty)
    _ = files.take(["a": decoded("a", "")])
    change = files.take(["a": .gone])
    #expect(change.removed == [id("web")] && files.problems.isEmpty)
  }

  @Test func oneObjectInTwoFilesIsServedOnce() {
    var files = FollowedFiles()
    _ = files.take(["a": decoded("a", service("web"))])
    var change = files.take(["b": decoded("b", service("web"))])
    #expect(change.isEmpty && change.broken.isEmpty)
    change = files.take(["a": .gone])
    #expect(change.isEmpty && files.object(id("web")) != nil)
    change = files.take(["b": .gone])
    #expect(change.removed == [id("web")])
  }

  @Test func ofTwoThatDisagreeTheSecondWaits() {
    var files = FollowedFiles()
    _ = files.take(["b": decoded("b", service("web"))])
    var change = files.take(["a": decoded("a", service("web", port: 81) + service("mail"))])
    #expect(change.isEmpty && change.broken == ["a"])
    #expect(files.problems[0].problems[0].description.contains("is in the input twice"))
    #expect(files.problems[0].problems[0].description.contains("first in b:1"))
    // Until the first one gives it up.
    change = files.take(["b": .gone])
    #expect(change.mended == ["a"] && names(change.merged) == ["mail", "web"])
    #expect(change.removed.isEmpty)
  }

  @Test func anObjectMovesFromFileToFileWithoutAGap() {
    var files = FollowedFiles()
    _ = files.take(["a": decoded("a", service("web")), "b": decoded("b", service("mail"))])
    // Together.
    var change = files.take([
      "a": decoded("a", service("other")),
      "b": decoded("b", service("mail") + service("web", port: 81)),
    ])
    #expect(names(change.merged) == ["other", "web"] && change.removed.isEmpty)
    // One after the other, the new place first.
    change = files.take(["a": decoded("a", service("other") + service("web", port: 82))])
    #expect(change.broken == ["a"])
    change = files.take(["b": decoded("b", service("mail"))])
    #expect(names(change.merged) == ["web"] && change.removed.isEmpty && change.mended == ["a"])
  }

  @Test func whatIsRefusedGoesBackToTheLastGoodVersion() {
    var files = FollowedFiles()
    _ = files.take(["a": decoded("a", service("web"))])
    let readings = [
      "a": decoded("a", service("web", port: 81)), "b": decoded("b", service("mail")),
    ]
    let first = files.take(readings)
    #expect(names(first.merged) == ["mail", "web"])
    files.takeBack()
    #expect(files.fileCount == 1 && files.objectCount == 1)
    let problem = Diagnostic(.error, file: "a", "already allocated")
    let second = files.take(readings, refused: ["a": [problem]])
    #expect(names(second.merged) == ["mail"] && second.broken == ["a"])
    #expect(files.object(id("web")) != nil)
    // It is tried again with the next change of anything.
    let third = files.take(["b": .gone])
    #expect(names(third.merged) == ["web"] && third.mended == ["a"])
  }

  @Test func aRestartKnowsWhatCameFromWhichFile() throws {
    var files = FollowedFiles()
    _ = files.take(["a": decoded("a", service("web")), "b": decoded("b", service("mail"))])
    let record = FollowRecord(directory: "/etc/x\ny\\", files: files.record)
    let read = try #require(FollowRecord(decoding: record.encode()))
    #expect(read == record)
    #expect(FollowRecord(decoding: Array("nonsense".utf8)) == nil)
    var again = FollowedFiles()
    for (name, ids) in read.files { again.adopt(name, ids.compactMap { files.object($0) }) }
    // One was removed meanwhile, one is broken now.
    let change = again.take(["a": .gone, "b": decoded("b", "{")])
    #expect(change.removed == [id("web")] && change.merged.isEmpty && change.broken == ["b"])
    #expect(again.object(id("mail")) != nil && !again.hasUnknown)
    _ = again.take(["c": decoded("c", "{")])
    #expect(again.hasUnknown)
    let both = record.union(FollowRecord(directory: "/", files: ["a": [id("old")], "c": []]))
    #expect(both.files["a"]?.count == 2 && both.files["c"] == [] && both.directory == "/etc/x\ny\\")
  }

  @Test func theRecordOfARunIsReadAsItWasWritten() throws {
    var record = RunRecord(pid: 42, directory: "/a b=c", started: UTCTime(seconds: 1_700_000_000))
    record.trouble = "line\nend"
    record.changed = UTCTime(seconds: 1_700_000_100)
    record.broken = [.init(file: "/a/b.yaml", problem: "a=b")]
    #expect(RunRecord(decoding: record.encode()) == record)
    #expect(RunRecord(decoding: Array("pid=x\n".utf8)) == nil)
  }
}
