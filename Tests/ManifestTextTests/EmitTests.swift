import ManifestText
import Testing

@Suite struct EmitTests {
  @Test func canonicalFormDoesNotDependOnTheSource() {
    let yaml = "b: 0x50\na: {z: \"x\", é: on, Z: ~}\nc:\n- 1.5\n- 'q\"'\n"
    let json = "{\"a\" : {\"Z\":null, \"é\":true, \"z\":\"x\"}, \"c\":[1.5,\"q\\u0022\"], \"b\":80}"
    #expect(canonical(yaml) == canonical(json))
    #expect(canonical(json) == [#"{"a":{"Z":null,"z":"x","é":true},"b":80,"c":[1.5,"q\""]}"#])
    #expect(
      canonical("{\"a\": \"\\u0001\\u001f\\n\\u007f\\/\"}") == [
        "{\"a\":\"\\u0001\\u001f\\n\u{7f}/\"}"
      ])
    #expect(canonical("{\"a\": -0}") == canonical("a: -0"))
  }

  @Test func membersAreLeftOutAndFilledIn() {
    func edited(_ text: String, _ edits: TextEdit...) -> String {
      String(
        decoding: canonicalJSON(of: parse(text).documents[0].root, editing: edits), as: UTF8.self)
    }
    let text = #"{"metadata":{"name":"x","managedFields":[1]},"other":{"managedFields":2}}"#
    let remove = TextEdit.remove("metadata", "managedFields")
    let set = TextEdit.set("metadata", "namespace", to: "default")
    #expect(edited(text, remove) == #"{"metadata":{"name":"x"},"other":{"managedFields":2}}"#)
    #expect(
      edited(text, remove, set)
        == #"{"metadata":{"name":"x","namespace":"default"},"other":{"managedFields":2}}"#)
    #expect(
      edited(#"{"metadata":{"namespace":null}}"#, set) == #"{"metadata":{"namespace":"default"}}"#)
    #expect(
      edited(
        #"{"z":1,"kind":"x","metadata":{}}"#, .set("apiVersion", to: "v1"), .set("zz", to: "\""),
        set)
        == #"{"apiVersion":"v1","kind":"x","metadata":{"namespace":"default"},"z":1,"zz":"\""}"#)
  }

  @Test func yamlLooksAsKubectlPrintsIt() {
    let json = #"""
      {"apiVersion":"v1","kind":"Service","metadata":{"labels":{"app":"web","m":"80","t":"true","e":""},
      "name":"web"},"spec":{"clusterIP":"10.96.0.1","ports":[{"name":"http","port":80},{"port":443}],
      "selector":{},"x":[],"z":[["a","b"],[]],"v6":"2001:db8::1","d":"2026-01-01T00:00:00Z","s":"a: b","nil":null}}
      """#
    let text = String(decoding: prettyYAML(of: parse(json).documents[0].root), as: UTF8.self)
    #expect(
      text == """
        apiVersion: v1
        kind: Service
        metadata:
          labels:
            app: web
            m: "80"
            t: "true"
            e: ""
          name: web
        spec:
          clusterIP: 10.96.0.1
          ports:
          - name: http
            port: 80
          - port: 443
          selector: {}
          x: []
          z:
          - - a
            - b
          - []
          v6: "2001:db8::1"
          d: "2026-01-01T00:00:00Z"
          s: "a: b"
          nil: null

        """)
    #expect(canonical(text) == canonical(json))
  }

  @Test func jsonIsIndented() {
    let root = parse("a: [1, {b: x}]\nc: {}\n").documents[0].root
    #expect(
      String(decoding: prettyJSON(of: root), as: UTF8.self)
        == "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x\"\n    }\n  ],\n  \"c\": {}\n}\n")
  }

  /// Whatever is in a tree: what is written of it reads as the same tree.
  @Test func whatIsWrittenReadsTheSame() {
    var random = Generator(state: 42)
    for _ in 0..<3000 {
      var json = "{\"root\":"
      appendValue(to: &json, depth: 0, &random)
      json += "}"
      let parsed = parse(json)
      #expect(parsed.problems.isEmpty, "\(json)")
      guard let root = parsed.documents.first?.root else { continue }
      let bytes = canonicalJSON(of: root)
      for text in [prettyYAML(of: root), prettyJSON(of: root), bytes] {
        let again = parseManifest(text)
        #expect(again.problems.isEmpty, "\(String(decoding: text, as: UTF8.self))")
        #expect(again.documents.count == 1)
        #expect(again.documents.first.map { canonicalJSON(of: $0.root) } == bytes, "\(json)")
      }
    }
  }

  private func appendValue(to text: inout String, depth: Int, _ random: inout Generator) {
    switch Int.random(in: 0..<(depth < 4 ? 10 : 7), using: &random) {
    case 0: text += ["null", "true", "false"].randomElement(using: &random)!
    case 1: text += String(Int64.random(in: .min ... .max, using: &random))
    case 2:
      text += ["0", "1.5", "-2e10", "0.001", "1E+5", "123456789012345678901"].randomElement(
        using: &random)!
    case 3...6: appendString(to: &text, &random)
    case 7:
      let count = Int.random(in: 0..<4, using: &random)
      text += "["
      for index in 0..<count {
        if index > 0 { text += "," }
        appendValue(to: &text, depth: depth + 1, &random)
      }
      text += "]"
    default:
      let count = Int.random(in: 0..<4, using: &random)
      text += "{"
      for index in 0..<count {
        if index > 0 { text += "," }
        // The number keeps the keys apart.
        var key = ""
        appendString(to: &key, &random)
        text += key.dropLast() + "\(index)\":"
        appendValue(to: &text, depth: depth + 1, &random)
      }
      text += "}"
    }
  }

  private func appendString(to text: inout String, _ random: inout Generator) {
    let special = [
      "", "null", "~", "yes", "on", "0x10", "017", "1_0", "1e3", ".5", ".inf", "- a", "a: b",
      "a #b", "#", " x",
      "x ", "---", "...", "<<", "!t", "&a", "*a", "? x", "| x", "> x", "%x", "@x", "`x", "{", "[a",
      "a,b", "1:30",
      "10.0.0.1", "fd00::", "::1", "2026-01-01", "=", "a\\nb", "\\n", "\\t", "\\\"", "\\\\", "'",
      "é", "\\u0085",
      "\\u2028", "\\ufeff", "\\u0000", "\\ud83d\\ude00", "\\u007f", "\\u00a0", "-", ":", "a:",
      "key: [", "\\uffff",
      String(repeating: "long ", count: 300),
    ]
    if Bool.random(using: &random) {
      text += "\"\(special.randomElement(using: &random)!)\""
      return
    }
    let alphabet = Array("abcXYZ019 .:-_#/&*!|>'%@`{}[],?=~+é")
    text += "\""
    for _ in 0..<Int.random(in: 0..<8, using: &random) {
      text.append(alphabet.randomElement(using: &random)!)
    }
    text += "\""
  }
}

/// SplitMix64: the same trees in every run.
struct Generator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
