import APIServerKit
import Glibc

/// Runs the test API server by itself, for kubectl and for people.
let usage = """
  usage: socklb-test-apiserver [OPTION]...
    --listen ADDRESS         127.0.0.1 unless told otherwise
    --port PORT              0 for one that is free
    --tls-cert FILE --tls-key FILE [--client-ca FILE]
    --tls-make DIRECTORY     makes a CA, a server and an admin certificate there, and uses them
    --token TOKEN            the only bearer token that is accepted
    --objects FILE           objects to begin with: YAML or JSON, lists too
    --services COUNT         as many Services with a slice of 10 endpoints each
    --bookmarks SECONDS      between bookmarks
    --no-watch-list          refuses streaming lists
    --seed NUMBER            requests fail by chance, one of ten
    --churn COUNT            so many slices change each second

  """

struct Mistake: Error { let message: String }

func read(_ path: String) throws -> String {
  guard let file = fopen(path, "r") else { throw Mistake(message: "cannot read \(path)") }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65536)
  while case let count = fread(&buffer, 1, buffer.count, file), count > 0 {
    bytes += buffer[..<count]
  }
  return String(decoding: bytes, as: UTF8.self)
}

func run() throws {
  var options = APIServer.Options()
  var (files, services, churn): ([String], Int, Int) = ([], 0, 0)
  var seed: UInt64?
  var (certificate, key, authority): (String?, String?, String?) = (nil, nil, nil)
  var words = CommandLine.arguments.dropFirst()
  while let word = words.popFirst() {
    if word == "--no-watch-list" {
      options.watchList = false
      continue
    }
    guard let value = words.popFirst() else { throw Mistake(message: usage) }
    switch word {
    case "--listen": options.address = value
    case "--port": options.port = Int(value) ?? 0
    case "--tls-cert": certificate = value
    case "--tls-key": key = value
    case "--client-ca": authority = value
    case "--tls-make":
      let made = try Certificates(in: value)
      options.tls = try made.server()
      _ = try made.client("admin", user: "admin", groups: ["system:masters"])
    case "--token":
      options.access = Access(tokens: [value: .init("admin", groups: ["system:masters"])])
    case "--objects": files.append(value)
    case "--services": services = Int(value) ?? 0
    case "--bookmarks": options.bookmarkInterval = Double(value)
    case "--seed": seed = UInt64(value)
    case "--churn": churn = Int(value) ?? 0
    default: throw Mistake(message: usage)
    }
  }
  if let certificate, let key {
    options.tls = .init(certificate: certificate, key: key, clientCA: authority)
  }
  let server = APIServer(options)
  for file in files { try server.apply(try read(file)) }
  if services > 0 { try server.putServices(services, endpoints: 10) }
  if let seed {
    server.failRandomly(
      seed: seed, rate: 0.1,
      with: [.internalError, .unavailable, .tooManyRequests(retryAfter: 1), .reset, .close])
    print("faults by chance, seed \(seed)")
  }
  try server.start()
  print(server.url)
  fflush(nil)
  var generator = SeededGenerator(seed: seed ?? 1)
  while true {
    usleep(10_000)
    for _ in 0..<churn / 100 where services > 0 {
      try server.putSlice(Int.random(in: 0..<services, using: &generator), endpoints: 10)
    }
  }
}

func complain(_ text: String) {
  let bytes = Array("\(text)\n".utf8)
  _ = write(2, bytes, bytes.count)
}

do { try run() } catch let mistake as Mistake {
  complain(mistake.message)
  exit(64)
} catch {
  complain("socklb-test-apiserver: \(error)")
  exit(1)
}
