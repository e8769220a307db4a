import ServiceDataplane
import ServiceFollow
import ServiceMaps

/// Where `run` has its objects from: a directory, or a cluster.
///
/// Each object comes with the name of what it is part of: a file, or the object itself. All calls are
/// made by the one thread that changes the table.
protocol LiveSource: AnyObject {
  /// For messages and `status`: `/etc/socklb/services`, `the cluster at https://…`.
  var title: String { get }
  /// What stays in force when something new cannot be used.
  var lastGood: String { get }
  /// From where Services get clusterIPs that have none.
  var cidrs: ServiceCIDRs { get }
  /// All Services may go at once.
  var mayBeEmpty: Bool { get }
  /// `begin` says what there is; else nothing is changed until that has come.
  var isKnownAtStart: Bool { get }
  /// Its events end a wait.
  var directory: FollowedDirectory? { get }
  /// When it wants to be asked again (`work`) though nothing happens.
  var next: UInt64? { get }
  /// There is something to take.
  var isDue: Bool { get }

  /// What is true now, as far as that is to be had at once.
  func begin(
    _ known: KnownObjects, _ followed: FollowRecord?, for session: LiveSession
  ) throws -> Taken
  /// The directory has events.
  func noteEvents(of session: LiveSession)
  /// Everything that is due.
  func work(at now: UInt64, for session: LiveSession)
  func takeReadings(for session: LiveSession) -> Taken
  /// They were not taken in.
  ///
  /// - Parameter isDue: they are tried again soon; else when something else has happened.
  func giveBack(_ readings: [String: FollowedFiles.Reading], isDue: Bool)
  /// Something cannot be used: whoever made it is to hear of it where they look.
  func tell(_ name: String, _ problems: [Diagnostic])
  /// Somebody asks for it.
  func lookAtAll(_ why: String)
  func end()

  /// For the next start.
  func record(of files: FollowedFiles) -> FollowRecord
  /// Whatever else is known goes.
  func isWholeTruth(_ files: FollowedFiles) -> Bool
  /// - Parameter isServed: what it says is in force.
  func metrics(isServed: Bool) -> [LiveMetrics.Source]
  /// In a line, for `status` and the service manager.
  func summary(of files: FollowedFiles) -> String
}

extension LiveSource {
  typealias Taken = (readings: [String: FollowedFiles.Reading], notes: [Diagnostic])
}
