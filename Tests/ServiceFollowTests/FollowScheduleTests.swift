import ServiceFollow
import Testing

@Suite struct FollowScheduleTests {
  private let millisecond: UInt64 = 1_000_000

  @Test func aSingleChangeIsTakenAfterAMillisecond() {
    var schedule = FollowSchedule()
    #expect(schedule.next == nil)
    schedule.note(.complete, of: "a", at: 1000)
    #expect(schedule.next == 1000 + FollowSchedule.quietWhenIdle)
    #expect(schedule.take(at: 1000) == [])
    #expect(schedule.take(at: 1000 + FollowSchedule.quietWhenIdle) == ["a"])
    #expect(schedule.isEmpty && schedule.next == nil)
  }

  @Test func changesThatComeTogetherAreTakenTogether() {
    var schedule = FollowSchedule()
    schedule.note(.complete, of: "b", at: 0)
    schedule.note(.complete, of: "a", at: millisecond / 2)
    #expect(schedule.take(at: millisecond) == [])
    #expect(schedule.take(at: millisecond * 3 / 2) == ["a", "b"])
  }

  @Test func endlessChangesStarveNobody() {
    var schedule = FollowSchedule()
    var now: UInt64 = 0
    var taken: [UInt64] = []
    for number in 0..<2000 {
      schedule.note(.complete, of: "f\(number % 7)", at: now)
      now += millisecond / 4
      if !schedule.take(at: now).isEmpty { taken.append(now) }
    }
    #expect(taken.count >= 9)
    for (a, b) in zip([0] + taken, taken) {
      #expect(b - a <= FollowSchedule.longestWait + millisecond)
    }
    // And not one by one: that would be a change of the table for each.
    #expect(taken.count <= 12)
  }

  @Test func afterABatchMoreQuietIsWaitedFor() {
    var schedule = FollowSchedule()
    schedule.note(.complete, of: "a", at: 0)
    #expect(schedule.take(at: millisecond) == ["a"])
    schedule.note(.complete, of: "a", at: 2 * millisecond)
    #expect(schedule.next == 2 * millisecond + FollowSchedule.quietWhenBusy)
    _ = schedule.take(at: 10 * millisecond)
    let later = 10 * millisecond + FollowSchedule.busyTime
    schedule.note(.complete, of: "a", at: later)
    #expect(schedule.next == later + FollowSchedule.quietWhenIdle)
  }

  @Test func whatIsBeingWrittenIsLeftAloneUntilItIsClosed() {
    var schedule = FollowSchedule()
    schedule.note(.unfinished, of: "a", at: 0)
    for step in 1...20 { schedule.note(.unfinished, of: "a", at: UInt64(step) * 10 * millisecond) }
    #expect(schedule.take(at: 300 * millisecond) == [])
    schedule.note(.complete, of: "a", at: 300 * millisecond)
    #expect(schedule.take(at: 301 * millisecond) == ["a"])
    // Complete, and written again before it was looked at.
    schedule.note(.complete, of: "a", at: 1000 * millisecond)
    schedule.note(.unfinished, of: "a", at: 1000 * millisecond + 1)
    #expect(schedule.take(at: 1060 * millisecond) == [])
  }

  @Test func aWriterThatNeverClosesIsNotWaitedForForEver() {
    var schedule = FollowSchedule()
    schedule.note(.unfinished, of: "a", at: 0)
    #expect(schedule.take(at: FollowSchedule.patienceWithWriters) == ["a"])
    var now: UInt64 = 0
    while now < FollowSchedule.longestUnfinished {
      schedule.note(.unfinished, of: "b", at: now)
      #expect(schedule.take(at: now) == [])
      now += 100 * millisecond
    }
    schedule.note(.unfinished, of: "b", at: now)
    #expect(schedule.take(at: now) == ["b"])
  }

  @Test func aFileThatComesBackWasNeverGone() {
    var schedule = FollowSchedule()
    schedule.note(.gone, of: "a", at: 0)
    schedule.note(.unfinished, of: "a", at: millisecond)
    #expect(schedule.take(at: FollowSchedule.patienceWithGone) == [])
    schedule.note(.complete, of: "a", at: 60 * millisecond)
    #expect(schedule.take(at: 62 * millisecond) == ["a"])
    schedule.note(.gone, of: "a", at: 100 * millisecond)
    schedule.note(.gone, of: "a", at: 140 * millisecond)
    #expect(schedule.next == 100 * millisecond + FollowSchedule.patienceWithGone)
    #expect(schedule.take(at: 150 * millisecond) == ["a"])
  }
}
