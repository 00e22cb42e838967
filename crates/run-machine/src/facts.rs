//! What goes into the machine and what comes out: the whole vocabulary between core and driver.

use std::sync::Arc;
use std::time::Duration;

use gofer_types::record::CancelRequest;
use gofer_types::{Cause, RunState, TaskState};

use crate::plan::Plan;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Fact {
    /// A limit holds the run back; the text names it.
    Held(String),
    /// The run may run.
    Admitted,
    /// The task got a slot.
    Slot(u32),
    /// There is no slot for the task now; the text names the limit.
    NoSlot(u32, String),
    /// It is certain that the task cannot be started: before an attempt (number 0) or as the answer to one.
    Refused(u32, u32, String),
    /// The attempt waits for this before it can run.
    Waits(u32, u32, Cause),
    /// The scheduler said that the attempt runs.
    Started(u32, u32),
    /// The attempt ended.
    Ended(u32, u32, Cause),
    /// The attempt ended by itself, and before its time limit could end it: nobody saw it in time.
    EndedInTime(u32, u32, Cause),
    /// The attempt read the values of a late matrix: with the tasks that it becomes, the graph is this one.
    FannedOut(u32, u32, Arc<Plan>),
    /// The attempt was to be stopped, and it is certain that it never ran.
    NeverRan(u32, u32),
    /// Nothing is left of the attempt at its scheduler, and its output is stored: another one cannot meet it.
    PutAway(u32, u32),
    /// The wait behind the attempt is over.
    Rested(u32, u32),
    /// The time limit of the attempt passed.
    Overdue(u32, u32, Duration),
    /// The time limit of the run passed.
    RunOverdue(Duration),
    /// Somebody wishes that the run ends.
    Cancel(CancelRequest),
}

/// Something that is to be recorded, or done once it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The run is in this state now.
    Run(RunState, Cause),
    /// The wish is recorded.
    Cancel(CancelRequest),
    /// The task is in this state now.
    Task {
        /// Which.
        task: u32,
        /// The state.
        state: TaskState,
        /// Why.
        cause: Cause,
        /// The exit code, if one was observed.
        exit_code: Option<i32>,
    },
    /// The task asks for a slot.
    Want(u32),
    /// The task does not ask for a slot any more.
    Unwant(u32),
    /// The task gives its slot back.
    Free(u32),
    /// The attempt is to be started.
    Start(u32, u32),
    /// The attempt is to be stopped, or killed at once.
    Stop(u32, u32, bool),
    /// Another attempt follows this one, after this wait and once it is put away.
    Rest(u32, u32, Duration),
}
