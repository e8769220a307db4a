/// What a Service may choose by annotations, and what goes for it.
struct ServiceOptions: Hashable {
  var algorithm: Algorithm
  var udpChoice = UDPChoice.socket
  var termination: Termination

  /// What goes where a Service chooses nothing.
  init(_ options: CompileOptions) {
    algorithm = options.defaultAlgorithm
    termination = options.defaultTermination
  }

  /// - Parameter diagnostics: gets a warning for each annotation that says nothing known.
  init(of service: Service, _ options: CompileOptions, _ diagnostics: inout [Diagnostic]) {
    self.init(options)
    if service.meta.annotations.isEmpty { return }
    func read<Value>(
      _ name: String, _ value: inout Value, _ known: String, _ read: (String) -> Value?
    ) {
      guard let text = service.meta.annotations["socklb.io/" + name] else { return }
      if let chosen = read(text) {
        value = chosen
        return
      }
      diagnostics.append(
        Diagnostic(
          .warning, object: "Service \(service.meta.name)",
          path: "metadata.annotations.socklb.io/\(name)",
          "must be one of \(known), not \(quoted(text)); \(value) is used"))
    }
    read("algorithm", &algorithm, "random, round-robin") { Algorithm(rawValue: $0) }
    read("udp-choice", &udpChoice, "socket, datagram") { UDPChoice(rawValue: $0) }
    read("terminate", &termination, Termination.choices) { Termination($0) }
  }

  /// For frontends with this protocol.
  func udpChoice(for transport: TransportProtocol) -> UDPChoice {
    transport == .udp ? udpChoice : .socket
  }
}
