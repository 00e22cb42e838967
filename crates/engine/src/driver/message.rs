//! What reaches the driver of a run: facts from its attempts, and wishes of callers.

use gofer_scheduler::TaskExit;
use gofer_types::RunRecord;
use gofer_types::record::CancelRequest;
use tokio::sync::oneshot;

use crate::api::ImageNews;

/// One message.
#[derive(Debug)]
pub(crate) enum Message {
    /// The scheduler said that the attempt runs.
    Started {
        /// The task.
        task: u32,
        /// The number of the attempt.
        attempt: u32,
        /// What the scheduler calls it.
        handle: String,
        /// The digest of the image that it runs, where that is known.
        image: Option<String>,
    },
    /// The image of the attempt is being fetched, or was.
    Image {
        /// The task.
        task: u32,
        /// The number of the attempt.
        attempt: u32,
        /// What is told of it.
        news: ImageNews,
    },
    /// It is certain that the attempt cannot be started.
    Refused {
        /// The task.
        task: u32,
        /// The number of the attempt.
        attempt: u32,
        /// Why.
        reason: String,
        /// Told once this is durable.
        recorded: oneshot::Sender<()>,
    },
    /// The attempt ended.
    Ended {
        /// The task.
        task: u32,
        /// The number of the attempt.
        attempt: u32,
        /// How.
        exit: TaskExit,
        /// Told once the end is recorded: until then the scheduler must keep it.
        recorded: oneshot::Sender<()>,
    },
    /// The attempt was to be stopped, and it never ran.
    NeverRan {
        /// The task.
        task: u32,
        /// The number of the attempt.
        attempt: u32,
    },
    /// The output of the attempt is stored and its thing is gone.
    PutAway {
        /// The task.
        task: u32,
    },
    /// Somebody wishes that the run ends.
    Cancel {
        /// Who and why.
        request: CancelRequest,
        /// Where the answer goes: the run, and whether it had ended already.
        reply: oneshot::Sender<(RunRecord, bool)>,
    },
}
