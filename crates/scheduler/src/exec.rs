//! Entering running tasks: an ability that not every scheduler has.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Sink;
use futures_util::stream::BoxStream;
use gofer_backend::{BackendError, Result};
use gofer_types::AttemptId;

use crate::StreamKind;

/// Runs further programs inside running tasks.
#[async_trait]
pub trait Exec: Debug + Send + Sync {
    /// Starts a program inside a running task. Not idempotent: each call starts one.
    ///
    /// Dropping the future leaves open whether it was started; dropping the session closes the input and leaves the program
    /// to itself. It ends with its task at the latest.
    /// Errors: `NotFound` if the backend knows no such id; `Conflict` if the task does not run; `InvalidInput` for an empty
    /// command or what cannot be passed on; a program that is not there ends with code 126 or 127, as in a shell.
    async fn exec(&self, id: &AttemptId, request: ExecRequest) -> Result<ExecSession>;
}

/// What is to be run inside a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecRequest {
    /// The argument vector; no shell is involved.
    pub command: Vec<String>,
    /// Added to the environment of the task.
    pub env: BTreeMap<String, String>,
    /// The directory that it starts in; `None` is the task's.
    pub workdir: Option<String>,
    /// The user that it runs as; `None` is the task's.
    pub user: Option<String>,
    /// Whether it gets an input. Without it, what is sent is refused.
    pub stdin: bool,
    /// A terminal of this size instead of separate streams: everything arrives as standard output.
    pub terminal: Option<TerminalSize>,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// A program that runs inside a task.
pub struct ExecSession {
    /// What it is sent. Closing the sink ends its input.
    pub input: Pin<Box<dyn Sink<ExecInput, Error = BackendError> + Send>>,
    /// What it says, and its exit code last; then the stream ends.
    pub output: BoxStream<'static, Result<ExecOutput>>,
}

impl Debug for ExecSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExecSession")
    }
}

/// What is sent to a program inside a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecInput {
    /// Bytes for its input.
    Data(Bytes),
    /// Its terminal has this size now.
    Resize(TerminalSize),
}

/// What a program inside a task says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecOutput {
    /// Output as it was written, at most 64 KiB at once.
    Data {
        /// To which stream.
        stream: StreamKind,
        /// The bytes.
        bytes: Bytes,
    },
    /// It ended with this code; 128 and more stand for signals, as in a shell.
    Exit(i32),
}
