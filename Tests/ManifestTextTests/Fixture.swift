import ManifestText

func parse(_ text: String, limits: TextLimits = .default) -> ParsedText {
  parseManifest(Array(text.utf8), limits: limits)
}

/// The canonical JSON of each document of a text that has no problems; otherwise the problems.
func canonical(_ text: String) -> [String] {
  let parsed = parse(text)
  if !parsed.problems.isEmpty { return parsed.problems.map { "problem: \($0)" } }
  return parsed.documents.map { String(decoding: canonicalJSON(of: $0.root), as: UTF8.self) }
}

func problems(_ text: String) -> [String] { parse(text).problems.map(\.description) }
