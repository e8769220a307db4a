import ManifestText
import Testing

@Suite struct JSONTests {
  @Test func valuesOneAfterTheOther() {
    let parsed = parse("{\"a\": 1}\n{\"b\": [true, null, -1.5e3, \"x\"]}{\"c\":{}}\n")
    #expect(parsed.problems.isEmpty)
    #expect(parsed.documents.map(\.index) == [1, 2, 3])
    #expect(parsed.documents.map(\.root.line) == [1, 2, 2])
    #expect(
      parsed.documents.map { String(decoding: canonicalJSON(of: $0.root), as: UTF8.self) }
        == ["{\"a\":1}", "{\"b\":[true,null,-1.5e3,\"x\"]}", "{\"c\":{}}"])
  }

  @Test func stringsAreDecoded() {
    let text = #"{"a": "\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 é", "\u0062": "", "plain": "x"}"#
    let root = parse(text).documents[0].root
    #expect(root["a"]?.string == "\"\\/\u{8}\u{c}\n\r\té\u{1F600} é")
    #expect(root["b"]?.string == "" && root["plain"]?.string == "x")
  }

  @Test(arguments: [
    (#"{"a": 1"#, "line 1: document 1: the file ends inside of a JSON value"),
    ("{\"a\":\n[1, {\"b\": \"x", "line 2: document 1: a[1].b: the file ends inside of a string"),
    (#"{"a": 1,}"#, "line 1: document 1: expected a key in double quotes, found '}'"),
    (#"{"a" 1}"#, "line 1: document 1: a: expected ':' after the key, found '1'"),
    (#"{"a": 1 "b": 2}"#, "line 1: document 1: expected ',' or '}', found '\"'"),
    (#"{"a": [1 2]}"#, "line 1: document 1: a[1]: expected ',' or ']', found '2'"),
    (#"{"a": 01}"#, "line 1: document 1: a: a number must not begin with 0"),
    (#"{"a": 1.}"#, "line 1: document 1: a: expected a digit, found '}'"),
    (#"{"a": "\x"}"#, "line 1: document 1: a: an escape that JSON does not know in a string"),
    (#"{"a": "\u12"}"#, "line 1: document 1: a: \\u takes four hexadecimal digits"),
    (#"{"a": "\ud800"}"#, "line 1: document 1: a: half of a surrogate pair in a string"),
    (#"{"a": "\ud83dx"}"#, "line 1: document 1: a: half of a surrogate pair in a string"),
    ("{\"a\": \"x\u{1}\"}", "line 1: document 1: a: a control character inside of a string"),
    (
      "{\"a\": 1}\n{\"b\": 1, \"b\": 2}",
      "line 2: document 2: b: the key \"b\" is here a second time; first in line 2"
    ),
    ("{\"a\": 1}\n{\"b\": \"", "line 2: document 2: b: the file ends inside of a string"),
    ("{\"a\": 1}\n}", "line 2: document 2: expected a value, found '}'"),
    (#"{"a": [1}"#, "line 1: document 1: a[1]: expected ',' or ']', found '}'"),
    ("{", "line 1: document 1: the file ends inside of a JSON value"),
  ]) func whatIsMalformed(text: String, problem: String) {
    #expect(problems(text) == [problem])
  }

  @Test func documentsBeforeTheErrorAreKept() {
    let parsed = parse("{\"a\": 1}\n{\"b\": 2}\n{\"c\"")
    #expect(parsed.documents.map(\.index) == [1, 2] && parsed.problems.count == 1)
  }

  @Test func depthIsLimited() {
    for text in [
      String(repeating: "[", count: 1_000_000), String(repeating: "{\"a\":", count: 100_000),
    ] {
      let found = problems(text)
      #expect(found.count == 1 && found[0].contains("more than 100 levels deep"))
    }
  }

  @Test func invalidUTF8() {
    let parsed = parseManifest(Array("{\"a\": \"".utf8) + [0xff] + Array("\"}".utf8))
    #expect(parsed.problems.map(\.message) == ["not UTF-8 text"])
  }

  @Test func flowStyleYAMLIsNoBrokenJSON() {
    #expect(canonical("{a: 1, b: [x, z]}\n") == [#"{"a":1,"b":["x","z"]}"#])
    #expect(canonical("{\"a\": 1}\n---\n{\"b\": 2}\n") == [#"{"a":1}"#, #"{"b":2}"#])
    #expect(canonical("{\"a\": 1}\n# b\n--- \nb: 2\n") == [#"{"a":1}"#, #"{"b":2}"#])
    #expect(problems("{\"a\": 1,}\n").count == 1, "as JSON it is broken, whatever YAML says")
    #expect(problems("{a: 1, b: [x\n").first?.contains("the document ends inside") == true)
  }

  @Test func byteOrderMarkIsSkipped() {
    #expect(canonical("\u{feff}{\"a\": 1}") == ["{\"a\":1}"])
  }
}
