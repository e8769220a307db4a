public import ServiceMaps

/// Finds and reads the files that `-f` names.
public enum ManifestReader {
  /// More than this is not read: 1 GiB, some forty times a cluster of 10,000 Services.
  private static let largest = 1 << 30

  /// What was read, and what could not be.
  public struct Input: Sendable {
    public var files: [ManifestFile] = []
    /// Errors; the input is then refused as a whole.
    public var problems: [Diagnostic] = []
  }

  /// - Parameters:
  ///   - names: files, directories, or "-" for standard input.
  ///   - recursive: read what is below directories too.
  public static func read(_ names: [String], recursive: Bool) -> Input {
    var input = Input()
    for name in names {
      if name == "-" {
        add(name, to: &input) { () throws(DataplaneError) in
          try StandardStreams.readInput(limit: largest)
        }
      } else if Files.isDirectory(name) {
        let before = input.files.count + input.problems.count
        readDirectory(name, recursive: recursive, into: &input)
        if input.files.count + input.problems.count == before {
          input.problems.append(
            Diagnostic(
              .error, file: name,
              "no manifest in this directory: socklb reads *.yaml, *.yml and *.json"
                + (recursive ? "" : "; -R reads the directories below it too")))
        }
      } else {
        addFile(name, to: &input)
      }
    }
    return input
  }

  private static func readDirectory(_ path: String, recursive: Bool, into input: inout Input) {
    let names: [String]
    do { names = try Files.list(path) } catch {
      input.problems.append(Diagnostic(.error, file: path, "\(error)"))
      return
    }
    for name in names {
      let entry = path.hasSuffix("/") ? path + name : path + "/" + name
      if Files.isDirectory(entry) {
        // As kubectl: links to directories are not followed, they could lead back up.
        if recursive && !Files.isSymbolicLink(entry) {
          readDirectory(entry, recursive: true, into: &input)
        }
      } else if ManifestFile.isManifest(name) {
        addFile(entry, to: &input)
      }
    }
  }

  private static func addFile(_ path: String, to input: inout Input) {
    add(path, to: &input) { () throws(DataplaneError) in
      guard let bytes = try Files.read(path, limit: largest) else {
        throw .refused("there is no such file or directory", remedy: "check the path")
      }
      return bytes
    }
  }

  private static func add(
    _ name: String, to input: inout Input, _ read: () throws(DataplaneError) -> [UInt8]
  ) {
    do {
      input.files.append(ManifestFile(name: name, bytes: try read()))
    } catch {
      input.problems.append(Diagnostic(.error, file: name, "\(error)"))
    }
  }
}
