import BPFLoader
import BPFObject
import Testing

/// What clang says of the maps of the data plane, without a kernel.
@Suite struct MapTypesTests {
  @Test func everyMapSaysWhatItsKeysAndValuesAre() throws {
    let object = try OpenObject(elf: CompiledObject.socklb.elf, name: "socklb")
    let names = object.mapNames
    #expect(names.count == 42)
    // Who reads the trace is not carried over.
    for name in names where !name.hasPrefix("trace") {
      let (found, definitions) = (object.types(ofMap: name), object.definition(ofMap: name))
      let types = try #require(found, "\(name)")
      let definition = try #require(definitions)
      #expect(types.key.size == definition.keySize, "\(name)")
      #expect(types.value.size == definition.valueSize, "\(name)")
      // Everything in it can be carried over.
      _ = try Conversion(from: types.key, to: types.key)
      _ = try Conversion(from: types.value, to: types.value)
    }
  }

  @Test func membersAreWhereTheyAre() throws {
    let object = try OpenObject(elf: CompiledObject.socklb.elf, name: "socklb")
    let (sockets, services) = (object.types(ofMap: "sockets"), object.types(ofMap: "services4"))
    let socket = try #require(sockets).value
    let cookie = try #require(socket.member("cookie"))
    #expect(cookie.offset == 56 && cookie.type == .integer(size: 8))
    let port = try #require(socket.member(["flow", "backend_port_be"]))
    #expect(port.offset == 34 && port.type == .integer(size: 2, isNetworkOrder: true))
    #expect(socket.member(["flow", "vip_be", "x"]) == nil)
    let names = try #require(services).value
    #expect(names.member("text")?.type.size == 52)
  }
}
