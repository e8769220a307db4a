import ServiceMaps
import Testing

@Suite struct CgroupMountsTests {
  private static let hybrid = """
    31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
    32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
    33 31 0:30 / /sys/fs/cgroup/net_cls rw shared:10 - cgroup cgroup rw,net_cls,net_prio
    40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
    41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:5 master:2 - cgroup2 cgroup2 rw
    """

  private func mount(_ root: String, _ path: String) throws -> CgroupMounts.Mount {
    let mounts = CgroupMounts(mountinfo: "41 31 0:38 \(root) \(path) rw - cgroup2 none rw")
    return try #require(mounts.unified.first)
  }

  @Test func aHybridHasBothVersions() {
    let mounts = CgroupMounts(mountinfo: Self.hybrid)
    #expect(mounts.unified.map(\.path) == ["/sys/fs/cgroup/unified"])
    #expect(mounts.isHybrid)
    #expect(mounts.controllers["cpuacct"] == "/sys/fs/cgroup/cpu,cpuacct")
    #expect(mounts.controllers["name=systemd"] == "/sys/fs/cgroup/systemd")
    #expect(mounts.controllers["xattr"] == nil)
    let finding = mounts.findings[0]
    #expect(finding.verdict == .ok)
    #expect(finding.message.contains("hybrid"))
    #expect(finding.message.contains("net_cls and net_prio"))
  }

  @Test func aUnifiedHierarchyIsAtItsUsualPlace() {
    let mounts = CgroupMounts(
      mountinfo: "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate")
    #expect(!mounts.isHybrid)
    #expect(mounts.findings == [Finding("cgroup2", .ok, "mounted at /sys/fs/cgroup")])
  }

  @Test func withoutCgroup2NothingWorks() {
    #expect(CgroupMounts(mountinfo: "").findings.map(\.verdict) == [.failure])
  }

  @Test func mountPointsMayHaveBlanks() throws {
    #expect(try mount("/", "/mnt/c\\040g").path == "/mnt/c g")
  }

  @Test func aProcessNamesItsUnifiedPath() {
    #expect(CgroupMounts.unifiedPath("4:memory:/x\n0::/a/b\n") == "/a/b")
    #expect(CgroupMounts.unifiedPath("4:memory:/x\n") == nil)
    #expect(CgroupMounts.unifiedPath("0::/a (deleted)\n") == nil)
    #expect(CgroupMounts.unifiedPath("0::/../a\n") == "/../a")
  }

  @Test func theWholeHierarchyShowsEveryPath() throws {
    let whole = try mount("/", "/sys/fs/cgroup")
    #expect(CgroupMounts.directory(of: "/", on: whole) == "/sys/fs/cgroup")
    #expect(CgroupMounts.directory(of: "/a/b", on: whole) == "/sys/fs/cgroup/a/b")
    // A mount that was made inside of the namespace ends at its root.
    #expect(CgroupMounts.directory(of: "/../a", on: whole) == nil)
  }

  @Test func aPartOfTheHierarchyShowsWhatIsInIt() throws {
    let part = try mount("/kubepods/pod1", "/sys/fs/cgroup")
    #expect(CgroupMounts.directory(of: "/kubepods/pod1/c", on: part) == "/sys/fs/cgroup/c")
    #expect(CgroupMounts.directory(of: "/kubepods/pod1", on: part) == "/sys/fs/cgroup")
    #expect(CgroupMounts.directory(of: "/kubepods/pod10", on: part) == nil)
    #expect(CgroupMounts.directory(of: "/", on: part) == nil)
  }

  @Test func aboveTheNamespaceNamesComeFromItsRoot() throws {
    // The namespace's root is /x/y, and the mount shows all.
    let above = try mount("/../..", "/cg")
    #expect(CgroupMounts.needsNamespaceRoot(above))
    let root = CgroupMounts.namespaceRoot(from: "/cg/x/y/me", ofProcessAt: "/me")
    #expect(root == "/cg/x/y")
    func directory(_ path: String) -> String? {
      CgroupMounts.directory(of: path, on: above, namespaceRoot: root)
    }
    #expect(directory("/") == "/cg/x/y")
    #expect(directory("/me/z") == "/cg/x/y/me/z")
    #expect(directory("/../sibling") == "/cg/x/sibling")
    #expect(directory("/../..") == "/cg")
    #expect(directory("/../../..") == nil)
    #expect(CgroupMounts.directory(of: "/me", on: above) == nil)
    #expect(CgroupMounts.namespaceRoot(from: "/cg/x/y/you", ofProcessAt: "/me") == nil)
    #expect(CgroupMounts.namespaceRoot(from: "/cg/x/y", ofProcessAt: "/") == "/cg/x/y")
  }
}
