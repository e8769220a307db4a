import Foundation
import PackagePlugin

/// Compiles Sources/bpf, or the folder `bpf` of a target for benchmarks, with the toolchain's clang
/// and writes the objects as a Swift file.
@main
struct CompileBPF: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
    let product = context.package.directoryURL.appending(path: "Sources/bpf")
    let source =
      target.name == "HookPrograms" ? target.directoryURL.appending(path: "bpf") : product
    let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedObject.swift")
    let script = product.appending(path: "compile.sh")
    var inputs: [URL] = [script]
    if let files = FileManager.default.enumerator(at: source, includingPropertiesForKeys: nil) {
      for case let file as URL in files where ["c", "h"].contains(file.pathExtension) {
        inputs.append(file)
      }
    }
    let options: [String]
    switch target.name {
    // Nanoseconds that readers wait, to see what writers do meanwhile: lib/test_delay.h.
    case "BPFTestObject": options = ["-DSVC_TEST_DELAY=4000000"]
    // Other structs, to see that state of another layout is carried over: service_abi.h.
    case "BPFTestLayout": options = ["-DSVC_TEST_LAYOUT"]
    default: options = []
    }
    return [
      .buildCommand(
        displayName: "Compiling BPF programs",
        executable: URL(filePath: "/bin/sh"),
        arguments: [script.path(), source.path(), output.path()] + options,
        inputFiles: inputs.sorted { $0.path() < $1.path() }, outputFiles: [output])
    ]
  }
}
