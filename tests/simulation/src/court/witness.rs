//! What really happened at the scheduler, by the backend's own account.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_scheduler::{StreamKind, TaskExit};
use gofer_types::{AttemptId, Cause};

/// One task at the scheduler.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When it began.
    pub began: Duration,
    /// When it ended.
    pub ended: Option<Duration>,
    /// How, if the backend knows.
    pub exit: Option<TaskExit>,
    /// Whether the server asked it to end, and when first.
    pub asked_to_stop: Option<Duration>,
    /// What it printed, by stream.
    pub printed: BTreeMap<&'static str, Vec<u8>>,
    /// Whether it was forgotten, and began again.
    pub again: bool,
    /// How many bytes the backend says that it lost, and whether it lost an unknown number.
    pub lost: (u64, bool),
}

impl Seen {
    /// Whether the backend does not know how it ended.
    pub fn is_forgotten(&self) -> bool {
        let known = self.exit.as_ref().is_some_and(|exit| !matches!(exit.cause, Cause::Lost(_)));
        self.ended.is_some() && !known
    }
}

/// Everything that was seen.
#[derive(Debug, Default)]
pub struct Witness {
    /// The tasks.
    pub tasks: BTreeMap<AttemptId, Seen>,
}

/// The name of a stream.
pub fn stream_name(stream: StreamKind) -> &'static str {
    match stream {
        StreamKind::Out => "out",
        StreamKind::Err => "err",
    }
}

impl Witness {
    /// A task has begun.
    pub fn began(&mut self, id: &AttemptId, now: Duration) {
        // of one that was forgotten and begins again, what it printed first may be stored
        let before = self.tasks.remove(id);
        let again = before.is_some();
        let (printed, lost) = before.map(|before| (before.printed, before.lost)).unwrap_or_default();
        let seen = Seen { began: now, ended: None, exit: None, asked_to_stop: None, printed, again, lost };
        self.tasks.insert(id.clone(), seen);
    }

    /// A task has ended.
    pub fn ended(&mut self, id: &AttemptId, now: Duration, exit: Option<TaskExit>) {
        if let Some(seen) = self.tasks.get_mut(id) {
            seen.ended = Some(now);
            seen.exit = exit;
        }
    }

    /// Whether a task runs.
    pub fn is_alive(&self, id: &AttemptId) -> bool {
        self.tasks.get(id).is_some_and(|seen| seen.ended.is_none())
    }
}
