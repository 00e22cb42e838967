//! What can go wrong with a log.

use std::io;
use std::path::{Path, PathBuf};

use gofer_types::{TaskId, TaskRef};

/// Why the log store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The operating system refused. Nothing of what was asked is stored, unless said otherwise by the call.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// What is stored is not what was written, and not at the end of an open log where a crash explains it.
    #[error("{} is damaged at byte {offset}: {problem}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What was found.
        problem: &'static str,
    },
    /// A file of a format that this version does not know.
    #[error("{} has log format {found}; this version reads {known}", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u16,
        /// The newest format that is known.
        known: u16,
    },
    /// The log is complete; nothing can follow.
    #[error("the log of {task} is sealed")]
    Sealed {
        /// Which task run.
        task: TaskRef,
    },
    /// Another writer of this log lives.
    #[error("the log of {task} already has a writer")]
    Busy {
        /// Which task run.
        task: TaskRef,
    },
    /// The log was deleted under a reader or a writer.
    #[error("the log of {task} has been deleted")]
    Deleted {
        /// Which task run.
        task: TaskRef,
    },
    /// As many followers as the options allow are there already.
    #[error("there are already {limit} followers")]
    TooManyFollowers {
        /// The limit.
        limit: usize,
    },
    /// A piece, a cursor or a batch is larger than the store takes.
    #[error("{what} of {bytes} bytes is larger than {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// One of several logs that are read together failed; the others go on.
    #[error("cannot read the log of task {task}")]
    Source {
        /// The task.
        task: TaskId,
        /// Why.
        source: Box<LogError>,
    },
    /// The runtime is going down, or an internal fault ended the work. What became of it is unknown.
    #[error("the log store was stopped")]
    Stopped,
}

impl LogError {
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, path: path.to_owned(), source }
    }

    pub(crate) fn corrupt(path: &Path, offset: u64, problem: &'static str) -> Self {
        Self::Corrupt { path: path.to_owned(), offset, problem }
    }

    /// Whether there was no room: trying again later may help.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        let kind = match self {
            Self::Io { source, .. } => source.kind(),
            _ => return false,
        };
        matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}
