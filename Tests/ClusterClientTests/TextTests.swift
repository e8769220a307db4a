import ClusterClient
import Foundation
import Testing

@Suite struct TextTests {
  @Test(
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("2018-03-05T17:30:20Z", 1_520_271_020),
      ("2018-03-05t17:30:20.123456789z", 1_520_271_020),
      ("2018-03-05T18:30:20+01:00", 1_520_271_020), ("2018-03-05T09:00:20-08:30", 1_520_271_020),
      ("2024-02-29T00:00:00Z", 1_709_164_800), ("1969-12-31T23:59:59Z", -1),
      ("9999-12-31T23:59:59Z", 253_402_300_799),
    ] as [(String, Int64)])
  func timesAreRead(_ text: String, _ seconds: Int64) {
    #expect(Timestamp.seconds(of: text) == seconds)
  }

  @Test(arguments: [
    "", "2018-03-05", "2018-03-05T17:30:20", "2018-03-05 17:30:20Z", "2018-13-05T17:30:20Z",
    "2023-02-29T00:00:00Z", "2018-03-05T24:00:00Z", "2018-03-05T17:30:20.Z",
    "2018-03-05T17:30:20Zx",
    "2018-03-05T17:30:20+1:00", "soon",
  ])
  func otherTextsAreNoTimes(_ text: String) {
    #expect(Timestamp.seconds(of: text) == nil)
  }

  @Test func base64IsThatOfFoundation() {
    for count in 0..<200 {
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...255) }
      let text = Data(bytes).base64EncodedString()
      #expect(Base64.encode(bytes) == text)
      #expect(Base64.decode(text.utf8) == bytes)
      let lines = Data(bytes).base64EncodedString(options: [.lineLength64Characters])
      #expect(Base64.decode(lines.utf8) == bytes)
    }
    for text in ["A", "AA", "AAA", "A===", "====", "AA=A", "AAAA=", "AA*=", "AAAA\u{0}"] {
      #expect(Base64.decode(text.utf8) == nil, "\(text)")
    }
  }
}
