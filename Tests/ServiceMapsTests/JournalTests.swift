import ServiceMaps
import Testing

@Suite struct JournalTests {
  private func known(_ names: [String]) -> KnownObjects {
    var known = KnownObjects()
    let text = names.map {
      "{apiVersion: v1, kind: Service, metadata: {name: \($0)}, spec: {type: NodePort, ports: [{port: 80}]}}"
    }.joined(separator: "\n---\n")
    let decoded = decodeManifests([ManifestFile(name: "x", bytes: Array(text.utf8))])
    #expect(!known.merge(decoded.objects).isRefused)
    return known
  }

  private func changes(_ new: KnownObjects, from old: KnownObjects) -> [ObjectID: KnownObject?] {
    var result: [ObjectID: KnownObject?] = [:]
    for id in Set(new.objects.keys).union(old.objects.keys) where new[id] != old[id] {
      result[id] = .some(new[id])
    }
    return result
  }

  /// Whatever part of a journal reached the disk: what comes of it is what was true after some batch.
  @Test func eachPrefixIsAStateThatWas() {
    let states = [
      known(["a"]), known(["a", "b"]), known(["b", "c", "d"]), known(["c"]), known([]),
    ]
    var journal = ObjectJournal.header("0123456789abcdef")
    var ends = [journal.count]
    for (old, new) in zip(states, states.dropFirst()) {
      journal += ObjectJournal.batch(changes(new, from: old))
      ends.append(journal.count)
    }
    for length in 0...journal.count {
      var found = states[0]
      let count = ObjectJournal.replay(
        Array(journal[..<length]), on: &found, digest: "0123456789abcdef")
      guard length >= ends[0] else {
        #expect(count == nil)
        continue
      }
      let whole = ends.count { $0 <= length } - 1
      #expect(count == whole)
      #expect(found == states[whole], "\(length)")
    }
  }

  @Test func damageEndsIt() {
    let (a, b, c) = (known(["a"]), known(["a", "b"]), known(["c"]))
    let head = ObjectJournal.header("d")
    let first = ObjectJournal.batch(changes(b, from: a))
    let second = ObjectJournal.batch(changes(c, from: b))
    for place in stride(from: 0, to: second.count, by: 3) {
      var damaged = second
      damaged[place] ^= 1
      var found = a
      #expect(ObjectJournal.replay(head + first + damaged + second, on: &found, digest: "d") == 1)
      #expect(found == b)
    }
  }

  @Test func thatOfOthersIsNotTaken() {
    var found = known(["a"])
    let journal = ObjectJournal.header("one") + ObjectJournal.batch(changes(known([]), from: found))
    #expect(ObjectJournal.replay(journal, on: &found, digest: "two") == nil)
    #expect(found == known(["a"]))
  }
}
