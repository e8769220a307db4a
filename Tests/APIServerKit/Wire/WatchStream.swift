import NIOCore

/// One watch that is being answered. Only on the event loop.
final class WatchStream: @unchecked Sendable {
  private unowned let connection: Connection
  private let core: Core
  private let options: ListOptions
  private let index: Int
  private let resource: APIResource
  /// Where kubectl wants rows instead of objects.
  private let table: TableAnswer?
  private var hasColumns = false
  /// Whether a bookmark was sent. The first one must say something new.
  private var hasBegun = false

  private var cursor = 0
  private var initial: ArraySlice<StoredObject> = []
  /// Changes up to here the client knows already.
  private var known: UInt64 = 0
  private var needsInitialEventsEnd = false
  private var initialLeft = Int.max
  private var refusal: APIStatus?
  private var isStopped = false
  private var timers: [Scheduled<Void>] = []
  private var late: (key: String, buffer: ByteBuffer)?
  private var lastSent: ByteBuffer?

  init(
    _ connection: Connection, _ core: Core, _ request: Request, _ options: ListOptions, _ index: Int
  ) {
    (self.connection, self.core, self.options, self.index) = (connection, core, options, index)
    resource = APIResource.all[index]
    table = TableAnswer(request, resource)
  }

  var resourceName: String { resource.plural }

  /// Finds where to begin. Throws what is answered instead of a stream.
  func find() throws(APIStatus) {
    let asked = options.resourceVersion ?? 0
    do throws(APIStatus) {
      let start =
        asked == 0 || options.sendsInitialEvents == true
        ? try core.store.watch(index, from: nil, atLeast: asked)
        : try core.store.watch(index, from: asked)
      cursor = start.cursor
      known = start.revision
      if options.sendsInitialEvents == false, asked == 0 {
        initial = []
      } else {
        initial = start.initial.filter(options.query.selects)[...]
      }
      needsInitialEventsEnd = options.sendsInitialEvents == true && options.allowsBookmarks
    } catch {
      // What is wrong with the version is said in the stream, unless it shall not be.
      if core.expiresByStatus.withLockedValue({ $0 }) { throw error }
      refusal = error
    }
  }

  func start(_ fault: Fault?) {
    if let refusal {
      // A server waits a while for a version that is yet to come.
      let seconds = refusal.code == 504 ? core.options.secondsForLargeVersions : 0
      return after(seconds) { self.perform(.error(refusal)) }
    }
    switch fault {
    case .endOfInitialEvents(let count): initialLeft = count
    case .noInitialEventsEnd: needsInitialEventsEnd = false
    default: break
    }
    let seconds = Double(
      options.timeoutSeconds.flatMap { $0 > 0 ? $0 : nil } ?? Int.random(in: 1800...3600))
    after(seconds) { self.connection.endStream() }
    if options.allowsBookmarks {
      if seconds > 2 { after(seconds - 2) { self.bookmark() } }
      scheduleBookmark()
    }
    pump()
  }

  func stop() {
    isStopped = true
    for timer in timers { timer.cancel() }
    timers = []
  }

  private func after(_ seconds: Double, _ body: @escaping @Sendable () -> Void) {
    timers.append(
      connection.channel.eventLoop.scheduleTask(in: .milliseconds(Int64(seconds * 1000))) {
        if !self.isStopped { body() }
      })
  }

  // MARK: Events

  /// Sends what there is, as long as the client takes it.
  func pump() {
    while !isStopped, refusal == nil, connection.channel.isWritable {
      var buffer = connection.channel.allocator.buffer(capacity: 16384)
      var isMore = true
      if !initial.isEmpty {
        for object in initial.prefix(200) {
          guard initialLeft > 0 else {
            connection.write(buffer)
            return connection.endStream()
          }
          initialLeft -= 1
          append("ADDED", object.bytes, object.key, to: &buffer)
        }
        initial = initial.dropFirst(200)
      } else if needsInitialEventsEnd {
        needsInitialEventsEnd = false
        guard initialLeft > 0 else { return connection.endStream() }
        flushLate(to: &buffer)
        appendChunk(bookmarkText(known, isInitialEnd: true), to: &buffer)
      } else {
        guard let (changes, next, _) = core.store.changes(index, from: cursor, atMost: 200) else {
          // It was too slow: the server gives it up.
          return connection.endStream()
        }
        cursor = next
        isMore = !changes.isEmpty
        for change in changes where change.resourceVersion > known { append(change, to: &buffer) }
      }
      if buffer.readableBytes > 0 { connection.write(buffer) }
      if !isMore { return }
    }
  }

  private func append(_ change: Change, to buffer: inout ByteBuffer) {
    let isSelected = change.kind != .deleted && options.query.selects(change.object)
    let wasSelected = change.previous.map(options.query.selects) ?? false
    switch (isSelected, wasSelected) {
    case (true, false): append("ADDED", change.object.bytes, change.object.key, to: &buffer)
    case (true, true): append("MODIFIED", change.object.bytes, change.object.key, to: &buffer)
    case (false, true):
      // The last version that was selected, with the version of the change.
      let last =
        change.kind == .deleted
        ? change.object
        : change.previous!.with(resourceVersion: change.resourceVersion, of: resource)
      append("DELETED", last.bytes, last.key, to: &buffer)
    case (false, false): break
    }
  }

  private func append(_ type: String, _ object: [UInt8], _ key: String, to buffer: inout ByteBuffer)
  {
    core.countEvent()
    let text = Self.text(type, table.map { row($0, object) } ?? object)
    let (isTwice, isLate) = core.faults.event()
    if let late, late.key == key { flushLate(to: &buffer) }
    if isLate, late == nil {
      late = (key, text)
      // Not for ever, when nothing follows.
      after(0.05) {
        var buffer = ByteBuffer()
        self.flushLate(to: &buffer)
        if buffer.readableBytes > 0 { self.connection.write(buffer) }
      }
      return
    }
    appendChunk(text, to: &buffer)
    if isTwice { appendChunk(text, to: &buffer) }
    flushLate(to: &buffer)
  }

  private func flushLate(to buffer: inout ByteBuffer) {
    guard let late else { return }
    self.late = nil
    appendChunk(late.buffer, to: &buffer)
  }

  private func appendChunk(_ text: ByteBuffer, to buffer: inout ByteBuffer) {
    lastSent = text
    connection.writeChunk(text, to: &buffer)
  }

  /// One object as a table of one row; only the first one says what the columns are.
  private func row(_ table: TableAnswer, _ object: [UInt8]) -> [UInt8] {
    guard let json = try? JSON(parsing: object) else { return object }
    let version = json.at("metadata", "resourceVersion") ?? ""
    defer { hasColumns = true }
    return table.json([json], head: ["resourceVersion": version], isFirst: !hasColumns).bytes
  }

  private static func text(_ type: String, _ object: [UInt8]) -> ByteBuffer {
    var text = ByteBuffer()
    text.reserveCapacity(object.count + 40)
    text.writeString("{\"type\":\"\(type)\",\"object\":")
    text.writeBytes(object)
    text.writeString("}\n")
    return text
  }

  // MARK: Bookmarks

  private func scheduleBookmark() {
    guard let seconds = core.bookmarkInterval.withLockedValue({ $0 }) else { return }
    after(seconds) {
      self.bookmark()
      self.scheduleBookmark()
    }
  }

  /// Says how far the watch is, where the client wants to know, after everything up to there.
  private func bookmark(isWanted: Bool = false) {
    guard options.allowsBookmarks else { return }
    pump()
    guard !isStopped, initial.isEmpty, !needsInitialEventsEnd,
      let (changes, _, seen) = core.store.changes(index, from: cursor, atMost: 1),
      changes.isEmpty, let seen, seen > known || hasBegun || isWanted
    else { return }
    hasBegun = true
    var buffer = ByteBuffer()
    flushLate(to: &buffer)
    appendChunk(bookmarkText(seen, isInitialEnd: false), to: &buffer)
    connection.write(buffer)
  }

  private func bookmarkText(_ revision: UInt64, isInitialEnd: Bool) -> ByteBuffer {
    var metadata = JSONObject()
    metadata.append("resourceVersion", .string(String(revision)))
    // As servers that are too old for streaming lists have it.
    if !core.watchList.withLockedValue({ $0 }) { metadata.append("creationTimestamp", .null) }
    if isInitialEnd {
      metadata.append("annotations", ["k8s.io/initial-events-end": "true"])
    }
    var object = JSON.members([
      "kind": .string(resource.kind), "apiVersion": .string(resource.apiVersion),
      "metadata": .object(metadata),
    ])
    for (key, value) in resource.emptyRest.object!.members { object[key] = value }
    return Self.text("BOOKMARK", table.map { row($0, object.bytes) } ?? object.bytes)
  }

  // MARK: Faults

  func perform(_ fault: StreamFault) {
    guard !isStopped else { return }
    var buffer = ByteBuffer()
    let event = lastSent ?? bookmarkText(known, isInitialEnd: false)
    switch fault {
    case .reset: connection.reset()
    case .close: connection.close()
    case .end: connection.endStream()
    case .silence: connection.mute()
    case .cutChunk(let byReset):
      buffer.writeString(String(event.readableBytes, radix: 16) + "\r\n")
      buffer.writeBytes(event.readableBytesView.prefix(event.readableBytes / 2))
      connection.write(buffer)
      connection.abort(byReset: byReset)
    case .cutEvent:
      let half = ByteBuffer(bytes: event.readableBytesView.prefix(event.readableBytes / 2))
      connection.writeChunk(half, to: &buffer)
      connection.write(buffer)
      connection.endStream()
    case .error(let status):
      connection.writeChunk(Self.text("ERROR", status.json.bytes), to: &buffer)
      connection.write(buffer)
      connection.endStream()
    case .badJSON: sendRaw(Array("{\"type\":\"MODIFIED\",\"object\":{\"kind\":}}\n".utf8))
    case .unknownType:
      sendRaw(Array("{\"type\":\"RENAMED\",\"object\":{\"kind\":\"\(resource.kind)\"}}\n".utf8))
    case .raw(let bytes): sendRaw(bytes)
    case .bookmark: bookmark(isWanted: true)
    }
  }

  private func sendRaw(_ bytes: [UInt8]) {
    var buffer = ByteBuffer()
    connection.writeChunk(ByteBuffer(bytes: bytes), to: &buffer)
    connection.write(buffer)
  }
}
