// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target is compiled the same way: unmarked unsafe code does not build.
let settings: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatWarning("StrictMemorySafety", as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

/// One file to install: the Swift runtime, libbpf, libelf, zlib and libyaml are linked in.
let staticExecutable: [LinkerSetting] = [
  .unsafeFlags(["-static-executable", "-Xlinker", "-s", "-Xlinker", "--gc-sections"]),
  .linkedLibrary("_FoundationCollections"), .linkedLibrary("_FoundationCShims"),
  .linkedLibrary("swiftSynchronization"),
]

let package = Package(
  name: "socklb",
  products: [
    .executable(name: "socklb", targets: ["socklb"])
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
  ],
  targets: [
    // The data plane: BPF programs (compiled by the plugin) and the one ABI header.
    .target(name: "CServiceABI", path: "Sources/bpf/abi"),
    .plugin(name: "CompileBPF", capability: .buildTool()),
    .target(name: "BPFObject", swiftSettings: settings, plugins: ["CompileBPF"]),

    // The kernel edge.
    .systemLibrary(
      name: "CLibBPF", pkgConfig: "libbpf", providers: [.apt(["libbpf-dev", "libelf-dev"])]),
    .target(name: "CKernel"),
    .target(
      name: "BPFLoader", dependencies: ["CLibBPF", "CKernel"], swiftSettings: settings,
      linkerSettings: [.linkedLibrary("elf"), .linkedLibrary("z")]),

    // The pure core.
    .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .target(name: "Threads", swiftSettings: settings),
    .target(name: "ManifestText", dependencies: ["CYaml", "Threads"], swiftSettings: settings),
    .target(
      name: "ServiceMaps", dependencies: ["ManifestText", "Threads", "CServiceABI"],
      swiftSettings: settings),

    .target(name: "ServiceFollow", dependencies: ["ServiceMaps"], swiftSettings: settings),

    // The way to a Kubernetes API server; knows none of its objects.
    .target(name: "CProcess"),
    .target(
      name: "ClusterClient",
      dependencies: [
        "ManifestText", "CProcess",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ],
      swiftSettings: settings),

    .target(
      name: "ClusterFollow",
      dependencies: [
        "ClusterClient", "ServiceFollow", "ServiceMaps",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: settings),

    // What a node says of itself over HTTP.
    .target(
      name: "NodeHTTP",
      dependencies: [
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ],
      swiftSettings: settings),

    // Joins the two, and the command.
    .target(
      name: "ServiceDataplane",
      dependencies: [
        "ServiceMaps", "Threads", "BPFLoader", "BPFObject", "CServiceABI", "CKernel",
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "socklb",
      dependencies: [
        "Threads", "ServiceMaps", "ServiceFollow", "ServiceDataplane", "BPFLoader", "ClusterClient",
        "ClusterFollow", "NodeHTTP",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings, linkerSettings: staticExecutable),

    // Tests. Those without root run under `swift test`; the kernel tests are a static program of
    // their own, so that the same file runs here and inside a virtual machine.
    .testTarget(name: "ManifestTextTests", dependencies: ["ManifestText"]),
    .testTarget(
      name: "ServiceMapsTests", dependencies: ["ServiceMaps", "ManifestText", "CServiceABI"],
      exclude: ["Fixtures"]),
    .testTarget(name: "ServiceFollowTests", dependencies: ["ServiceFollow", "ServiceMaps"]),
    .testTarget(
      name: "ClusterClientTests",
      dependencies: [
        "ClusterClient",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ]),
    .testTarget(name: "NodeHTTPTests", dependencies: ["NodeHTTP"]),
    .testTarget(name: "BPFLoaderTests", dependencies: ["BPFLoader", "BPFObject"]),
    .target(name: "SocketKit", path: "Tests/SocketKit"),
    // A Kubernetes API server to test against; no part of socklb.
    .target(
      name: "APIServerKit",
      dependencies: [
        "ManifestText", .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ],
      path: "Tests/APIServerKit"),
    .executableTarget(
      name: "socklb-test-apiserver", dependencies: ["APIServerKit"], path: "Tests/APIServer",
      linkerSettings: staticExecutable),
    .testTarget(
      name: "APIServerKitTests",
      dependencies: [
        "APIServerKit", .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ]),
    // The same BPF programs with waits between their reads.
    .target(
      name: "BPFTestObject", dependencies: ["BPFObject"], path: "Tests/BPFTestObject",
      plugins: ["CompileBPF"]),
    // The same BPF programs with another layout of their maps.
    .target(
      name: "BPFTestLayout", dependencies: ["BPFObject"], path: "Tests/BPFTestLayout",
      plugins: ["CompileBPF"]),
    .executableTarget(
      name: "socklb-kernel-tests",
      dependencies: [
        "ServiceDataplane", "ServiceMaps", "BPFLoader", "BPFObject", "BPFTestObject",
        "BPFTestLayout", "CServiceABI", "SocketKit", "APIServerKit",
      ],
      path: "Tests/KernelTests", linkerSettings: staticExecutable),
    .target(name: "HookKit", path: "Benchmarks/HookKit"),
    .target(name: "PathKit", path: "Benchmarks/PathKit"),
    // What socklb is measured against; never part of it.
    .target(
      name: "HookPrograms", dependencies: ["BPFObject"], path: "Benchmarks/HookPrograms",
      exclude: ["bpf"], plugins: ["CompileBPF"]),
    .executableTarget(
      name: "socklb-bench",
      dependencies: [
        "ServiceDataplane", "ServiceMaps", "ManifestText", "BPFLoader", "CServiceABI", "HookKit",
        "HookPrograms", "PathKit", "SocketKit", "Threads",
      ],
      path: "Benchmarks", exclude: ["HookKit", "HookPrograms", "PathKit"],
      linkerSettings: staticExecutable),
  ]
)
