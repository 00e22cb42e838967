//! What goes into the queue and what it answers.

use gofer_types::pipeline::QueuePolicy;
use gofer_types::{Namespace, RunRef};

use crate::hold::Limit;
use crate::limits::ValueError;

/// How urgent a run is, from -10 to 10; 0 is the usual one and a greater one goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Priority(i8);

impl Priority {
    /// A priority from -10 to 10; anything else is an error.
    pub fn new(priority: i8) -> Result<Self, ValueError> {
        if (-10..=10).contains(&priority) {
            Ok(Self(priority))
        } else {
            Err(ValueError::Priority { found: priority })
        }
    }

    /// The priority as a number.
    #[must_use]
    pub fn get(self) -> i8 {
        self.0
    }
}

/// A run, as far as the queue needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Which run.
    pub run: RunRef,
    /// How many runs of its pipeline may run at once for this one to start; 0 means no limit of the pipeline's own.
    pub parallelism: u32,
    /// What becomes of it if the parallelism is used up.
    pub policy: QueuePolicy,
    /// How urgent it is.
    pub priority: Priority,
    /// When it was asked for, in microseconds of wall time. A time that lies before that of an earlier arrival is taken
    /// for that.
    pub at: u64,
    /// Whether it is a part of a run that runs: it waits for its pipeline alone, since whoever waits for its end holds a place
    /// of the namespace and of the server already.
    pub within: bool,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It waits.
    Queued,
    /// It runs.
    Running,
    /// It has ended, and something of it is still to be put away.
    Ended,
}

/// What became of a run that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Whether it runs. Nobody else is told of it.
    pub admitted: bool,
    /// What holds it back. `None` for one that runs, and for one that only waits for the next [`crate::Queue::admit`].
    pub held: Option<Limit>,
    /// The older runs that it replaces, oldest first. The caller ends them at once; nobody is named twice.
    pub replaces: Vec<RunRef>,
}

/// Why a run was not taken in. It leaves no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The pipeline's parallelism is used up, and the run is not to wait for it.
    #[error("the pipeline's parallelism of {parallelism} is used up")]
    PipelineBusy {
        /// The parallelism.
        parallelism: u32,
        /// The oldest of the runs that run or wait, ten at most.
        runs: Vec<RunRef>,
    },
    /// It would have to wait, and as many wait as may.
    #[error("the server's limit of {limit} queued runs is reached")]
    ServerFull {
        /// How many may wait.
        limit: usize,
    },
    /// It would have to wait, and as many wait in its namespace as may.
    #[error("the limit of {limit} queued runs of namespace `{namespace}` is reached")]
    NamespaceFull {
        /// The namespace.
        namespace: Namespace,
        /// How many may wait there.
        limit: usize,
    },
}

/// Who asks for a slot: a task of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotId {
    /// The run.
    pub run: RunRef,
    /// The number of the task.
    pub task: u32,
}

/// The answer to who asks for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Here is one.
    Granted,
    /// The one that is given back anyway: it changes hands and is not to be released.
    Spare,
    /// Not now. The task is in the line. `None` means that it only waits for the next [`crate::Queue::grant`].
    Wait(Option<Limit>),
}
