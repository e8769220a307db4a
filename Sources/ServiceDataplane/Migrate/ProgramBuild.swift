import BPFObject
import CServiceABI

/// The programs of one build, and the layout of the maps that they work on.
package struct ProgramBuild: Sendable {
  /// Builds of `CompiledObject.socklb` and `.move`.
  package var socklb: [UInt8]
  package var move: [UInt8]
  package var layoutVersion: UInt32

  package init(socklb: [UInt8], move: [UInt8], layoutVersion: UInt32) {
    self.socklb = socklb
    self.move = move
    self.layoutVersion = layoutVersion
  }

  /// This binary's.
  package static var current: ProgramBuild {
    ProgramBuild(
      socklb: CompiledObject.socklb.elf, move: CompiledObject.move.elf,
      layoutVersion: UInt32(SVC_LAYOUT_VERSION))
  }
}
