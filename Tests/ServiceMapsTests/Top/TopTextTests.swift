import ServiceMaps
import Testing

/// What people and programs read.
@Suite struct TopTextTests {
  typealias World = TopWorld

  private var table: TopTable {
    var web = ServiceCounters(translated: 100)
    web.backends = [World.backends[0]: 76, World.backends[1]: 24]
    return World.table(
      World.sample(0),
      World.sample(
        2, [World.web: web, World.empty: ServiceCounters(refused: 3)],
        [.established(10, bucket: 5), .established(5, bucket: 6, failed: 5)], live: [3, 1]))
  }

  @Test func linesOfATable() {
    let (header, rows) = table.lines(TopTable.Layout(showsBackends: true))
    #expect(
      ([header] + rows).map(\.text) == [
        "SERVICE           NEW/s  REF/s FAIL/s   LIVE  ENDP      SHARE     P50     P99",
        "shop/empty:80         0    1.5      0      0     0   refused: no endpoints",
        "shop/web:http      50.0      0    2.5      4     2    76%/50%    56µs   126µs",
        "  10.0.0.1:8080    38.0      -      0      3     -    76%/50%    48µs    64µs",
        "  10.0.0.2:8080    12.0      -    2.5      1     -    24%/50%    96µs   127µs",
        "shop/dns:dns/UDP      0      0      0      0     1          -       -       -",
        "  10.0.0.9:53         0      -      0      0     -          -       -       -",
        "shop/local:80         0      0      0      0     0   no endpoints",
      ])
    #expect(header.mark == .header)
    #expect(rows.map(\.mark) == [.bad, .warning, .warning, .warning, .plain, .plain, .plain])
  }

  @Test func aLineForItselfNamesItsService() {
    let rows = table.lines(
      TopTable.Layout(showsBackends: true, namesServices: true, prefix: "12:00:00 ")
    ).rows
    #expect(rows[2].text.hasPrefix("12:00:00 shop/web:http -> 10.0.0.1:8080  "))
    #expect(rows.allSatisfy { $0.text.hasPrefix("12:00:00 shop/") })
  }

  @Test func linesStayWithinATerminal() {
    let long = World.state { state in
      state.services[1]?.name.service = name("kube-system/a-service-with-a-rather-long-name")
    }
    let table = World.table(
      World.sample(0, states: [long]),
      World.sample(1, [World.empty: ServiceCounters(refused: 1)], states: [long]), .name)
    for width in [20, 40, 79, 80, 100] {
      let (header, rows) = table.lines(TopTable.Layout(width: width, showsBackends: true))
      for line in [header] + rows { #expect(line.text.count <= width, "\(line.text)") }
    }
    let rows = table.lines(TopTable.Layout(width: 80)).rows
    #expect(rows[0].text.hasPrefix("kube-system/a-serv… "))
    #expect(rows[0].text.count == 80)
    // As wide as it needs to be where nothing limits it.
    let free = table.lines(TopTable.Layout()).rows
    #expect(free[0].text.hasPrefix("kube-system/a-service-with-a-rather-long-name:http "))
  }

  @Test func namesCannotMoveTheCursor() {
    let odd = World.state { state in
      state.services[1]?.name.service.name = "we\u{1b}[2Jb\n"
    }
    let rows = World.table(World.sample(0, states: [odd]), World.sample(1, states: [odd]))
      .lines(TopTable.Layout()).rows
    #expect(rows.allSatisfy { $0.text.unicodeScalars.allSatisfy { $0.value >= 32 } })
  }

  @Test func json() {
    let text = String(
      decoding: table.json(clockOffset: 1_795_293_065_000_000_000), as: UTF8.self)
    #expect(text.split(separator: "\n").count == 1 && text.hasSuffix("]}\n"))
    #expect(
      text.hasPrefix(
        #"{"time":"2026-11-21T20:31:07Z","seconds":2.000,"sort":"rate","uncounted":0,"#
          + #""totals":{"servicePorts":4,"new":100,"newPerSecond":50.000,"refused":3,"#
          + #""refusedPerSecond":1.500,"denied":0,"deniedPerSecond":0.000,"failures":5,"#
          + #""failuresPerSecond":2.500,"live":4},"services":[{"service":"shop/empty","#
          + #""portName":"","port":80,"protocol":"TCP","problem":"no-endpoints","endpoints":0,"#))
    #expect(
      text.contains(
        #"{"address":"10.0.0.2","port":8080,"state":"listed","new":24,"newPerSecond":12.000,"#
          + #""established":5,"failed":5,"givenUp":0,"failures":5,"failuresPerSecond":2.500,"#
          + #""live":1,"share":0.2400,"fairShare":0.5000,"#
          + #""connectMicroseconds":{"p50":96.0,"p99":127.4}}"#))
    #expect(text.contains(#""share":null,"fairShare":null,"connectMicroseconds":null"#))
  }

  @Test func whatWasNotCountedIsSaid() {
    let table = World.table(World.sample(0, uncounted: 3), World.sample(1, uncounted: 10))
    #expect(table.uncounted == 7)
    #expect(table.warning?.text == "7 connections were not counted: there was no room for them")
  }

  // MARK: The terminal

  private func shown(_ frame: inout TopFrame, rows: Int = 10, columns: Int = 80) -> [TopLine] {
    var web = ServiceCounters(translated: 100)
    web.backends = [World.backends[0]: 50, World.backends[1]: 50]
    return frame.lines(
      (World.sample(0), World.sample(2, [World.web: web])), rows: rows, columns: columns,
      clock: "12:00:00", interval: "2s")
  }

  @Test func aFrameFillsTheTerminal() {
    var frame = TopFrame(TopTable.Options(), showsBackends: false)
    for (rows, columns) in [(24, 80), (10, 40), (5, 20), (2, 10), (1, 5)] {
      let lines = shown(&frame, rows: rows, columns: columns)
      #expect(lines.count == rows)
      #expect(lines.allSatisfy { $0.text.count <= columns })
    }
    let lines = shown(&frame)
    #expect(
      lines[0].text
        == "socklb top 12:00:00, 2s: 4 ports, 50.0 new/s, 0 refused/s, 0 failed/s, 0 live")
    #expect(lines[2].text.hasPrefix("SERVICE") && lines[2].mark == .header)
    #expect(lines[3].text.hasPrefix("shop/web:http"))
    #expect(lines[9].text.hasPrefix("q quit  b backends  sort: [r rate] x refused"))
    let first = frame.lines(nil, rows: 10, columns: 80, clock: "12:00:00", interval: "2s")
    #expect(first.map(\.text) == ["socklb top 12:00:00, 2s: counting …"])
  }

  @Test func keysSortScrollAndQuit() {
    var frame = TopFrame(TopTable.Options(), showsBackends: false)
    func type(_ text: String) -> Bool { frame.type(Array(text.utf8)) }
    #expect(type("n"))
    #expect(frame.options.order == .name)
    #expect(shown(&frame)[3].text.hasPrefix("shop/dns:dns/UDP"))
    #expect(shown(&frame)[9].text.contains("[n name]"))
    #expect(type("b"))
    #expect(shown(&frame)[4].text.hasPrefix("  10.0.0.9:53"))
    #expect(type("\u{1b}[B\u{1b}OBj\u{1b}[A"))
    #expect(frame.offset == 2)
    #expect(shown(&frame)[3].text.hasPrefix("shop/empty:80"))
    // Nothing is behind the last line.
    #expect(type("\u{1b}[6~\u{1b}[6~\u{1b}[6~"))
    #expect(shown(&frame)[3].text.hasPrefix("  10.0.0.2:8080"))
    #expect(type("g") && frame.offset == 0)
    #expect(!type("z") && !type("\u{1b}") && !type("\u{1b}[1;5C"))
    #expect(!frame.isOver)
    #expect(type("q") && frame.isOver)
  }

  @Test func aKeyMayComeInPieces() {
    var frame = TopFrame(TopTable.Options(), showsBackends: false)
    let first = frame.type([27, 91])
    #expect(!first)
    let second = frame.type([66])
    #expect(second)
    #expect(frame.offset == 1)
  }
}
