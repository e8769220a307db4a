import Glibc
import ServiceDataplane

struct PathOptions {
  var rounds = 50
  var connects = 200
  var exchanges = 400
  /// Of one turn of the bulk transfer.
  var bytes = 16 << 20
  var loads = 3
  var ways = Set(PathWay.allCases)
  var results: String?
  /// In the process that measures.
  var inside: Enclosure?

  static let usage = """
    usage: socklb-bench paths [--rounds N] [--connects N] [--loads N] [--way NAME]… [--results FILE]

      --rounds N      how often every way has its turn (50)
      --connects N    TCP connections in one turn (200)
      --loads N       how often each rule set is loaded (3)
      --way NAME      only socklb, iptables or nft; several: any of them. Direct is always there
      --results FILE  the figures for programs too: case, variant, measure, median, low, high

    Prints tables in Markdown. Needs root, iptables and nftables.
    """

  init(_ arguments: [String]) throws {
    var rest = Options(arguments, usage: Self.usage)
    var named: Set<PathWay> = []
    while let option = rest.next() {
      switch option {
      case "--rounds": rounds = try rest.number(1...1000)
      case "--connects": connects = try rest.number(10...1000)
      case "--loads": loads = try rest.number(1...20)
      case "--way":
        guard let way = PathWay(rawValue: try rest.value()) else { throw Wrong(what: Self.usage) }
        named.insert(way)
      case "--results": results = try rest.value()
      case "--inside":
        inside = Enclosure(directory: try rest.value(), cgroup: try rest.value())
      default: throw Wrong(what: Self.usage)
      }
    }
    if !named.isEmpty { ways = named }
  }
}

/// What an application sees end to end.
enum Paths {
  /// It is killed then; a run takes less than three minutes.
  private static let seconds = 240

  static func run(_ arguments: some Sequence<String>) throws -> Int32 {
    let arguments = Array(arguments)
    let options = try PathOptions(arguments)
    guard let inside = options.inside else {
      return try Enclosure.run(["paths"] + arguments, seconds: Self.seconds)
    }
    var bench = try PathBench(options, inside)
    let report = PathReport(options: options, results: try bench.run())
    if let file = options.results { try save(report.tabbed, to: file) }
    try StandardStreams.write(Array(report.markdown.utf8), to: .output)
    return 0
  }

  private static func save(_ text: String, to path: String) throws {
    guard let file = fopen(path, "we") else {
      throw Wrong(what: "opening \(path): errno \(errno)")
    }
    let written = fputs(text, file)
    guard fclose(file) == 0, written >= 0 else {
      throw Wrong(what: "writing \(path): errno \(errno)")
    }
  }
}
