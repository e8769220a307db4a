import BPFLoader
import CServiceABI
public import ServiceMaps

extension KernelTables {
  /// Tells the programs which source address sockets of each network namespace get, for
  /// frontends with source ranges.
  ///
  /// At connect() an unbound socket has no source address yet, so the routing of every namespace
  /// that a process is in is asked beforehand: towards the frontends with ranges, else towards
  /// their backends. A namespace made later is not known until this is called again; its sockets
  /// are refused unless they are bound, or the user allows unknown sources.
  ///
  /// - Returns: how many namespaces are known; nil when the table has no source ranges.
  public func refreshSources(for table: ServiceTable) throws(DataplaneError) -> Int? {
    let restricted = table.frontends.filter { !$0.sourceRanges.isEmpty }
    let known: [UInt64]
    do { known = try sources.all().map(\.key) } catch { throw .bpf(error) }
    var found: [UInt64: svc_source] = [:]
    if !restricted.isEmpty {
      let v4 = destinations(of: restricted, .v4)
      let v6 = destinations(of: restricted, .v6)
      for path in try NetworkNamespaces.paths() {
        let source4 = NetworkNamespaces.source(in: path, towards: v4)
        let source6 = NetworkNamespaces.source(in: path, towards: v6)
        let cookie = max(source4?.cookie ?? 0, source6?.cookie ?? 0)
        guard cookie != 0 else { continue }
        found[cookie] = svc_source(v4: source4?.address, v6: source6?.address)
      }
    }
    do {
      try sources.update(Array(found.keys), Array(found.values))
      try sources.delete(known.filter { found[$0] == nil })
    } catch {
      throw .bpf(error)
    }
    return restricted.isEmpty ? nil : found.count
  }

  /// A few addresses to ask the routing about, the frontends first.
  private func destinations(of frontends: [Frontend], _ family: IPFamily) -> [IPAddress] {
    let mine = frontends.filter { $0.key.address.family == family }
    let all = mine.map(\.key.address) + mine.compactMap(\.backends.first?.address)
    var result: [IPAddress] = []
    for address in all where !result.contains(address) {
      result.append(address)
      if result.count == 8 { break }
    }
    return result
  }
}
