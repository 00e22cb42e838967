//! What reaches the driver of a run: what is reported of its attempts, and wishes of callers.

use gofer_attempt::Report;
use gofer_types::record::CancelRequest;
use gofer_types::{Answer, RunRecord, TaskRunRecord};
use tokio::sync::oneshot;

/// One message.
#[derive(Debug)]
pub enum Message {
    /// Something happened to an attempt.
    Report(Box<Report>),
    /// Somebody answers an approval.
    Answer {
        /// The task.
        task: u32,
        /// Whether the run goes on.
        approved: bool,
        /// Who answers, and what.
        answer: Box<Answer>,
        /// Where the answer goes: the task run, or nothing if it waits for no answer.
        reply: oneshot::Sender<Option<TaskRunRecord>>,
    },
    /// Somebody wishes that the run ends.
    Cancel {
        /// Who and why.
        request: Box<CancelRequest>,
        /// Where the answer goes: the run, and whether it had ended already.
        reply: oneshot::Sender<(RunRecord, bool)>,
    },
}
