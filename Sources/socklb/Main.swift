import ArgumentParser

@main
struct Socklb: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "socklb")
}
