/// The list of Services: one line for each, with all about it below.
extension ReportPage {
  func writeServices(to html: inout HTMLWriter) {
    html.markup("<section id=\"services\"><h2>Services</h2>\n")
    if services.isEmpty {
      html.markup("<p>No Service is known.</p></section>\n")
      return
    }
    if sockets == nil, !whyNoSockets.isEmpty {
      html.markup("<p class=\"note\">Live sockets are not shown: ")
      html.text(whyNoSockets)
      html.markup("</p>\n")
    }
    html.markup(
      """
      <form id="tools" hidden><label class="grow">Name, address, port or reason \
      <input type="search" id="find"></label><select id="sort" aria-label="Sort"><option value="name">by name\
      <option value="t">most translated<option value="r">most refused<option value="s">most sockets\
      <option value="o">most left out</select>\
      <label><input type="checkbox" id="only"> with something to look at</label>\
      <output id="found"></output></form>
      <div class="head" aria-hidden="true"><span>Service</span><span>Type</span><span>Addresses</span>\
      <span class="n">Endpoints</span><span class="n">Translated</span><span class="n">Refused</span></div>
      <div id="list">

      """)
    for service in services { write(service, to: &html) }
    html.markup("</div></section>\n")
  }

  /// What somebody should look at: it refuses although it is asked, or leaves endpoints out.
  private enum Standing {
    case serving, partly, empty, unserved
  }

  private func standing(of service: ServiceDescription) -> Standing {
    if service.unserved != nil || service.groups.isEmpty { return .unserved }
    if service.groups.contains(where: \.inUse.isEmpty) { return .empty }
    return leftOut(of: service).isEmpty ? .serving : .partly
  }

  /// Without those of the other address family, which a frontend of that family has.
  private func leftOut(of service: ServiceDescription) -> Set<IPAddress> {
    Set(service.groups.flatMap(\.leftOut).filter { $0.reason != .otherFamily }.map(\.address))
  }

  private func write(_ service: ServiceDescription, to html: inout HTMLWriter) {
    let inUse = Set(service.groups.flatMap(\.inUse)).count
    let leftOut = leftOut(of: service).count
    let live = sockets.map { sockets in
      service.groups.reduce(0) { sum, group in
        sum + spread(of: group, sockets).reduce(0) { $0 + $1.sockets }
      }
    }
    html.markup("<details class=\"s\" data-t=\"")
    html.number(service.translated)
    html.markup("\" data-r=\"")
    html.number(service.refused)
    html.markup("\" data-s=\"")
    html.number(live ?? 0)
    html.markup("\" data-o=\"")
    html.number(leftOut)
    let standing = standing(of: service)
    switch standing {
    case .serving, .unserved: html.markup("\"><summary><span class=\"name\">")
    case .partly, .empty: html.markup("\" data-w><summary><span class=\"name\">")
    }
    switch standing {
    case .serving: html.markup("<i class=\"dot good\" title=\"serves\"></i>")
    case .partly: html.markup("<i class=\"dot warn\" title=\"some endpoints are left out\"></i>")
    case .empty: html.markup("<i class=\"dot bad\" title=\"no endpoint\"></i>")
    case .unserved: html.markup("<i class=\"dot\" title=\"not served\"></i>")
    }
    html.text("\(service.service.meta.name)")
    html.markup("</span><span>")
    html.text(service.service.kind.rawValue)
    html.markup("</span><span class=\"where\">")
    writeAddresses(of: service, to: &html)
    html.markup("</span><span class=\"n\" data-l=\"endpoints\">")
    html.count(inUse)
    if leftOut > 0 {
      html.markup(" <small>+")
      html.count(leftOut)
      html.markup(" left out</small>")
    }
    html.markup("</span><span class=\"n\" data-l=\"translated\">")
    html.count(service.translated)
    html.markup("</span><span class=\"n\" data-l=\"refused\">")
    if service.refused > 0 {
      html.markup("<em>")
      html.count(service.refused)
      html.markup("</em>")
    } else {
      html.markup("0")
    }
    html.markup("</span></summary>\n<div class=\"all\">")
    writeDetails(of: service, to: &html)
    html.markup("</div></details>\n")
  }

  /// The first ones; the rest is below.
  private func writeAddresses(of service: ServiceDescription, to html: inout HTMLWriter) {
    let keys = service.groups.flatMap(\.frontends).filter { $0.kind != .nodePort }.map(\.key)
    if keys.isEmpty {
      html.text(service.unserved ?? "no frontend")
      return
    }
    for (i, key) in keys.prefix(2).enumerated() {
      if i > 0 { html.markup(", ") }
      html.text("\(key)")
    }
    if keys.count > 2 {
      html.markup(" <small>+")
      html.number(keys.count - 2)
      html.markup("</small>")
    }
  }

  // MARK: All about one

  private func writeDetails(of service: ServiceDescription, to html: inout HTMLWriter) {
    html.markup("<p class=\"facts\">")
    var facts = ["\(service.algorithm.rawValue)"]
    if let seconds = service.service.affinityTimeout {
      facts.append("session affinity \(seconds) s")
    }
    if service.service.ports.contains(where: { $0.transport == .udp }) {
      facts.append("UDP per \(service.udpChoice.rawValue)")
    }
    facts.append("internalTrafficPolicy \(service.service.internalTrafficPolicy.rawValue)")
    facts.append("ends \(service.termination) sockets")
    html.text(facts.joined(separator: " · "))
    html.markup("</p>\n")
    if service.ports.count > 1 || service.refused > 0 {
      html.markup("<p class=\"facts\">")
      for (i, port) in service.ports.enumerated() {
        if i > 0 { html.markup(" · ") }
        html.text("\(port.name.isEmpty ? "" : port.name + " ")\(port.port)/\(port.transport): ")
        html.count(port.counters.translated)
        html.markup(" translated, ")
        html.count(port.counters.refused)
        html.markup(" refused")
      }
      html.markup("</p>\n")
    }
    if service.groups.isEmpty {
      html.markup("<p>No frontends: ")
      html.text(service.unserved ?? "none")
      html.markup("</p>\n")
    }
    for group in service.groups { write(group, of: service, to: &html) }
  }

  private func write(
    _ group: ServiceDescription.FrontendGroup, of service: ServiceDescription,
    to html: inout HTMLWriter
  ) {
    html.markup("<h3>")
    for (i, frontend) in group.frontends.enumerated() {
      if i > 0 { html.markup(" ") }
      html.markup("<span class=\"vip\">")
      html.text("\(frontend.key)")
      html.markup(" <small>")
      html.text(frontend.kind.rawValue + (group.portName.isEmpty ? "" : " " + group.portName))
      if let other = frontend.leftTo {
        html.markup(", left to ")
        html.text(other)
      }
      if !frontend.sourceRanges.isEmpty {
        html.markup(", from ")
        html.text(frontend.sourceRanges.map { "\($0)" }.joined(separator: ", "))
      }
      html.markup("</small></span>")
    }
    html.markup("</h3>\n")
    if group.inUse.isEmpty {
      switch group.whenEmpty {
      case .refuse: html.markup("<p class=\"empty\">No endpoint: connections are refused.</p>\n")
      case .drop:
        html.markup(
          "<p class=\"empty\">No endpoint on this node: connections fail as unreachable.</p>\n")
      }
    }
    let rows = sockets.map { spread(of: group, $0) } ?? group.inUse.map { Share(backend: $0) }
    if rows.isEmpty && group.leftOut.isEmpty { return }
    html.markup("<table class=\"ends\"><tbody>\n")
    let listed = rows.filter(\.isListed)
    let counts = service.ports.first { $0.name == group.portName }?.counters.backends
    let most = max(rows.map(\.sockets).max() ?? 0, 1)
    let total = listed.reduce(0) { $0 + $1.sockets }
    for row in rows {
      html.markup("<tr><td><code>")
      html.text("\(row.backend)")
      if row.isListed {
        html.markup("</code></td><td class=\"in\">in use</td><td>")
      } else {
        html.markup("</code></td><td class=\"out\">not in use now; its sockets stay</td><td>")
      }
      if sockets != nil {
        writeShare(row, of: total, among: listed.count, most: most, to: &html)
      }
      html.markup("</td><td class=\"given\">")
      html.count(counts?[row.backend] ?? 0)
      html.markup(" given</td></tr>\n")
    }
    for endpoint in group.leftOut {
      html.markup("<tr><td><code>")
      html.text(
        endpoint.port.map { "\(Backend(address: endpoint.address, port: $0))" }
          ?? "\(endpoint.address)")
      html.markup("</code></td><td class=\"out\">left out: ")
      html.text(endpoint.reason.text)
      html.markup("</td><td></td><td></td></tr>\n")
    }
    html.markup("</tbody></table>\n")
  }

  /// One backend of a group, and how many sockets are with it by way of the group's frontends.
  private struct Share {
    var backend: Backend
    var sockets = 0
    var isListed = true
  }

  private func spread(
    of group: ServiceDescription.FrontendGroup, _ sockets: SocketSpread
  ) -> [Share] {
    let keys = group.frontends.filter { $0.leftTo == nil }.map(\.key)
    return group.inUse.map { Share(backend: $0, sockets: sockets.count(keys, $0)) }
      + sockets.strays(of: keys, besides: group.inUse).map {
        Share(backend: $0, sockets: sockets.count(keys, $0), isListed: false)
      }
  }

  /// A bar, with a mark where it would end if all had the same number.
  private func writeShare(
    _ share: Share, of total: Int, among count: Int, most: Int, to html: inout HTMLWriter
  ) {
    if share.sockets == 0, total == 0 {
      html.markup("<small>no socket</small>")
      return
    }
    let scale = 120.0 / Double(most)
    html.markup("<svg class=\"bar\" width=\"124\" height=\"14\" role=\"img\" aria-label=\"")
    html.number(share.sockets)
    html.markup(" sockets\"><rect class=\"fill\" y=\"2\" height=\"10\" width=\"")
    html.number(Int(Double(share.sockets) * scale))
    html.markup("\"/>")
    if share.isListed, count > 1 {
      html.markup("<rect class=\"fair\" y=\"0\" width=\"2\" height=\"14\" x=\"")
      html.number(min(122, Int(Double(total) / Double(count) * scale)))
      html.markup("\"/>")
    }
    html.markup("</svg> ")
    html.count(share.sockets)
    html.markup(share.sockets == 1 ? " socket" : " sockets")
    if share.isListed, total > 0, count > 1 {
      html.markup(" <small>")
      html.number(Int((Double(share.sockets) * 100 / Double(total)).rounded()))
      html.markup(" %, fair is ")
      html.number(Int((100 / Double(count)).rounded()))
      html.markup(" %</small>")
    }
  }
}
