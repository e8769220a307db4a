import ServiceMaps
import Testing

@Suite struct OutputBufferTests {
  private func text(_ write: (inout OutputBuffer) -> Void) -> String {
    var output = OutputBuffer()
    write(&output)
    return String(decoding: output.bytes, as: UTF8.self)
  }

  @Test func addressesAsTheirDescription() {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<20_000 {
      // Many zero words, so that all shapes of `::` come up.
      var words: [UInt64] = []
      for _ in 0..<8 {
        let bits = UInt64.random(in: 1...16, using: &random)
        let word = UInt64.random(in: 0..<(1 << bits), using: &random)
        words.append(random.chance(60) ? 0 : word)
      }
      let address = IPAddress(
        v6High: words[0] << 48 | words[1] << 32 | words[2] << 16 | words[3],
        low: words[4] << 48 | words[5] << 32 | words[6] << 16 | words[7])
      #expect(text { $0.append(address) } == address.description)
      #expect(text { $0.append(address, port(80)) } == "[\(address)]:80")
      let v4 = IPAddress(v4: UInt32.random(in: 0 ... .max, using: &random))
      #expect(text { $0.append(v4) } == v4.description)
    }
  }

  @Test(arguments: [0, 1, 9, 10, 11, 99, 100, 65_535, 1_000_000, .max]) func numbers(_ n: UInt64) {
    #expect(text { $0.append(number: n) } == String(n))
  }
}
