/// An error of libyaml, and what is known of its place.
struct YAMLSyntaxError {
  var problem: String
  var context: String
  var line = 0
  /// Where the thing began that could not be finished.
  var contextLine = 0
  var isIndentedWithTab = false
  /// The byte at the place.
  var found: UInt8?
  /// The document ends at the place.
  var isAtEnd = false

  /// libyaml's words say what its scanner wanted; these say what is wrong with the text.
  var message: String {
    if isIndentedWithTab && !context.contains("quoted") {
      return "found a tab where spaces are needed for indentation"
    }
    if context.contains("quoted scalar") && problem.contains("unexpected") {
      return "the document ends inside of the quoted string that begins in line \(contextLine)"
    }
    if context.contains("flow mapping") || context.contains("flow sequence") {
      let (name, close) = context.contains("mapping") ? ("mapping", "}") : ("list", "]")
      return isAtEnd
        ? "the document ends inside of the {…} or […] that begins in line \(contextLine)"
        : "expected ',' or '\(close)' in the \(name) that begins in line \(contextLine)"
    }
    switch problem {
    case "mapping values are not allowed in this context":
      return "found ':' where no value can follow; is the indentation right, or a quote missing?"
    case "could not find expected ':'":
      return "expected ':' after the key in line \(contextLine)"
    case "did not find expected key":
      return "expected a key of the mapping that begins in line \(contextLine);"
        + " is the indentation right?"
    case "did not find expected '-' indicator":
      return "expected '-' for the list that begins in line \(contextLine);"
        + " is the indentation right?"
    case "found character that cannot start any token":
      return "\(found.map(shown) ?? "this") cannot begin a value; quote it"
    case "block sequence entries are not allowed in this context":
      return "found '-' where no list can begin; is the indentation right?"
    case "found unknown escape character":
      return "an escape that YAML does not know in a double-quoted string"
    case "did not find expected <document start>":
      return "found a second value after the end of the first; is a '---' missing?"
    default:
      return context.isEmpty ? problem : "\(problem) (\(context))"
    }
  }
}
