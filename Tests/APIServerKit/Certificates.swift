import Glibc

/// An authority and what it signs, made with the `openssl` command. For tests only.
public struct Certificates: Sendable {
  /// Where the files are: `ca.crt` and `NAME.crt`, `NAME.key`.
  public let directory: String

  /// Makes a new authority in a directory that exists.
  public init(in directory: String, name: String = "socklb-test-ca") throws {
    self.directory = directory
    try Self.openssl(
      ["req", "-x509", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-subj", "/CN=\(name)", "-days", "3650", "-keyout", path("ca.key"), "-out", authority]
        + ["-addext", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign"], directory)
  }

  public var authority: String { path("ca.crt") }

  private func path(_ name: String) -> String { "\(directory)/\(name)" }

  /// A certificate for a server, with these addresses and names.
  public func server(
    _ name: String = "server", addresses: [String] = ["127.0.0.1", "::1"],
    names: [String] = ["localhost", "kubernetes", "kubernetes.default.svc"], days: Int = 365,
    clientCA: Bool = true
  ) throws -> APIServer.TLSFiles {
    let alternatives = addresses.map { "IP:\($0)" } + names.map { "DNS:\($0)" }
    try sign(
      name, subject: "/CN=kube-apiserver", days: days,
      extensions: [
        "subjectAltName=\(alternatives.joined(separator: ","))", "extendedKeyUsage=serverAuth",
      ])
    return APIServer.TLSFiles(
      certificate: path("\(name).crt"), key: path("\(name).key"),
      clientCA: clientCA ? authority : nil)
  }

  /// A certificate for a client: the user's name and groups.
  /// - Parameter days: 0 for one that has expired already.
  public func client(_ name: String, user: String, groups: [String] = [], days: Int = 365) throws
    -> (certificate: String, key: String)
  {
    let subject = groups.map { "/O=\($0)" }.joined() + "/CN=\(user)"
    try sign(
      name, subject: subject, days: days, extensions: ["extendedKeyUsage=clientAuth"])
    return (path("\(name).crt"), path("\(name).key"))
  }

  private func sign(_ name: String, subject: String, days: Int, extensions: [String]) throws {
    let (request, list) = (path("\(name).csr"), path("\(name).ext"))
    try Self.write(extensions.joined(separator: "\n") + "\n", to: list)
    // Written beside and renamed, so that a reader finds the old pair or the new one.
    let (key, certificate) = (path("\(name).key.new"), path("\(name).crt.new"))
    try Self.openssl(
      ["req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-subj", subject, "-keyout", key, "-out", request], directory)
    try Self.openssl(
      ["x509", "-req", "-in", request, "-CA", authority, "-CAkey", path("ca.key")]
        + ["-CAcreateserial", "-days", String(days), "-extfile", list, "-out", certificate],
      directory)
    guard rename(key, path("\(name).key")) == 0, rename(certificate, path("\(name).crt")) == 0
    else { throw APIServerProblem("cannot rename \(certificate)") }
  }

  private static func write(_ text: String, to path: String) throws {
    guard let file = fopen(path, "w") else { throw APIServerProblem("cannot write \(path)") }
    fputs(text, file)
    fclose(file)
  }

  private static func openssl(_ arguments: [String], _ directory: String) throws {
    let log = "\(directory)/openssl.log"
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    var words: [UnsafeMutablePointer<CChar>?] = (["openssl"] + arguments).map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    var pid: pid_t = 0
    let error = posix_spawnp(&pid, "openssl", &actions, nil, words, environ)
    guard error == 0 else {
      throw APIServerProblem(
        "cannot start openssl (\(String(cString: strerror(error)))): install it")
    }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    guard status == 0 else {
      throw APIServerProblem("openssl \(arguments.joined(separator: " ")) failed: see \(log)")
    }
  }
}
