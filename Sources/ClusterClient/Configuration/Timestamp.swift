/// A moment as RFC 3339 writes it.
package enum Timestamp {
  /// Seconds since 1970 of `2026-11-22T18:00:00Z`, also with a fraction, which is left out, and with an
  /// offset like `+01:00`; nil for anything else.
  package static func seconds(of text: String) -> Int64? {
    var rest = Array(text.utf8)[...]
    func number(_ digits: Int) -> Int64? {
      guard rest.count >= digits, rest.prefix(digits).allSatisfy(isDigit) else { return nil }
      defer { rest = rest.dropFirst(digits) }
      return rest.prefix(digits).reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
    }
    func character(_ wanted: Character) -> Bool {
      guard let byte = rest.first, let ascii = wanted.asciiValue else { return false }
      let same = byte == ascii || isLetter(ascii) && byte == ascii | 0x20
      if same { rest = rest.dropFirst() }
      return same
    }
    guard let year = number(4), character("-"), let month = number(2), character("-"),
      let day = number(2), character("T"), let hour = number(2), character(":"),
      let minute = number(2), character(":"), let second = number(2),
      (1...12).contains(month), day >= 1, day <= days(in: month, of: year), hour < 24, minute < 60,
      second <= 60
    else { return nil }
    if character(".") {
      guard let first = rest.first, isDigit(first) else { return nil }
      rest = rest.drop(while: isDigit)
    }
    var offset: Int64 = 0
    if !character("Z") {
      let isAhead = character("+")
      guard isAhead || character("-"), let hours = number(2), character(":"),
        let minutes = number(2),
        hours < 24, minutes < 60
      else { return nil }
      offset = (hours * 3600 + minutes * 60) * (isAhead ? 1 : -1)
    }
    guard rest.isEmpty else { return nil }
    return dayNumber(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
  }

  private static func days(in month: Int64, of year: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Days since 1970. Years begin in March here, so that the leap day is the last one.
  private static func dayNumber(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }
}
