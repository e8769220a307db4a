import BPFLoader
import CServiceABI
public import ServiceMaps

extension KernelTables {
  /// What one client is held to by session affinity.
  public struct AffinityEntry: Hashable, Sendable {
    /// A network namespace cookie, or a cgroup id.
    public var client: UInt64
    public var isCgroup: Bool
    public var service: ServicePortName
    /// nil: the backend has left the service; the next connect chooses anew.
    public var backend: Backend?
    /// Seconds since the last connect.
    public var age: UInt64
    /// Seconds until the client is free again; 0 when it is.
    public var timeLeft: UInt64
  }

  /// Everything that session affinity remembers, sorted by service and client.
  public func readAffinity(_ states: [FamilyState]) throws(DataplaneError) -> [AffinityEntry] {
    let raw: [(key: svc_affinity_key, value: svc_affinity)]
    do { raw = try affinities.all() } catch { throw .bpf(error) }
    let now = Clock.monotonicNanoseconds
    var slots: [IPFamily: [UInt32: Slot]] = [:]
    for state in states {
      for list in state.lists.keys {
        for slot in state.slotsOfList(list) {
          slots[state.family, default: [:]][slot.endpoint] = slot
        }
      }
    }
    let services = Dictionary(
      uniqueKeysWithValues: states.map { ($0.family, $0.services) })
    var result: [AffinityEntry] = []
    for (key, value) in raw {
      guard let family = IPFamily(rawValue: UInt8(truncatingIfNeeded: key.family)),
        let service = services[family]?[key.service], let timeout = service.affinityTimeout
      else { continue }
      let age = now > value.last_used ? (now - value.last_used) / 1_000_000_000 : 0
      let slot = slots[family]?[value.endpoint]
      result.append(
        AffinityEntry(
          client: key.client, isCgroup: value.by_cgroup != 0, service: service.name,
          backend: slot?.generation == value.generation ? slot?.backend : nil, age: age,
          timeLeft: UInt64(timeout) > age ? UInt64(timeout) - age : 0))
    }
    return result.sorted { ($0.service, $0.client) < ($1.service, $1.client) }
  }

  /// The newest use of session affinity, by the kernel's CLOCK_MONOTONIC; nil: there is none.
  func lastAffinityUse() throws(DataplaneError) -> UInt64? {
    do { return try affinities.all().map(\.value.last_used).max() } catch { throw .bpf(error) }
  }
}
