//! Whether an attempt is followed by another one, and after which wait.

use std::time::Duration;

use gofer_types::pipeline::Retry;
use gofer_types::{Cause, TaskState};

/// When and how often a task run is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryRule {
    /// How many attempts there may be in all.
    pub attempts: u32,
    backoff: Duration,
    factor: f64,
    max_backoff: Duration,
    on: Vec<TaskState>,
    exit_codes: Vec<i32>,
}

impl RetryRule {
    /// The rule of a pipeline file.
    pub fn new(retry: &Retry) -> Self {
        Self {
            attempts: retry.attempts,
            backoff: retry.backoff.get(),
            factor: retry.factor,
            max_backoff: retry.max_backoff.get(),
            on: retry.on.iter().filter_map(|word| word.parse().ok()).collect(),
            exit_codes: retry.exit_codes.clone(),
        }
    }

    /// Whether another attempt follows the one with this number, which ended like this. Exit codes, where the file names some,
    /// narrow `failed` down to them: neither another code nor a signal is tried again then.
    pub fn goes_on(&self, attempt: u32, state: TaskState, cause: &Cause) -> bool {
        let wanted = state != TaskState::Failed
            || self.exit_codes.is_empty()
            || matches!(cause, Cause::ExitCode(code) if self.exit_codes.contains(code));
        attempt < self.attempts && self.on.contains(&state) && wanted
    }

    /// The wait behind the attempt with this number: the first backoff, each later one longer by the factor, none longer than
    /// the longest.
    pub fn wait(&self, attempt: u32) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.backoff.as_secs_f64() * self.factor.powi(exponent);
        Duration::try_from_secs_f64(seconds).map_or(self.max_backoff, |wait| wait.min(self.max_backoff))
    }
}

#[cfg(test)]
mod tests {
    use gofer_types::Span;
    use proptest::prelude::*;

    use super::*;

    fn retry() -> Retry {
        Retry {
            attempts: 4,
            backoff: Span::from_secs(10),
            factor: 2.0,
            max_backoff: Span::from_secs(30),
            on: vec!["failed".to_owned(), "lost".to_owned()],
            exit_codes: Vec::new(),
        }
    }

    #[test]
    fn each_wait_is_longer_by_the_factor_up_to_the_longest() {
        let rule = RetryRule::new(&retry());
        let waits: Vec<u64> = (1..5).map(|attempt| rule.wait(attempt).as_secs()).collect();
        assert_eq!(waits, [10, 20, 30, 30]);
    }

    #[test]
    fn the_last_attempt_is_followed_by_none() {
        let rule = RetryRule::new(&retry());
        assert!(rule.goes_on(3, TaskState::Failed, &Cause::ExitCode(1)));
        assert!(!rule.goes_on(4, TaskState::Failed, &Cause::ExitCode(1)));
    }

    #[test]
    fn only_the_ends_that_are_named_are_tried_again() {
        let rule = RetryRule::new(&retry());
        let lost = Cause::Lost("gone".to_owned());
        assert!(rule.goes_on(1, TaskState::Lost, &lost));
        let others = [TaskState::Errored, TaskState::TimedOut, TaskState::Cancelled, TaskState::Succeeded];
        assert!(others.into_iter().all(|state| !rule.goes_on(1, state, &lost)));
    }

    #[test]
    fn exit_codes_narrow_failed_and_nothing_else() {
        let rule = RetryRule::new(&Retry { exit_codes: vec![75], ..retry() });
        assert!(rule.goes_on(1, TaskState::Failed, &Cause::ExitCode(75)));
        for other in [Cause::ExitCode(1), Cause::Signal(9), Cause::OutOfMemory] {
            assert!(!rule.goes_on(1, TaskState::Failed, &other), "{other:?}");
        }
        assert!(rule.goes_on(1, TaskState::Lost, &Cause::Lost(String::new())));
    }

    proptest! {
        #[test]
        fn no_wait_is_shorter_than_the_one_before_or_longer_than_the_longest(
            backoff in 0_u64..10_000, factor in 1.0_f64..100.0, longest in 0_u64..100_000, attempt in 1_u32..1_000,
        ) {
            let (backoff, max_backoff) = (Span::from_secs(backoff), Span::from_secs(longest));
            let rule = RetryRule::new(&Retry { backoff, factor, max_backoff, ..retry() });
            prop_assert!(rule.wait(attempt) <= rule.wait(attempt + 1));
            prop_assert!(rule.wait(attempt) <= max_backoff.get());
        }
    }
}
