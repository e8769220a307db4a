import ManifestText
import Testing

@Suite struct YAMLTests {
  @Test(arguments: [
    ("80", "80"), ("+80", "80"), ("-1", "-1"), ("0", "0"), ("017", "15"), ("0o17", "15"),
    ("0x1F", "31"), ("0b101", "5"), ("1_000", "1000"), ("-0x10", "-16"),
    ("123456789012345678901234567890", "123456789012345678901234567890"),
    ("9223372036854775807", "9223372036854775807"),
    ("18446744073709551615", "18446744073709551615"),
    ("1.5", "1.5"), (".5", "0.5"), ("5.", "5.0"), ("-1e3", "-1e3"), ("08", "8"), ("007.5", "7.5"),
    ("true", "true"), ("True", "true"), ("YES", "true"), ("on", "true"), ("y", "true"),
    ("false", "false"), ("No", "false"), ("off", "false"), ("OFF", "false"), ("n", "false"),
    ("null", "null"), ("~", "null"), ("", "null"), ("Null", "null"),
    ("tRue", "\"tRue\""), ("yep", "\"yep\""), ("nul", "\"nul\""), ("~x", "\"~x\""),
    ("10.0.0.1", "\"10.0.0.1\""), ("1:30", "\"1:30\""), ("fd00::1", "\"fd00::1\""),
    ("2026-01-01", "\"2026-01-01\""), ("1.2.3", "\"1.2.3\""), ("0x", "\"0x\""), ("1e", "\"1e\""),
    ("-", "null-list"), ("_1", "\"_1\""), ("0xfg", "\"0xfg\""), ("+", "\"+\""),
    ("'80'", "\"80\""), ("\"true\"", "\"true\""), ("\"a\\tb\"", "\"a\\tb\""),
    ("'it''s'", "\"it's\""),
    ("!!str 80", "\"80\""), ("!!int \"80\"", "80"), ("!!float 1", "1"), ("!!bool yes", "true"),
    ("!!null ''", "null"), ("! 80", "\"80\""), ("!!timestamp 2026-01-01", "\"2026-01-01\""),
    ("!!map {a: 1}", "{\"a\":1}"), ("!!seq [a]", "[\"a\"]"),
  ]) func scalar(text: String, json: String) {
    let expected = json == "null-list" ? "[null]" : json
    let written = text == "-" ? "\n  -" : " \(text)"
    #expect(canonical("a:\(written)\n") == ["{\"a\":\(expected)}"])
  }

  @Test func integersAreTakenAsNumbers() {
    let root = parse("a: 0x1f\nb: 9223372036854775808\nc: -9223372036854775808\nd: '1'\n")
      .documents[0].root
    #expect(root["a"]?.integer == 31)
    #expect(root["b"]?.kind == .integer && root["b"]?.integer == nil)
    #expect(root["c"]?.integer == .min)
    #expect(root["d"]?.integer == nil && root["d"]?.string == "1")
  }

  @Test func treeOfAnObject() throws {
    let text = """
      # a Service
      kind: Service
      spec:
        ports:
        - name: http
          port: 80
        - {name: https, port: 443}
        empty: {}
        none: []
      text: |
        one
        two
      folded: >-
        one
        two
      """
    let parsed = parse(text)
    #expect(parsed.problems.isEmpty)
    let root = try #require(parsed.documents.first).root
    #expect(root.kind == .mapping && root.line == 2 && root.count == 4)
    #expect(root["kind"]?.string == "Service")
    let ports = try #require(root["spec"]?["ports"])
    #expect(ports.elements.map { $0["port"]?.integer } == [80, 443])
    #expect(ports.elements.map(\.line) == [5, 7])
    #expect(root.members.map { $0.key.string } == ["kind", "spec", "text", "folded"])
    #expect(root["spec"]?["empty"]?.kind == .mapping && root["spec"]?["none"]?.count == 0)
    #expect(root["text"]?.string == "one\ntwo\n" && root["folded"]?.string == "one two")
    #expect(root["nothing"] == nil && root["kind"]?["x"] == nil)
    #expect(Array(root["kind"]!.elements).isEmpty)
  }

  @Test(arguments: [
    ("a: 1\n---\nb: 2\n", [1, 2]), ("---\na: 1\n---\nb: 2\n---\n", [1, 2]),
    ("# comment\n---\na: 1\n", [1]), ("---\n---\na: 1\n", [2]),
    ("a: 1\n---\n# no\n---\nb: 2", [1, 3]),
    ("a: 1\n...\nb: 2\n", [1, 2]), ("a: 1\n...\n---\nb: 2\n", [1, 2]),
    ("--- {a: 1}\n--- # x\nb: 2\n", [1, 2]),
    ("%YAML 1.1\n---\na: 1\n", [1]), ("a: 1\n...\n%YAML 1.1\n---\nb: 1\n", [1, 2]),
    ("a: ---\nb: ----\n", [1]), ("a: 1\r\n---\r\nb: 2\r\n", [1, 2]), ("a: 1\r---\rb: 2\r", [1, 2]),
    ("\u{feff}a: 1\n", [1]), ("", []), ("\n# nothing\n", []), ("---\n", []),
    ("--- |\n text\n---\na: 1", [1, 2]),
  ]) func documentsAreNumbered(text: String, numbers: [Int]) {
    let parsed = parse(text)
    #expect(parsed.problems.isEmpty)
    #expect(parsed.documents.map(\.index) == numbers)
  }

  @Test(arguments: [
    (
      "a: 1\n\tb: 2\n", "line 2: document 1: a: found a tab where spaces are needed for indentation"
    ),
    (
      "a:\n  b: 1\n c: 2\n",
      "line 3: document 1: expected a key of the mapping that begins in line 1; is the indentation right?"
    ),
    (
      "a: b: c\n",
      "line 1: document 1: found ':' where no value can follow; is the indentation right, or a quote missing?"
    ),
    (
      "a: [1, 2\n",
      "line 2: document 1: a[2]: the document ends inside of the {…} or […] that begins in line 1"
    ),
    (
      "a: {b: 1\n",
      "line 2: document 1: a: the document ends inside of the {…} or […] that begins in line 1"
    ),
    ("a: [1}\n", "line 1: document 1: a[1]: expected ',' or ']' in the list that begins in line 1"),
    (
      "a: \"b\nc: d\n",
      "line 3: document 1: a: the document ends inside of the quoted string that begins in line 1"
    ),
    (
      "a: 'b\n---\nc: d\n",
      "line 2: document 1: a: the document ends inside of the quoted string that begins in line 1"
    ),
    ("a: @b\n", "line 1: document 1: a: '@' cannot begin a value; quote it"),
    ("a: 1\nb\n", "line 3: document 1: expected ':' after the key in line 2"),
    (
      "a: \"\\q\"\n",
      "line 1: document 1: a: an escape that YAML does not know in a double-quoted string"
    ),
    ("a: *b\n", "line 1: document 1: a: the alias *b has no anchor &b before it"),
    ("a: &b [*b]\n", "line 1: document 1: a[0]: the alias *b is part of what it stands for"),
    ("a: !foo b\n", "line 1: document 1: a: the tag !foo is not known"),
    ("a: !!set {b: 1}\n", "line 1: document 1: a: the tag !!set is not known"),
    ("a: !!int b\n", "line 1: document 1: a: is tagged !!int, but is a string"),
    ("a: .inf\n", "line 1: document 1: a: is a number that JSON cannot say; quote it"),
    ("a: -.INF\n", "line 1: document 1: a: is a number that JSON cannot say; quote it"),
    (
      "80: a\n",
      "line 1: document 1: 80: an integer cannot be a key; a key must be a string: write \"80\""
    ),
    (
      "a:\n  on: b\n",
      "line 2: document 1: a.on: a boolean cannot be a key; a key must be a string: write \"on\""
    ),
    ("? [a]\n: b\n", "line 1: document 1: a list cannot be a key; a key must be a string"),
    ("a: &x [1]\n*x : 2\n", "line 2: document 1: a mapping"),
    (
      "a: b\n<<: 1\n",
      "line 2: document 1: << takes a mapping or a list of mappings, not an integer"
    ),
    ("a: 1\0\n", "line 1: document 1: a NUL byte"),
    ("a: 1\n\u{7}\n", "line 2: document 1: a control character (the byte 0x07)"),
    ("a: \u{80}\n", "line 1: document 1: a control character (U+0080)"),
    (
      "a: 1\n...\nb\n c: 2\n",
      "line 4: document 2: found ':' where no value can follow; is the indentation right, or a quote missing?"
    ),
  ]) func whatIsMalformed(text: String, problem: String) {
    let found = problems(text)
    if problem.hasSuffix("a mapping") {
      #expect(found.count == 1 && found[0].contains("cannot be a key"))
    } else {
      #expect(found == [problem])
    }
  }

  @Test func invalidUTF8() {
    for bytes in [
      [0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82],
    ] as [[UInt8]] {
      let parsed = parseManifest(Array("a: 1\nb: ".utf8) + bytes)
      #expect(parsed.documents.isEmpty)
      #expect(parsed.problems.map(\.line) == [2])
    }
    #expect(canonical("a: \u{1F600}é\n") == ["{\"a\":\"\u{1F600}é\"}"])
  }

  @Test func otherDocumentsAreStillRead() {
    let parsed = parse(
      "a: 1\n---\nb: [\n---\nc: 3\n---\nd: 'x\n---\ne: 5\n---\nf: \u{1}\n---\ng: 7\n")
    #expect(parsed.documents.map(\.index) == [1, 3, 5, 7])
    #expect(parsed.problems.map(\.document) == [2, 4, 6])
    #expect(parsed.documents.map(\.root.line) == [1, 5, 9, 13])
  }

  @Test func everyDuplicateKeyIsFound() {
    let text = "a: 1\nb:\n- c: 1\n  c: 2\n  d: 3\n  c: 4\na: 2\n"
    #expect(
      problems(text) == [
        "line 4: document 1: b[0].c: the key \"c\" is here a second time; first in line 3",
        "line 6: document 1: b[0].c: the key \"c\" is here a second time; first in line 3",
        "line 7: document 1: a: the key \"a\" is here a second time; first in line 1",
      ])
    #expect(parse(text).documents.count == 1)
    let many = (0..<100).map { "k\($0): 1\n" }.joined()
    #expect(problems(many).isEmpty)
    #expect(problems(many + "k3: 1\nk99: 1\n").count == 2)
  }

  @Test func aliasesAndMergeKeys() {
    #expect(
      canonical("a: &x {p: 1, q: [2]}\nb: *x\nc: &y z\nd: [*y, *x]\n") == [
        #"{"a":{"p":1,"q":[2]},"b":{"p":1,"q":[2]},"c":"z","d":["z",{"p":1,"q":[2]}]}"#
      ])
    #expect(
      canonical("a: &x {p: 1, q: 2}\nb:\n  q: 3\n  <<: *x\n  r: 4\n") == [
        #"{"a":{"p":1,"q":2},"b":{"p":1,"q":3,"r":4}}"#
      ])
    #expect(
      canonical(
        "a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc: &z\n  <<: [*x, *y, {s: 1}]\nd: {<<: *z, t: 1}\n") == [
          #"{"a":{"p":1},"b":{"p":2,"q":2},"c":{"p":1,"q":2,"s":1},"d":{"p":1,"q":2,"s":1,"t":1}}"#
        ])
    #expect(canonical("\"<<\": 1\n") == ["{\"<<\":1}"])
    #expect(canonical("*a : 1\n").first?.hasPrefix("problem") == true)
    #expect(canonical("a: &k x\n*k : 1\n") == [#"{"a":"x","x":1}"#])
    #expect(canonical("a: &x 1\nb: &x 2\nc: *x\n") == [#"{"a":1,"b":2,"c":2}"#])
    let merged = parse("a: &x {p: 1}\nb: {<<: *x, q: 2}\nc: 3\n").documents[0].root
    #expect(merged["b"]?["p"]?.integer == 1 && merged["b"]?.count == 2 && merged["c"]?.integer == 3)
  }

  @Test func bombsAreRefusedAtOnce() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1...30 {
      let alias = "*a\(level - 1)"
      text +=
        "a\(level): &a\(level) [" + Array(repeating: alias, count: 10).joined(separator: ", ")
        + "]\n"
    }
    let start = ContinuousClock.now
    let parsed = parse(text)
    #expect(ContinuousClock.now - start < .seconds(1))
    #expect(
      parsed.problems.count == 1 && parsed.problems[0].message.contains("stand for too many values")
    )
    #expect(parsed.documents.isEmpty)

    var merges = "a0: &a0 {" + (0..<50).map { "k\($0): 1" }.joined(separator: ", ") + "}\n"
    for level in 1...30 {
      let sources = Array(repeating: "*a\(level - 1)", count: 100).joined(separator: ", ")
      merges += "a\(level): &a\(level) {<<: [\(sources)]}\n"
    }
    #expect(parse(merges).problems.count == 1)

    // A document may repeat itself within reason.
    let modest =
      "a: &a [" + Array(repeating: "x", count: 1000).joined(separator: ",") + "]\nb: ["
      + Array(repeating: "*a", count: 90).joined(separator: ",") + "]\n"
    #expect(problems(modest).isEmpty)
  }

  @Test func depthIsLimited() {
    #expect(
      problems("a: " + String(repeating: "[", count: 99) + String(repeating: "]", count: 99))
        .isEmpty)
    for text in [
      String(repeating: "[", count: 200), String(repeating: "- ", count: 200) + "a",
      String(repeating: "{a: ", count: 200),
    ] {
      #expect(problems("x:\n " + text).first?.contains("more than 100 levels deep") == true)
    }
    var chain = "a0: &a0 [x]\n"
    for level in 1...120 { chain += "a\(level): &a\(level) [*a\(level - 1)]\n" }
    #expect(problems(chain).first?.contains("levels deep, aliases followed") == true)
  }

  @Test func problemsAreCountedNotListedWithoutEnd() {
    let some = parse(String(repeating: "a: b\n", count: 302))
    #expect(some.problems.count == 101 && some.problems.last?.message == "and 201 more")
    let endless = parse(String(repeating: "a: b\n", count: 100_000))
    #expect(endless.problems.count == 101)
    #expect(endless.problems.last?.message == "and more; the rest of the file was not read")
  }

  @Test func sizesAreLimited() {
    var limits = TextLimits()
    limits.bytes = 10
    #expect(
      parse("a: 1234567890", limits: limits).problems.map(\.message) == [
        "has 13 bytes; at most 10 are read"
      ])
    limits = TextLimits()
    limits.nodes = 10
    #expect(
      parse("a: [1,2,3,4,5,6,7,8,9,10]", limits: limits).problems.map(\.message) == [
        "more than 10 values in one file"
      ])
    limits = TextLimits()
    limits.documents = 2
    #expect(
      parse("a: 1\n---\nb: 1\n---\nc: 1\n", limits: limits).problems.map(\.message) == [
        "more than 2 documents in one file"
      ])
    limits = TextLimits()
    limits.members = 2
    #expect(
      parse("a: 1\nb: 1\nc: 1\n", limits: limits).problems.map(\.message) == [
        "more than 2 keys in one mapping"
      ])
  }
}
