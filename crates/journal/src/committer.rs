//! How a transaction reaches the one writer, and what becomes of it.

use std::sync::Arc;

use gofer_backend::{BackendError, Clock};
use gofer_records::{Ownership, Tx};
use gofer_storage::Storage;
use tokio::sync::{mpsc, oneshot};

use crate::error::{JournalError, Result};
use crate::event_log::EventLog;
use crate::fate::Fate;
use crate::writer::{QUEUE, Writer};

/// How urgent a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// Somebody waits for it.
    Now,
    /// Nobody waits for it: it may go along with others, for a while.
    InCompany,
}

/// A transaction on its way.
pub(crate) struct Submission {
    pub(crate) tx: Arc<Tx>,
    pub(crate) haste: Haste,
    pub(crate) done: oneshot::Sender<Answer>,
}

pub(crate) type Answer = std::result::Result<u64, Refusal>;

/// Why a transaction was not written. In every case nothing of it is stored.
#[derive(Debug)]
pub enum Refusal {
    /// There is no room; later it may work.
    Full(BackendError),
    /// The storage does not take it, and never will.
    Never(BackendError),
    /// The engine has stopped.
    Stopped,
}

/// Hands transactions to the one writer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Committer {
    queue: mpsc::Sender<Submission>,
    fate: Arc<Fate>,
}

impl Committer {
    /// Makes a finished transaction durable, and answers the number of the newest event of its batch so far. Waits for room in
    /// the queue. Not idempotent: the events of a transaction are written as often as it is committed.
    pub async fn try_commit(&self, tx: &Arc<Tx>, haste: Haste) -> std::result::Result<u64, Refusal> {
        let (done, answer) = oneshot::channel();
        let submission = Submission { tx: Arc::clone(tx), haste, done };
        if self.queue.send(submission).await.is_err() {
            return Err(Refusal::Stopped);
        }
        answer.await.unwrap_or(Err(Refusal::Stopped))
    }

    /// The same at once, with one error for all that may go wrong.
    pub async fn commit(&self, tx: Tx) -> Result<u64> {
        let tx = Arc::new(tx.finished()?);
        self.try_commit(&tx, Haste::Now).await.map_err(|refusal| self.error(refusal))
    }

    /// What a caller is told of a refusal.
    #[must_use]
    pub fn error(&self, refusal: Refusal) -> JournalError {
        match refusal {
            Refusal::Full(error) | Refusal::Never(error) => JournalError::Refused(error),
            Refusal::Stopped => self.fate.error(),
        }
    }
}

/// The handle and the writer behind it, which writes nothing until it runs. `owner` is the right to write; what is written is
/// published in the log, and the clock tells how long a transaction may wait for company.
#[must_use]
pub fn committer(
    owner: Ownership,
    (storage, clock): (Arc<dyn Storage>, Arc<dyn Clock>),
    log: Arc<EventLog>,
    fate: &Arc<Fate>,
) -> (Committer, Writer) {
    let (sender, queue) = mpsc::channel(QUEUE);
    let writer = Writer { queue, owner, storage, clock, log, fate: Arc::clone(fate) };
    (Committer { queue: sender, fate: Arc::clone(fate) }, writer)
}
