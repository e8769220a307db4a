/// A point in time as RFC 3339 writes it, in UTC.
public struct UTCTime: Hashable, Sendable, CustomStringConvertible {
  public var secondsSince1970: UInt64

  public init(secondsSince1970: UInt64) { self.secondsSince1970 = secondsSince1970 }

  /// `2026-11-21T17:00:00Z`
  public var description: String {
    let second = secondsSince1970 % 86_400
    let (year, month, day) = date
    func two(_ number: UInt64) -> String { (number < 10 ? "0" : "") + "\(number)" }
    return "\(year)-\(two(month))-\(two(day))T\(two(second / 3600)):\(two(second / 60 % 60)):"
      + "\(two(second % 60))Z"
  }

  /// Years are counted from March on, so that the leap day is the last one.
  private var date: (year: UInt64, month: UInt64, day: UInt64) {
    let days = secondsSince1970 / 86_400 + 719_468
    let era = days / 146_097
    let dayOfEra = days % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    return (
      era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1
    )
  }
}
