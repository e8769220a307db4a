import BPFLoader
import BPFObject
import CServiceABI
import ServiceMaps

/// The programs of latencies.bpf.c, at work for as long as this lives.
struct PathWatch {
  private let paths: HashMap<svc_path_key, svc_path>
  private let moreLive: HashMap<svc_path_key, svc_path_live>
  private let uncountedMap: MappedArray<UInt64>
  private let moreFlows: BPFMap
  private let walk: BPFProgram
  private let link: TracepointLink

  init(_ layout: PinLayout) throws(BPFError) {
    let open = try OpenObject(
      elf: CompiledObject.latencies.elf, name: CompiledObject.latencies.rawValue)
    for name in open.mapNames {
      let pin = layout.pin(ofMap: name)
      if Files.exists(pin) { try open.reuse(BPFMap(pinned: pin), as: name) }
    }
    let object = try open.load()
    paths = try HashMap(object.map("paths"))
    moreLive = try HashMap(object.map("more_live"))
    uncountedMap = try MappedArray(object.map("uncounted"))
    moreFlows = try object.map("more_flows")
    walk = try object.program("count_more_flows")
    link = try TracepointLink(object.program("on_connection"), named: "inet_sock_set_state")
  }

  var uncounted: UInt64 { uncountedMap.acquire(at: 0) }

  /// What was counted since the start. An element that was made this moment says nothing yet.
  func counts() throws(BPFError) -> [PathID: (flow: SocketFlow, counts: PathCounts)] {
    var result: [PathID: (flow: SocketFlow, counts: PathCounts)] = [:]
    for (key, value) in try paths.all() {
      guard let flow = SocketFlow(wire: value.flow) else { continue }
      result[PathID(wire: key)] = (flow, PathCounts(wire: value))
    }
    return result
  }

  /// Adds the sockets that need more than a record: one walk in the kernel.
  func addMore(to sockets: inout [PathID: PathSockets]) throws(BPFError) {
    _ = try BPFIterator(walk, named: "count_more_flows", over: moreFlows).read()
    let found = try moreLive.all()
    try moreLive.delete(found.map(\.key))
    for (key, value) in found {
      guard let flow = SocketFlow(wire: value.flow) else { continue }
      sockets[PathID(wire: key), default: PathSockets(flow: flow, count: 0)].count += value.count
    }
  }
}
