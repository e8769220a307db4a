import ManifestText
import Testing

/// What is read without libyaml is read as libyaml reads it.
@Suite struct BlockYAMLTests {
  static let documents = [
    """
    # comment

    ---
    apiVersion: v1
    kind: Service
    metadata:
      name: web
      namespace: default
      creationTimestamp: null
      labels:
        app.kubernetes.io/name: web app
        quoted: "true"
        single: 'y: # no'
        empty: ""
        unicode: größe – 漢字
      annotations:
        last: |
          {"apiVersion":"v1", "x": "a: b # c"}
        stripped: |-
          first
            second
        url: http://example.org:80/#fragment
    spec:
      clusterIP: 10.96.0.10
      clusterIPs:
      - 10.96.0.10
      - fd00::1
      externalIPs: []
      selector: {}
      ports:
      # another comment
      - name: http
        port: 80
        targetPort: 0x1F90
        nodePort: 030000

      -   name: n
          port: +443
          ratio: -1.5
    status:
      loadBalancer: {}
    """,
    """
    endpoints:
        - addresses:
            - 10.0.0.1
            - "10.0.0.2"
            - '10.0.0.3'
          conditions:
            ready: yes
            serving: Off
            terminating: ~
        - {}
        - addresses:
          - 1.5e3
          nodeName: a-b_c.d
    last: 1
    ---
    a: x
    """,
    "---\na: b\n...\n---   \nc:\n- d\n- -1\n", "a: |\n  x\n\n  y\nb: 1\n", "a: |+\n  x\nb: 1\n",
    "a: b\n c\nd:\n  e\nf:\n", "a: b # c\nd: e#f\n", "- a\n- b: c\n", "a\n", "a:\n-\n- - b\n",
    "a: b: c\n", "a: 'it''s'\nb: \"x\\ty\"\n", "? a\n: b\n", "&x a: *x\nb: !!str 1\n<<: {c: d}\n",
    "1: a\ntrue: b\na: 1\na: 2\n", "a:\n   b: c\n  d: e\n", "a : b\n", "a:\tb\n",
    "a: b\r\nc: d\r\n",
    "a: |\n    x\n   y\nb: c\n", "a: .inf\nb: .nan\nc: .5\nd: 5.\n", "a: \"x\n  y\"\n", "a: -\n",
    "a: --- \nb: ...\n", "a: [1, 2]\nb: {c: d}\n", "a: >\n  x\n  y\n", "a:   \n  b:   c   \n",
    "a: |",
    "a: |\n  x", "a: |\n", "a: |\n #x\n", "a:\n- |\n x\n- y\n", "\u{feff}a: b\n", "a: b\u{2028}c\n",
    "a: {}b\n", "a: \"b\"c\n", "a: \"b\" \n", "a: b\n---\n---\nc: d\n--- e\n",
    "%YAML 1.1\n---\na: b\n",
  ]

  @Test(arguments: documents) func isReadAsByEvents(document: String) {
    expectSame(Array(document.utf8))
  }

  @Test func whatKubectlPrintsNeedsNoEvents() {
    for document in Self.documents.prefix(2) {
      #expect(YAMLReading.isBlockStyle(Array(document.utf8)))
    }
    #expect(!YAMLReading.isBlockStyle(Array("a: *b\n".utf8)))
  }

  /// Whatever is changed in them.
  @Test func damagedDocumentsAreReadAsByEvents() {
    let marks = Array("{}[]:,-&*<>|'\"#!%@?\n\n\n\t   \\0\u{1}é~.y1".utf8)
    let seeds = Self.documents.map { Array($0.utf8) }
    let lines = seeds.prefix(2).flatMap {
      $0.split(separator: 0x0a, omittingEmptySubsequences: false)
    }
    var random = SystemRandomNumberGenerator()
    for round in 0..<30_000 {
      var bytes = round % 3 == 0 ? seeds.randomElement(using: &random)! : seeds[round % 2]
      for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
        let at = Int.random(in: bytes.indices, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[at] = marks.randomElement(using: &random)!
        case 1: bytes.insert(marks.randomElement(using: &random)!, at: at)
        case 2: bytes.remove(at: at)
        case 3: bytes.removeSubrange(at..<min(at + 20, bytes.count))
        case 4:
          // A line more, indented anyhow.
          let start = bytes[..<at].lastIndex(of: 0x0a).map { $0 + 1 } ?? 0
          let line = lines.randomElement(using: &random)! + [0x0a]
          bytes.insert(contentsOf: line.dropFirst(Int.random(in: 0...2, using: &random)), at: start)
        default:
          let start = bytes[..<at].lastIndex(of: 0x0a).map { $0 + 1 } ?? 0
          bytes.insert(
            contentsOf: repeatElement(0x20, count: Int.random(in: 1...3, using: &random)), at: start
          )
        }
      }
      expectSame(bytes)
    }
  }

  /// Large files are read in two halves, wherever the cut would be and whatever is wrong.
  @Test(arguments: [
    "", "# c\n", "%YAML 1.1\n", "...\n", "---\n", "\n", "a: [\n", "a: 1\na: 2\n", "x: \u{1}\n",
    "---\n# c\n", "...\n# c\n%TAG ! tag:x,2000:\n", "a: |\n  x\n ---\n",
  ])
  func halvesAreReadAsAWhole(between: String) {
    let document = Self.documents[0].split(separator: "---\n")[1] + "\n# comment\n#\nlast: x\n"
    for count in [900, 901] {
      var text = ""
      var texts = [String](repeating: "", count: 3)
      for number in 0..<count {
        let next = "---\nnumber: \(number)\nagain:\n- x\n" + document
        text += next
        texts[0] += (number % 3 == 0 ? between : "") + next
        texts[1] += (number == 0 ? between : "") + next
        texts[2] += (number == count - 1 ? between : "") + next
      }
      let half = YAMLReading.read(Array(text.utf8)).secondHalf
      #expect(half.map { abs($0 - count / 2) < 2 } == true)
      for text in texts { expectSame(Array(text.utf8)) }
      // In front of the cut, in it, and behind it.
      for number in count / 2 - 2...count / 2 + 2 {
        let at = text.firstRange(of: "---\nnumber: \(number)\n")!.lowerBound
        var changed = text
        changed.insert(contentsOf: between, at: at)
        expectSame(Array(changed.utf8))
      }
    }
  }

  private func expectSame(_ bytes: [UInt8]) {
    let parsed = YAMLReading.read(bytes)
    let events = YAMLReading.read(bytes, throughEvents: true)
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(parsed.problems == events.problems, "\(text)")
    #expect(parsed.documents.map(\.index) == events.documents.map(\.index), "\(text)")
    for (a, b) in zip(parsed.documents, events.documents) {
      #expect(Self.isSame(a.root, b.root), "\(text)")
    }
  }

  private static func isSame(_ a: TextNode, _ b: TextNode) -> Bool {
    a.kind == b.kind && a.line == b.line && a.utf8 == b.utf8 && a.count == b.count
      && zip(a.elements, b.elements).allSatisfy { isSame($0, $1) }
      && zip(a.members, b.members).allSatisfy {
        isSame($0.key, $1.key) && isSame($0.value, $1.value)
      }
  }
}
