//! Time limits: how long they are, what is left of them, and by which clock.
//!
//! Spans that outlive a process are measured by the clock that the machine has had since its boot. Times for people, and those
//! that schedulers tell, are of the wall, which may have been moved in between.

use std::time::Duration;

use gofer_scheduler::TaskExit;
use gofer_types::{AttemptRecord, BootTime, Cause, Moment, Timestamp};

use crate::book::Book;

/// How far a time that a scheduler tells may be off before somebody has moved the wall: engines tell whole seconds.
const DRIFT: Duration = Duration::from_secs(2);

impl Book {
    /// The time limit of the run, if it has one.
    pub fn run_timeout(&self) -> Option<Duration> {
        let own = self.version.record.config.timeout.map(gofer_types::Span::get);
        match (own, self.max_run_timeout) {
            (Some(own), Some(max)) => Some(own.min(max)),
            (own, max) => own.or(max),
        }
    }

    /// The time limit of the run as it was when the run began: settings may have changed since.
    pub fn run_limit(&self) -> Duration {
        match (self.run.started, self.run.deadline) {
            (Some(from), Some(deadline)) => deadline.since(from),
            _ => self.run_timeout().unwrap_or_default(),
        }
    }

    /// What is left of the time limit of the run, if it has one; no more than there ever was, should the wall clock have gone back.
    pub fn run_left(&self, now: Moment) -> Option<Duration> {
        passes((self.run.deadline, self.run.due)).map(|passes| passes.since(now).min(self.run_limit()))
    }

    /// The time limit of the task's attempt, as it was when the attempt was recorded.
    pub fn attempt_limit(&self, task: u32) -> Duration {
        let recorded = self.attempts.get(&task).and_then(|attempt| {
            let from = attempt.started.unwrap_or(attempt.created);
            attempt.deadline.map(|deadline| deadline.since(from))
        });
        recorded.unwrap_or_else(|| self.version.plan.group_of(task).timeout)
    }

    /// What is left of the time limit of the task's attempt; no more than there ever was, should the wall clock have gone back.
    pub fn attempt_left(&self, task: u32, now: Moment) -> Duration {
        let limit = self.attempt_limit(task);
        let attempt = self.attempts.get(&task);
        let passes = attempt.and_then(|attempt| passes((attempt.deadline, attempt.due)));
        passes.map_or(limit, |passes| passes.since(now).min(limit))
    }

    /// What is left of the wait behind an attempt of a task; no longer than it ever was, should the wall clock have gone back.
    pub fn rest_left(&self, task: u32, wait: Duration, now: Moment) -> Duration {
        let record = self.tasks.get(&task);
        let passes = record.map(|record| Moment { wall: record.changed.plus(wait), boot: record.due });
        passes.map_or(wait, |passes| passes.since(now).min(wait))
    }

    /// Whether nobody has said yet that the attempt runs.
    pub fn awaits_start(&self, task: u32, number: u32) -> bool {
        let attempt = self.attempts.get(&task);
        attempt.is_some_and(|attempt| attempt.number == number && attempt.started.is_none())
    }

    /// Whether the scheduler says that the attempt ended before its time limit passed. It says so in time of the wall: once that was moved,
    /// nobody knows, and it counts as in time.
    pub fn was_in_time(&self, task: u32, exit: &TaskExit, now: Moment) -> bool {
        let Some(attempt) = self.attempts.get(&task) else { return false };
        let Some((at, deadline)) = exit.at.zip(attempt.deadline) else { return false };
        at < deadline || was_moved(attempt, (now, self.attempt_limit(task)))
    }

    /// Since when a task that is under way is to end.
    pub fn asked_to_end(&self, task: u32) -> Option<Timestamp> {
        match self.tasks.get(&task)?.cause {
            Cause::Deadline(_) => self.attempts.get(&task)?.deadline,
            Cause::RunDeadline(_) => self.run.deadline,
            Cause::Cancelled(_) => self.run.cancel.as_ref().map(|cancel| cancel.at),
            _ => None,
        }
    }
}

/// When a limit passes, on both clocks.
fn passes((deadline, due): (Option<Timestamp>, Option<BootTime>)) -> Option<Moment> {
    deadline.map(|wall| Moment { wall, boot: due })
}

/// How much time the machine has measured since an attempt began, or was asked for while it has not.
fn measured(attempt: &AttemptRecord, (now, limit): (Moment, Duration)) -> Option<Duration> {
    attempt.due.zip(now.boot).and_then(|(due, now)| now.plus(limit).since(due))
}

/// Whether the wall clock was moved since an attempt began.
fn was_moved(attempt: &AttemptRecord, (now, limit): (Moment, Duration)) -> bool {
    let by_wall = now.wall.since(attempt.started.unwrap_or(attempt.created));
    measured(attempt, (now, limit)).is_some_and(|measured| measured.abs_diff(by_wall) > DRIFT)
}

/// For how long an attempt has run that began at that moment. Where only the wall's time of it is known, and the wall was moved since the
/// attempt was asked for, that time is from before or from behind: of the two accounts for which the machine has measured enough since,
/// the shorter one counts, and without any it has just begun. Too late is better than too early.
pub(crate) fn ran_for(attempt: &AttemptRecord, at: Moment, (now, limit): (Moment, Duration)) -> Duration {
    let began = at.wall.max(attempt.created);
    match (measured(attempt, (now, limit)), at.boot) {
        (None, _) | (_, Some(_)) => now.since(Moment { wall: began, ..at }),
        (Some(_), None) if at.wall.plus(DRIFT) < attempt.created => Duration::ZERO,
        (Some(asked), None) => {
            let by_then = asked.checked_sub(began.since(attempt.created));
            let by_now = Some(now.wall.since(began)).filter(|ran| *ran <= asked && began <= now.wall);
            by_then.into_iter().chain(by_now).min().unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::tests::{attempt, book};
    use crate::step::Step;

    const DAY: i64 = 86_400;
    const LIMIT: Duration = Duration::from_secs(60);

    fn wall(secs: i64) -> Timestamp {
        Timestamp::from_micros((1_000_000 + secs) * 1_000_000)
    }

    fn boot(secs: u64) -> Option<BootTime> {
        Some(BootTime::new(1, Duration::from_secs(secs)))
    }

    /// Asked for at 100 of the machine's clock, with its limit.
    fn asked() -> AttemptRecord {
        AttemptRecord { created: wall(0), due: boot(160), deadline: Some(wall(60)), ..attempt(&book(), 0) }
    }

    /// Five seconds later, on a wall that was moved.
    fn later(jump: i64) -> (Moment, Duration) {
        (Moment { wall: wall(5 + jump), boot: boot(105) }, LIMIT)
    }

    #[test]
    fn what_the_server_saw_begin_is_measured_by_the_machine() {
        for (before, behind) in [(0, 0), (DAY, DAY), (-DAY, -DAY), (0, -DAY), (-3, -3), (-2, DAY)] {
            let at = Moment { wall: wall(2 + before), boot: boot(102) };
            assert_eq!(ran_for(&asked(), at, later(behind)).as_secs(), 3, "{before} {behind}");
        }
    }

    #[test]
    fn of_a_begin_that_only_the_wall_tells_the_account_counts_for_which_there_was_time() {
        let ran = |at: i64, jump: i64| {
            ran_for(&asked(), Moment { wall: wall(at), boot: None }, later(jump)).as_secs()
        };
        assert_eq!([ran(2, 0), ran(2, DAY)], [3, 3], "moved behind the start");
        assert_eq!(ran(2 + DAY, DAY), 3, "moved before it");
        assert_eq!([ran(2, -DAY), ran(2 - DAY, -DAY)], [3, 0], "moved back behind it, and before it");
        let whole_seconds =
            Moment { wall: Timestamp::from_micros(wall(0).as_micros() - 700_000), boot: None };
        assert_eq!(
            ran_for(&asked(), whole_seconds, later(0)).as_secs(),
            5,
            "an engine that tells whole seconds"
        );
        let unknown = AttemptRecord { due: None, ..asked() };
        let at = Moment { wall: wall(2), boot: None };
        assert_eq!(ran_for(&unknown, at, later(0)).as_secs(), 3, "without a clock of the machine");
    }

    #[test]
    fn an_attempt_that_was_late_when_it_was_heard_of_is_late_and_nobody_has_moved_the_wall() {
        let mut book = book();
        book.attempts.insert(0, asked());
        // heard of 90 s behind the asking, 30 s behind the limit
        let now = Moment { wall: wall(90), boot: boot(190) };
        let mut step = Step::at((wall(90), now, Duration::ZERO));
        book.attempt_started(&mut step, (0, Moment { wall: wall(0), boot: None }), (String::new(), None));
        assert_eq!(book.attempt_left(0, step.moment()), Duration::ZERO);
        let exit = TaskExit { cause: Cause::ExitCode(0), at: Some(wall(91)) };
        assert!(!book.was_in_time(0, &exit, Moment { wall: wall(91), boot: boot(191) }));
    }

    #[test]
    fn an_end_counts_as_in_time_if_the_wall_was_moved() {
        let mut book = book();
        book.attempts.insert(0, asked());
        let in_time = |at: i64, now: (i64, u64)| {
            let exit = TaskExit { cause: Cause::ExitCode(0), at: Some(wall(at)) };
            book.was_in_time(0, &exit, Moment { wall: wall(now.0), boot: boot(100 + now.1) })
        };
        assert!(in_time(59, (70, 70)) && !in_time(61, (70, 70)));
        assert!(in_time(30 + DAY, (70 + DAY, 70)), "nobody knows");
        assert!(in_time(30 + DAY, (70 - DAY, 70)), "nobody knows");
    }
}
