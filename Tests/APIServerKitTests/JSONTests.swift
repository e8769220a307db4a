import APIServerKit
import Testing

@Suite("JSON values")
struct JSONTests {
  @Test("what is read is written again, in the same order")
  func roundTrip() throws {
    let text = #"{"b":1,"a":[true,null,-7,1.5,"\"\\\n\u003c√"],"c":{"d":{},"e":[]}}"#
    #expect(try JSON(parsing: text).description == text)
  }

  @Test(
    "what is no JSON is refused",
    arguments: [
      "", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "tru", "\"\u{1}\"", "1 2", "{'a':1}", "-",
    ])
  func refused(_ text: String) {
    #expect(throws: JSONProblem.self) { try JSON(parsing: text) }
  }

  @Test("surrogate pairs")
  func surrogates() throws {
    #expect(try JSON(parsing: #""😀""#) == "😀")
    #expect(try JSON(parsing: #""\ud83d\ude00""#) == "😀")
  }

  @Test("a merge patch changes, adds and removes")
  func mergePatch() throws {
    let old = try JSON(parsing: #"{"a":1,"b":{"c":2,"d":3},"e":[1,2]}"#)
    let patch = try JSON(parsing: #"{"b":{"c":null,"x":4},"e":[9],"f":{"g":null}}"#)
    #expect(
      old.mergePatched(with: patch).description == #"{"a":1,"b":{"d":3,"x":4},"e":[9],"f":{}}"#)
  }
}
