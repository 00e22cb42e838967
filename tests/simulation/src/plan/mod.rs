//! What happens in one history, as data: who asks for what and when, and what fails.
//!
//! A seed decides a plan, and a plan decides a history. Plans are kept as files, too: a history that once showed a defect stays
//! the same when the generator changes. Faults of single calls are no steps: they are drawn by the name of the call, so that
//! a plan that is shortened keeps the others.

mod generate;
mod graphs;
mod text;

use serde::{Deserialize, Serialize};

/// One history before it happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What decides the faults of single calls, and every order that is left to chance.
    pub seed: u64,
    /// How the server is set up and how unreliable everything around it is.
    pub setting: Setting,
    /// The pipelines.
    pub pipelines: Vec<PipelinePlan>,
    /// What happens, in order of time.
    pub steps: Vec<Step>,
}

/// How the server is set up and how unreliable everything around it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// How many runs may run at once, on the server and in each namespace.
    pub running_runs: (u32, u32),
    /// How many tasks may run at once on the server.
    pub running_tasks: u32,
    /// How many runs may start in a minute; 0 for no limit.
    pub starts_per_minute: u32,
    /// How large the log of one task may become.
    pub log_bytes: u64,
    /// How many of the newest runs of each pipeline keep their output, and how many are kept at all; 0 for all.
    pub keep: (u32, u32),
    /// How often calls of the scheduler go wrong, in a thousand.
    pub scheduler: SchedulerFaults,
    /// How often calls of the storage go wrong, in a thousand.
    pub storage: StorageFaults,
}

/// How often calls of the scheduler go wrong, in a thousand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SchedulerFaults {
    /// Any call takes up to some seconds.
    pub slow: u32,
    /// A start fails without effect.
    pub start_refused: u32,
    /// A start takes effect and its answer is lost.
    pub start_ambiguous: u32,
    /// A start hangs for minutes, before or behind its effect.
    pub start_hangs: u32,
    /// Waiting for an end fails.
    pub wait_fails: u32,
    /// An end is told late.
    pub exit_late: u32,
    /// The stream of output breaks.
    pub logs_break: u32,
    /// A stop fails, before or behind its effect.
    pub stop_fails: u32,
    /// Another call fails.
    pub other_fails: u32,
}

/// How often calls of the storage go wrong, in a thousand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StorageFaults {
    /// A commit takes up to some seconds.
    pub slow: u32,
    /// A commit finds the disk full.
    pub full: u32,
    /// A read fails.
    pub read_fails: u32,
}

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelinePlan {
    /// Its id.
    pub id: String,
    /// Its namespace.
    pub namespace: String,
    /// How many runs of it may run at once; 0 for no limit.
    pub parallelism: u32,
    /// What becomes of a run that finds it busy: `wait`, `replace` or `refuse`.
    pub queue: String,
    /// The time limit of a run, in seconds; 0 for that of the server.
    pub timeout: u32,
    /// Its tasks.
    pub tasks: Vec<TaskPlan>,
}

/// A task of a pipeline.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskPlan {
    /// Its id.
    pub id: String,
    /// What it does.
    pub does: Does,
    /// The ids of its parents, each with its condition.
    pub parents: Vec<(String, String)>,
    /// Its time limit in seconds; 0 for the default one.
    pub timeout: u32,
    /// How it is tried again.
    pub retry: Option<RetryPlan>,
    /// Whether its failure does not fail the run.
    pub allow_failure: bool,
    /// Whether it also runs when the run was cancelled.
    pub cleanup: bool,
    /// The values of its matrix; none for no matrix.
    pub matrix: Vec<String>,
}

/// What a task does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Does {
    /// It performs this script of the fake scheduler.
    Script(String),
    /// It waits for somebody's answer, so many seconds at most.
    Ask(u32),
    /// It is a run of another pipeline: its namespace and id.
    Run(String, String),
}

impl Default for Does {
    fn default() -> Self {
        Self::Script(String::new())
    }
}

/// How a task is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetryPlan {
    /// How many attempts there may be.
    pub attempts: u32,
    /// The first wait, in milliseconds; each later one is twice as long.
    pub backoff: u32,
    /// The ends that are tried again; none for the default.
    pub on: Vec<String>,
}

/// Something that happens at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When, in milliseconds from the beginning.
    pub at: u64,
    /// What.
    pub act: Act,
}

/// What happens. Runs are meant by their place among those that were acknowledged, pipelines by theirs in the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Act {
    /// A run is asked for; with the same key, by several.
    Start {
        /// Of which pipeline.
        pipeline: usize,
        /// The number of the idempotency key; 0 for one of its own.
        key: u32,
        /// How urgent.
        priority: i32,
    },
    /// A run is to end.
    Cancel {
        /// Which.
        run: usize,
        /// Whether at once.
        force: bool,
    },
    /// A run is repeated.
    Retry {
        /// Which.
        run: usize,
        /// Only what failed.
        from_failed: bool,
    },
    /// A pipeline is registered with another parallelism.
    Change {
        /// Which.
        pipeline: usize,
        /// The parallelism.
        parallelism: u32,
    },
    /// A pipeline may start new runs, or not.
    Enable {
        /// Which.
        pipeline: usize,
        /// Whether it may.
        enabled: bool,
    },
    /// Whatever the run asks is answered.
    Answer {
        /// Which.
        run: usize,
        /// How.
        approve: bool,
    },
    /// A run is asked about: its state, why, and the lists that it stands in.
    Look {
        /// Which.
        run: usize,
    },
    /// The output of a run is read, to its end if it is followed.
    Read {
        /// Which.
        run: usize,
        /// Whether it is followed.
        follow: bool,
    },
    /// A run is watched to its end.
    Watch {
        /// Which.
        run: usize,
    },
    /// The events are followed.
    Follow,
    /// The output of a run is deleted.
    DeleteLogs {
        /// Which.
        run: usize,
    },
    /// An object of a pipeline is put.
    Put {
        /// Of which pipeline.
        pipeline: usize,
        /// Under which key.
        key: u32,
    },
    /// An object of a pipeline is read.
    Get {
        /// Of which pipeline.
        pipeline: usize,
        /// Under which key.
        key: u32,
    },
    /// Everybody who waits for an answer goes away.
    Leave,
    /// The process is killed, and another one is started a while later.
    Crash {
        /// Whether the machine loses its power, too: what was not synced is lost in part.
        power: bool,
        /// For how long nothing runs, in milliseconds.
        down: u64,
        /// At which of its commits the next process dies, too; 0 for none: the recovery is cut off.
        again: u32,
    },
    /// The process is killed at a commit from now: before it, or between it and its answer.
    CrashAtCommit {
        /// At which, from 1.
        nth: u32,
        /// Whether the commit is on disk.
        behind: bool,
    },
    /// The server is asked to end, and started again.
    Restart {
        /// For how long nothing runs, in milliseconds.
        down: u64,
    },
    /// Another server takes the state over while this one does not know it.
    TakeOver,
    /// The next sync fails.
    SyncFails,
    /// The disk of the state takes nothing for so many milliseconds.
    StorageFull(u64),
    /// The disk of the logs takes nothing for so many milliseconds.
    LogsFull(u64),
    /// The scheduler answers nothing for so many milliseconds.
    Away(u64),
    /// The scheduler starts anew, and keeps none of the tasks that ran.
    SchedulerLosesAll,
    /// The wall clock jumps by so many seconds.
    WallJumps(i64),
    /// The process stands still for so many milliseconds.
    Pause(u64),
    /// The record of a run is damaged while no server runs; the next start finds it so.
    Damage {
        /// Which.
        run: usize,
    },
}

/// How long faults happen, in milliseconds. Behind it, everything is well.
pub const CHAOS: u64 = 90_000;
