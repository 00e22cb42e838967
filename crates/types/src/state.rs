//! The states of runs and task runs, and the conditions between tasks.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The state of a run: `queued`, then `running`, then one of the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Durable, and not started yet: a limit holds it back.
    Queued,
    /// At least one of its tasks was allowed to start.
    Running,
    /// Every task succeeded, was skipped, or was allowed to fail.
    Succeeded,
    /// A task failed or ran out of its time.
    Failed,
    /// A task errored or was lost: the cause lies outside the tasks.
    Errored,
    /// Somebody cancelled it.
    Cancelled,
    /// Its own deadline ended it.
    TimedOut,
}

impl RunState {
    /// All states, in the order of a run's life.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Errored,
        Self::Cancelled,
        Self::TimedOut,
    ];

    /// Whether nothing can follow.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// The word that people and JSON see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Errored => "errored",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
        }
    }
}

/// The state of a task run: `waiting`, `pending`, `running`, then one of the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// A parent has not ended yet.
    Waiting,
    /// It may start; the cause says what it still waits for.
    Pending,
    /// The scheduler said that it runs.
    Running,
    /// It ended with exit code 0.
    Succeeded,
    /// It ran and ended by itself with another code, by a signal, or out of memory.
    Failed,
    /// It never ran.
    Errored,
    /// It ran, and what became of it cannot be known.
    Lost,
    /// Somebody ended it.
    Cancelled,
    /// Our deadline ended it.
    TimedOut,
    /// Its condition can no longer hold.
    Skipped,
}

impl TaskState {
    /// All states, in the order of a task run's life.
    pub const ALL: [Self; 10] = [
        Self::Waiting,
        Self::Pending,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Errored,
        Self::Lost,
        Self::Cancelled,
        Self::TimedOut,
        Self::Skipped,
    ];

    /// Whether nothing can follow.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Waiting | Self::Pending | Self::Running)
    }

    /// The word that people and JSON see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Errored => "errored",
            Self::Lost => "lost",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Skipped => "skipped",
        }
    }
}

/// What a task asks of one of its parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The parent succeeded.
    Successful,
    /// The parent failed, errored, was lost or timed out.
    Failure,
    /// The parent ended in one of the states of `successful` or `failure`.
    Any,
    /// The parent ended, however.
    Always,
}

impl Condition {
    /// All conditions.
    pub const ALL: [Self; 4] = [Self::Successful, Self::Failure, Self::Any, Self::Always];

    /// Whether a parent that ended in `state` satisfies this condition. False for every state that is not an end.
    #[must_use]
    pub const fn holds(self, state: TaskState) -> bool {
        use TaskState::{Errored, Failed, Lost, Succeeded, TimedOut};
        match self {
            Self::Successful => matches!(state, Succeeded),
            Self::Failure => matches!(state, Failed | Errored | Lost | TimedOut),
            Self::Any => matches!(state, Succeeded | Failed | Errored | Lost | TimedOut),
            Self::Always => state.is_terminal(),
        }
    }

    /// The word that pipeline files use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Successful => "successful",
            Self::Failure => "failure",
            Self::Any => "any",
            Self::Always => "always",
        }
    }
}

/// A word that is not one of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not one of {known}")]
pub struct UnknownWord {
    /// The word as it was given.
    pub found: String,
    /// The known words, separated by commas.
    pub known: String,
}

macro_rules! words {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.into_iter().find(|word| word.as_str() == text).ok_or_else(|| UnknownWord {
                    found: text.to_owned(),
                    known: Self::ALL.map(Self::as_str).join(", "),
                })
            }
        }
    };
}

words!(RunState);
words!(TaskState);
words!(Condition);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for state in RunState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        for state in TaskState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        for condition in Condition::ALL {
            assert_eq!(condition.as_str().parse(), Ok(condition));
        }
    }

    #[test]
    fn no_condition_holds_before_the_end() {
        for condition in Condition::ALL {
            for state in TaskState::ALL.into_iter().filter(|state| !state.is_terminal()) {
                assert!(!condition.holds(state));
            }
        }
    }

    #[test]
    fn any_is_successful_or_failure() {
        for state in TaskState::ALL {
            let either = Condition::Successful.holds(state) || Condition::Failure.holds(state);
            assert_eq!(Condition::Any.holds(state), either, "{state}");
        }
    }

    #[test]
    fn only_always_accepts_skipped_and_cancelled() {
        for state in [TaskState::Skipped, TaskState::Cancelled] {
            assert_eq!(Condition::ALL.map(|c| c.holds(state)), [false, false, false, true]);
        }
    }
}
