/// For tests: what another release, or a command that was killed, would leave in the header.
extension Dataplane {
  package func leaveSwitching() { tables.setSwitching(true) }

  package func pretend(release: ReleaseVersion) { tables.setVersion(release) }

  package func pretend(layout: UInt32) { tables.setLayoutVersion(layout) }
}
