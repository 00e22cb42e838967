//! What a backend supplies to be tested.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gofer_types::ByteSize;

use super::shell::Places;
use crate::{Scheduler, StreamKind, TaskSpec};

/// One thing that a task of the suite does. A task does its steps in order and then ends with code 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Writes these bytes, whatever they are, in one write if it can.
    Print(StreamKind, Vec<u8>),
    /// Writes the numbers from 1 to this one, each on a line of its own.
    Count(StreamKind, u32),
    /// Writes that many times `x`, and then a line end.
    LongLine(StreamKind, usize),
    /// Ends with this code.
    Exit(i32),
    /// Ends itself by this signal.
    Kill(i32),
    /// Lingers until [`Harness::open_gate`] is called with this name.
    Gate(String),
    /// Lingers until it is ended from outside.
    Forever,
    /// Takes no notice of a polite request to end, from here on.
    IgnoreTerm,
    /// Ends with this code when it is politely asked to end, from here on.
    ExitOnTerm(i32),
    /// Uses that much memory at once, really.
    UseMemory(ByteSize),
    /// Leaves a descendant behind that has detached itself, ignores polite requests and lingers for ever. Its life is seen
    /// by [`Harness::is_alive`] with this name, already when the step is done.
    Leave(String),
    /// Leaves a mark that [`Harness::witnesses`] counts under this name.
    Witness(String),
    /// Writes what stands at this path of its work directory, on a line: `file`, `program`, `directory` or `nothing`; then
    /// what the file holds.
    ShowFile(String),
    /// Leaves a file in its work directory, and the directories on the way. The content is letters, digits and signs but `,`.
    LeaveFile {
        /// Where, below the work directory.
        path: String,
        /// What it holds.
        content: Vec<u8>,
        /// Whether it may be run.
        executable: bool,
    },
    /// Leaves a symbolic link in its work directory, and the directories on the way.
    LeaveLink {
        /// Where, below the work directory.
        path: String,
        /// What it points to.
        target: String,
    },
    /// Writes its environment to standard output, one `NAME=value` on a line. Always the only step.
    PrintEnv,
    /// Writes each of these arguments, which the task got as arguments, as `[argument]` on a line of its own. Always the
    /// only step; the first word of the command is the program.
    PrintArgs(Vec<String>),
}

/// How to reach one backend, and how to tell it what a task shall do.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// Connects as a freshly started server would. Calling it again, after dropping the former, is a restart.
    async fn connect(&self) -> Arc<dyn Scheduler>;

    /// Connects to the same backend as the server of another installation would: with an owner's mark that no other call
    /// of this or of [`Harness::connect`] uses.
    async fn connect_stranger(&self) -> Arc<dyn Scheduler>;

    /// A task that does these steps. The suite sets digest, limits and environment itself, on top of what is given here.
    fn task(&self, steps: &[Step]) -> TaskSpec;

    /// A task whose program is not there.
    fn missing_program(&self) -> TaskSpec;

    /// Lets every task that lingers at this gate go on, now and later.
    async fn open_gate(&self, name: &str);

    /// How often a task has left this mark.
    async fn witnesses(&self, name: &str) -> usize;

    /// Whether the descendant that was left under this name is alive.
    async fn is_alive(&self, name: &str) -> bool;

    /// A task whose image is not there and cannot be fetched: its registry answers that there is none.
    fn missing_image(&self) -> TaskSpec {
        TaskSpec { image: "there-is-no-such-image:never".to_owned(), ..self.task(&[]) }
    }

    /// A program that does these steps inside a task. Used are: printing, the environment, an end with a code, `Forever`.
    fn exec_command(&self, steps: &[Step]) -> Vec<String> {
        Places::new("/").command(steps)
    }

    /// A program that copies its input to its standard output until the input ends.
    fn cat_command(&self) -> Vec<String> {
        vec!["cat".to_owned()]
    }

    /// Names that the backend itself may add to the environment, besides `PATH`.
    fn extra_env(&self) -> &'static [&'static str] {
        &[]
    }

    /// How long an answer may take before the case fails.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }
}
