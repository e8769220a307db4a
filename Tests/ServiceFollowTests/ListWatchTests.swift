import ServiceFollow
import ServiceMaps
import Testing

/// Which request comes next. The cases are those that reference documentation and client-go's
/// reflector name.
@Suite struct ListWatchTests {
  private func parameters(_ request: ListWatch.Request) -> [String: String] {
    let query = request.target.split(separator: "?", maxSplits: 1).last ?? ""
    return Dictionary(
      uniqueKeysWithValues: query.split(separator: "&").map { part in
        let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(pair[0]), String(pair[1]))
      })
  }

  private func status(_ code: Int, cause: String? = nil) -> ListWatch.Failure {
    .status(ClusterStatus(code: code, causes: cause.map { [$0] } ?? []))
  }

  /// A watch from version 10 on.
  private func watching() -> ListWatch {
    var machine = ListWatch(.services)
    machine.completed(at: "10")
    return machine
  }

  @Test func itBeginsWithAStreamingList() {
    let machine = ListWatch(.services)
    let request = machine.request(seconds: 300)
    guard case .streamingList = request else {
      Issue.record("\(request)")
      return
    }
    let query = parameters(request)
    #expect(request.target.hasPrefix("/api/v1/services?"))
    #expect(query["watch"] == "true" && query["sendInitialEvents"] == "true")
    #expect(query["allowWatchBookmarks"] == "true")
    #expect(query["resourceVersionMatch"] == "NotOlderThan" && query["resourceVersion"] == "")
    #expect(query["timeoutSeconds"] == "300")
    #expect(
      query["labelSelector"]
        == "%21service.kubernetes.io%2Fheadless%2C%21service.kubernetes.io%2Fservice-proxy-name")
  }

  @Test(arguments: [400, 422]) func aServerThatCannotStreamIsAskedForPages(code: Int) {
    var machine = ListWatch(.endpointSlices)
    #expect(machine.failed(status(code), random: 0) == 0)
    guard case .list(let target) = machine.request(seconds: 300) else {
      Issue.record("no list")
      return
    }
    #expect(target.hasPrefix("/apis/discovery.k8s.io/v1/endpointslices?limit=500&"))
    #expect(parameters(.list(target: target))["resourceVersion"] == "0")
    #expect(machine.took(ClusterListHead(resourceVersion: "7", continueToken: "a/b+")) == false)
    let next = machine.request(seconds: 300).target
    #expect(next.contains("limit=500&continue=a%2Fb%2B&"))
    // A continued list names no version.
    #expect(!next.contains("resourceVersion"))
    #expect(machine.took(ClusterListHead(resourceVersion: "7", continueToken: "")) == true)
    let watch = parameters(machine.request(seconds: 400))
    #expect(watch["resourceVersion"] == "7" && watch["watch"] == "true")
    #expect(watch["sendInitialEvents"] == nil && watch["timeoutSeconds"] == "400")
  }

  @Test func aStreamThatIsLostTwiceIsGivenUpForPages() {
    var machine = ListWatch(.services)
    #expect(machine.failed(.connection, random: 0) > 0)
    guard case .streamingList = machine.request(seconds: 1) else {
      Issue.record("given up at once")
      return
    }
    _ = machine.ended(wasShort: false, random: 0)
    guard case .list = machine.request(seconds: 1) else {
      Issue.record("not given up")
      return
    }
  }

  @Test func aWatchGoesOnWhereItEnded() {
    var machine = watching()
    machine.reached("12")
    #expect(machine.ended(wasShort: false, random: 0) == 0)
    #expect(parameters(machine.request(seconds: 1))["resourceVersion"] == "12")
    // A connection that breaks is no reason to list everything, but the next server may be another.
    #expect(machine.failed(.connection, random: 0) > 0)
    guard case .probe(let target) = machine.request(seconds: 1) else {
      Issue.record("no probe")
      return
    }
    #expect(
      target == "/api/v1/services?limit=1&resourceVersion=12&resourceVersionMatch=NotOlderThan"
        + "&fieldSelector=metadata.name%3Dsocklb-probe")
    // As long as there is no answer it is asked again.
    #expect(machine.failed(.connection, random: 0) > 0)
    #expect(machine.request(seconds: 1) == .probe(target: target))
    machine.probed()
    #expect(parameters(machine.request(seconds: 1))["resourceVersion"] == "12")
    #expect(machine.failed(status(500), random: 0) > 0)
    #expect(parameters(machine.request(seconds: 1))["resourceVersion"] == "12")
    // One that ends again and again is not asked for again at once.
    #expect(machine.ended(wasShort: true, random: 0) > 0)
  }

  @Test func aServerThatGoesOnRefusingIsAskedForAList() {
    var machine = watching()
    for _ in 0..<2 {
      _ = machine.failed(status(403), random: 0)
      #expect(!machine.isListing)
    }
    _ = machine.failed(status(403), random: 0)
    #expect(machine.isListing)
    // What says nothing about watches does not count.
    machine = watching()
    for _ in 0..<9 { _ = machine.failed(status(429), random: 0) }
    #expect(!machine.isListing)
  }

  @Test func aWatchThatIsSilentIsProbed() {
    var machine = watching()
    machine.wasSilent()
    guard case .probe = machine.request(seconds: 1) else {
      Issue.record("no probe")
      return
    }
    // It was restored from a backup.
    _ = machine.failed(status(504, cause: "ResourceVersionTooLarge"), random: 0)
    #expect(parameters(machine.request(seconds: 1))["resourceVersion"] == "")
    #expect(machine.isListing)
  }

  @Test func whatIsTooOldIsListedAnew() {
    var machine = watching()
    machine.reached("11")
    #expect(machine.failed(status(410), random: 0) == 0)
    let request = machine.request(seconds: 1)
    guard case .streamingList = request else {
      Issue.record("\(request)")
      return
    }
    // Not at the version that nobody knows any more.
    #expect(parameters(request)["resourceVersion"] == "")
    // When lists are older than what can be watched, they are not asked for as fast as can be.
    machine.completed(at: "12")
    let first = machine.failed(status(410), random: 0)
    machine.completed(at: "12")
    #expect(first > 0 && machine.failed(status(410), random: 0) > first)
  }

  @Test func aListOfWhichTheRestIsGoneIsReadInOne() {
    var machine = ListWatch(.services, canStream: false)
    #expect(machine.took(ClusterListHead(resourceVersion: "7", continueToken: "x")) == false)
    _ = machine.failed(status(410), random: 0)
    let query = parameters(machine.request(seconds: 1))
    #expect(query["limit"] == nil && query["continue"] == nil && query["resourceVersion"] == nil)
    // A page that got lost on the way is another thing.
    machine = ListWatch(.services, canStream: false)
    #expect(machine.took(ClusterListHead(resourceVersion: "7", continueToken: "x")) == false)
    _ = machine.failed(.connection, random: 0)
    #expect(parameters(machine.request(seconds: 1))["limit"] == "500")
    // And never one that is older than what was asked for.
    machine = ListWatch(.services, canStream: false)
    machine.completed(at: "10")
    _ = machine.failed(status(410), random: 0)
    _ = machine.took(ClusterListHead(resourceVersion: "7", continueToken: "x"))
    _ = machine.failed(.connection, random: 0)
    #expect(parameters(machine.request(seconds: 1))["resourceVersion"] == nil)
  }

  @Test func aServerThatIsBehindIsAskedForWhatItHas() {
    var machine = watching()
    _ = machine.failed(status(504, cause: "ResourceVersionTooLarge"), random: 0)
    #expect(machine.isListing)
    #expect(parameters(machine.request(seconds: 1))["resourceVersion"] == "")
  }

  @Test func anAnswerThatNobodyCanReadIsListedAnew() {
    var machine = watching()
    _ = machine.failed(.answer, random: 0)
    #expect(machine.isListing)
    #expect(parameters(machine.request(seconds: 1))["resourceVersion"] == "10")
  }

  @Test func retryAfterIsKept() {
    var machine = watching()
    for _ in 0..<20 {
      let wait = machine.failed(status(429), retryAfter: 3, random: .random(in: 0...UInt64.max))
      #expect(wait >= 3_000_000_000 && wait <= 16_500_000_000)
    }
    #expect(parameters(machine.request(seconds: 1))["resourceVersion"] == "10")
  }

  @Test func delaysGrowAndAreNotTheSame() {
    var delay = RetryDelay()
    var times: Set<UInt64> = []
    for i in 0..<20 {
      let time = delay.next(.random(in: 0...UInt64.max))
      times.insert(time)
      #expect(time <= RetryDelay.longest)
      if i == 0 { #expect(time >= RetryDelay.first / 2 && time <= RetryDelay.first) }
      if i > 8 { #expect(time >= RetryDelay.longest / 2) }
    }
    #expect(times.count > 10)
    delay.reset()
    #expect(delay.next(0) <= RetryDelay.first)
  }
}

@Suite struct ListSplitterTests {
  private func split(_ text: String, pieces: Int) throws -> (items: [String], head: String, Bool) {
    var splitter = ListSplitter()
    var items: [String] = []
    let bytes = Array(text.utf8)
    for start in stride(from: 0, to: bytes.count, by: pieces) {
      try splitter.take(bytes[start..<min(start + pieces, bytes.count)]) {
        items.append(String(decoding: $0, as: UTF8.self))
      }
    }
    return (items, String(decoding: splitter.head, as: UTF8.self), splitter.isComplete)
  }

  @Test(arguments: [1, 3, 1000]) func itemsComeOutWhole(pieces: Int) throws {
    let items = [
      #"{"metadata":{"name":"a","x":"]}\"{["},"spec":[[1],{"b":"\\"}]}"#, #"{}"#,
      #"{"items":[{"c":1}]}"#,
    ]
    let text =
      #"{"kind":"ServiceList","x":["items",{"items":[1]}],"items":[ "#
      + items.joined(separator: " ,\n") + #" ], "metadata":{"resourceVersion":"7"}}"# + "\n"
    let found = try split(text, pieces: pieces)
    #expect(found.items == items)
    #expect(
      found.head == #"{"kind":"ServiceList","x":["items",{"items":[1]}],"items":[], "#
        + #""metadata":{"resourceVersion":"7"}}"#)
    #expect(found.2)
  }

  @Test func whatIsNotCompleteIsNotTakenForComplete() throws {
    let text = #"{"items":[{"a":1},{"b":2}],"kind":"x"}"#
    for length in 0..<text.utf8.count {
      #expect(try !split(String(text.prefix(length)), pieces: 5).2)
    }
    #expect(try split(text, pieces: 5).2)
    #expect(try split(#"{"items":null,"kind":"items"}"#, pieces: 1).items.isEmpty)
  }

  @Test(arguments: ["[1]", #"{"items":[1]}"#, "{} x", "oops"]) func otherThingsAreRefused(
    text: String
  ) {
    #expect(throws: ListSplitter.Failure.noList) { try split(text, pieces: 1) }
  }

  @Test(arguments: [1, 7, 100]) func eventsAreLines(pieces: Int) throws {
    var splitter = EventSplitter()
    var lines: [String] = []
    let text = Array("{\"a\":1}\n\n{\"b\":2}\r\n{\"c\"".utf8)
    for start in stride(from: 0, to: text.count, by: pieces) {
      try splitter.take(Array(text[start..<min(start + pieces, text.count)])) {
        lines.append(String(decoding: $0, as: UTF8.self))
      }
    }
    #expect(lines == ["{\"a\":1}", "{\"b\":2}\r"])
    #expect(splitter.isWithin)
  }
}
