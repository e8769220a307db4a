public import ClusterClient
public import Logging
public import ServiceFollow
import ServiceMaps

/// Carries out what `ListWatch` says for one kind of object, and hands what comes to a `ClusterFeed`.
public struct ClusterReflector: Sendable {
  private let resource: WatchedResource
  private let client: ClusterClient
  private let feed: ClusterFeed
  private let log: Logger
  private let canStream: Bool

  /// Longer than a server is silent that sends bookmarks (one a minute). Not all do; then it is asked.
  private static let silence = Duration.seconds(90)
  private static let pauseInList = Duration.seconds(15)

  public init(
    _ resource: WatchedResource, _ client: ClusterClient, _ feed: ClusterFeed, _ log: Logger,
    canStream: Bool = true
  ) {
    self.resource = resource
    self.client = client
    self.feed = feed
    self.log = log
    self.canStream = canStream
  }

  /// Until its task is cancelled.
  public func run() async {
    var work = Work(self)
    while !Task.isCancelled { await work.step() }
  }

  /// What is known between two requests.
  private struct Work {
    private let reflector: ClusterReflector
    private var machine: ListWatch
    /// Of a list that is not complete yet.
    private var listed: [ClusterItem] = []
    private var listBegan = ContinuousClock.now
    private var hasTrouble = false
    private let decoder: ClusterDecoder

    private var kind: String { reflector.resource.kind.rawValue }
    private var feed: ClusterFeed { reflector.feed }

    init(_ reflector: ClusterReflector) {
      self.reflector = reflector
      machine = ListWatch(reflector.resource, canStream: reflector.canStream)
      decoder = ClusterDecoder(reflector.resource.kind)
    }

    private struct Failed: Error {
      var failure: ListWatch.Failure
      var message: String
      var retryAfter: Int?
    }

    mutating func step() async {
      // Not the same for all nodes, so that they do not come back together (client-go does the same).
      let request = machine.request(seconds: .random(in: 300...600))
      reflector.log.debug("asks for \(request.target)")
      let start = ContinuousClock.now
      var wait: UInt64
      do throws(Failed) {
        wait = try await carryOut(request, since: start)
        healed()
      } catch {
        if Task.isCancelled { return }
        if ContinuousClock.now - start > .seconds(5), error.failure == .connection,
          !machine.isListing
        {
          machine.lasted()
        }
        listed = []
        wait = machine.failed(
          error.failure, retryAfter: error.retryAfter, random: .random(in: 0...UInt64.max))
        note(error, wait)
      }
      if wait > 0 { try? await Task.sleep(for: .nanoseconds(Int64(wait))) }
    }

    private mutating func carryOut(
      _ request: ListWatch.Request, since start: ContinuousClock.Instant
    ) async throws(Failed) -> UInt64 {
      let isStream = if case .watch = request { true } else { false }
      let isStreamingList = if case .streamingList = request { true } else { false }
      let answer: ClusterResponse
      do {
        var question = ClusterRequest(request.target)
        // A server may take its time before it begins with a large list.
        question.limits.head = .seconds(60)
        // A streaming list that does not come to its end is given up soon; once complete and then silent, it
        // is followed by a watch.
        question.limits.idle =
          isStream
          ? ClusterReflector.silence
          : isStreamingList ? ClusterReflector.pauseInList : .seconds(60)
        answer = try await reflector.client.send(question)
      } catch { throw Failed(failure: .connection, message: "\(error)") }
      guard answer.status == 200 else { throw await refusal(answer) }
      switch request {
      case .probe:
        do { _ = try await answer.collect(upTo: ListSplitter.largest) } catch {
          throw Failed(failure: .connection, message: "\(error)")
        }
        machine.probed()
        return 0
      case .list:
        try await list(answer)
        return 0
      case .streamingList, .watch:
        // A server that takes a watch is well, even if it has nothing to say for long.
        if isStream { healed() }
        let hasHappened = try await watch(answer)
        let isShort = !hasHappened && ContinuousClock.now - start < .seconds(1)
        listed = []
        return machine.ended(wasShort: isShort, random: .random(in: 0...UInt64.max))
      }
    }

    /// What the server says instead of what was asked for.
    private func refusal(_ answer: ClusterResponse) async -> Failed {
      let body = (try? await answer.collect(upTo: 1 << 16)) ?? []
      var status =
        ClusterStatus(decoding: body)
        ?? ClusterStatus(
          code: 0, message: String(decoding: body.prefix(200), as: UTF8.self))
      status.code = answer.status
      let reason = status.message.isEmpty ? status.reason : status.message
      return Failed(
        failure: .status(status), message: "\(answer.server) answers \(answer.status): \(reason)",
        retryAfter: answer.header("retry-after").flatMap { Int($0) })
    }

    // MARK: Lists

    private mutating func list(_ answer: ClusterResponse) async throws(Failed) {
      if listed.isEmpty { listBegan = ContinuousClock.now }
      var splitter = ListSplitter()
      var broken: Int = 0
      do {
        for try await chunk in answer.body {
          try splitter.take(chunk) { bytes in
            if let item = decoder.item(bytes) { listed.append(item) } else { broken += 1 }
          }
        }
      } catch let error as ListSplitter.Failure {
        throw Failed(failure: .answer, message: "\(answer.server) sent no list: \(error)")
      } catch { throw Failed(failure: .connection, message: "\(error)") }
      guard splitter.isComplete, broken == 0, let head = decoder.head(splitter.head) else {
        throw Failed(failure: .answer, message: "\(answer.server) sent no list of \(kind)")
      }
      if machine.took(head) { complete() }
    }

    private mutating func complete() {
      let time = ContinuousClock.now - listBegan
      reflector.log.info(
        "listed \(kind)",
        metadata: ["objects": "\(listed.count)", "milliseconds": "\(time.milliseconds)"])
      feed.replace(reflector.resource.kind, with: listed)
      listed = []
    }

    // MARK: Watches

    /// - Returns: whether anything came.
    private mutating func watch(_ answer: ClusterResponse) async throws(Failed) -> Bool {
      var splitter = EventSplitter()
      var hasHappened = false
      if machine.isListing { listBegan = ContinuousClock.now }
      do {
        for try await chunk in answer.body {
          var lines: [[UInt8]] = []
          try splitter.take(chunk) { lines.append($0) }
          if lines.isEmpty { continue }
          // An answer that says something is the end of whatever trouble there was.
          healed()
          hasHappened = true
          try take(lines)
        }
      } catch let error as Failed {
        throw error
      } catch let error as ListSplitter.Failure {
        throw Failed(failure: .answer, message: "\(answer.server) sent no event: \(error)")
      } catch ClusterError.timeout(_, .body, _) where !machine.isListing && !splitter.isWithin {
        machine.wasSilent()
        return true
      } catch ClusterError.superseded where !machine.isListing && !splitter.isWithin {
        return true
      } catch { throw Failed(failure: .connection, message: "\(error)") }
      if splitter.isWithin {
        throw Failed(
          failure: .connection, message: "\(answer.server) ended a watch within an event")
      }
      return hasHappened
    }

    private mutating func take(_ lines: [[UInt8]]) throws(Failed) {
      var changes: [ClusterFeed.Change] = []
      defer { feed.take(changes, of: reflector.resource.kind) }
      for line in lines {
        switch decoder.event(line) {
        case .present(let item):
          if machine.isListing {
            listed.append(item)
          } else {
            changes.append(.present(item))
            machine.reached(item.resourceVersion)
          }
        case .deleted(let id, let version):
          if machine.isListing {
            listed.removeAll { $0.id == id }
          } else {
            changes.append(.deleted(id))
            machine.reached(version)
          }
        case .bookmark(let version, let endsInitialEvents):
          if machine.isListing {
            guard endsInitialEvents else { continue }
            machine.completed(at: version)
            complete()
          } else {
            machine.reached(version)
          }
        case .failed(let status):
          throw Failed(
            failure: .status(status), message: "the watch of \(kind) ended: \(status.message)")
        case .unknown(let type):
          reflector.log.warning("an event of unknown type \(type) for \(kind) is passed over")
        case .undecodable(let why):
          // What it said is not known: only a list says how things are.
          throw Failed(
            failure: .answer, message: "an event for \(kind) cannot be read: \(why)")
        }
      }
    }

    // MARK: What is said

    private mutating func healed() {
      guard hasTrouble else { return }
      hasTrouble = false
      feed.setTrouble(nil, of: reflector.resource.kind)
      reflector.log.notice("following \(kind) again")
    }

    private mutating func note(_ failed: Failed, _ wait: UInt64) {
      var isExpected = false
      if case .status(let status) = failed.failure {
        isExpected = status.code == 410 || (wait == 0 && (status.code == 422 || status.code == 400))
      }
      let metadata: Logger.Metadata = ["milliseconds": "\(wait / 1_000_000)"]
      if isExpected {
        reflector.log.info("listing \(kind) again: \(failed.message)")
        return
      }
      // A connection that ends is nothing to speak of when the next one works.
      let isFirst = !hasTrouble
      hasTrouble = true
      reflector.log.log(
        level: isFirst ? .warning : .debug, "\(kind) cannot be followed: \(failed.message)",
        metadata: metadata)
      var isRefusal = false
      if case .status(let status) = failed.failure {
        // It will not come, however long one waits for it.
        isRefusal = [401, 403, 404].contains(status.code)
      }
      feed.setTrouble(failed.message, of: reflector.resource.kind, isRefusal: isRefusal)
    }
  }
}

extension Duration {
  var milliseconds: Int64 {
    components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
  }
}
