//! Why something waits, for people and for programs.

use std::fmt;

use gofer_types::Span;

use crate::rate::Rate;

/// What holds a run or a task back. Its text completes the sentence "it waits for ...".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// As many runs of the pipeline run, or stand in front, as the run's own parallelism allows.
    Pipeline {
        /// The parallelism.
        parallelism: u32,
    },
    /// The run itself might start; an earlier run of its pipeline may not, and is not overtaken.
    Predecessors,
    /// The run is being replaced by a newer one: it does not start any more.
    Replaced,
    /// As many runs of the namespace run as may.
    Namespace {
        /// How many.
        runs: usize,
    },
    /// As many runs run as may.
    Server {
        /// How many.
        runs: usize,
    },
    /// As many runs have started lately as may.
    Rate(Rate),
    /// As many tasks of the namespace run as may.
    NamespaceTasks {
        /// How many.
        tasks: usize,
    },
    /// As many tasks run as may.
    ServerTasks {
        /// How many.
        tasks: usize,
    },
}

impl Limit {
    /// The number that is reached; `None` where it is not a number that holds back.
    #[must_use]
    pub fn value(self) -> Option<u64> {
        match self {
            Self::Pipeline { parallelism } => Some(u64::from(parallelism)),
            Self::Predecessors | Self::Replaced => None,
            Self::Namespace { runs: limit }
            | Self::Server { runs: limit }
            | Self::NamespaceTasks { tasks: limit }
            | Self::ServerTasks { tasks: limit } => u64::try_from(limit).ok(),
            Self::Rate(rate) => Some(u64::from(rate.starts())),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pipeline { parallelism } => write!(f, "the pipeline's parallelism of {parallelism}"),
            Self::Predecessors => f.write_str("earlier runs of the pipeline"),
            Self::Replaced => f.write_str("its end: a newer run of the pipeline replaces it"),
            Self::Namespace { runs } => write!(f, "the namespace's limit of {runs} running runs"),
            Self::Server { runs } => write!(f, "the server's limit of {runs} running runs"),
            Self::Rate(rate) => {
                write!(f, "the server's rate of {} starts per {}", rate.starts(), Span::from(rate.per()))
            }
            Self::NamespaceTasks { tasks } => write!(f, "the namespace's limit of {tasks} running tasks"),
            Self::ServerTasks { tasks } => write!(f, "the server's limit of {tasks} running tasks"),
        }
    }
}

/// What something waits for, and its place in that line. Its text is that of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// What holds it back.
    pub limit: Limit,
    /// Its place in the line, from 1. In the line of the server it is how many starts there are up to its own, should
    /// nothing else arrive or end its wait.
    pub place: usize,
    /// How many stand in that line.
    pub of: usize,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.limit.fmt(f)
    }
}
