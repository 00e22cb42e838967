//! The one place that writes: takes what waits, commits it as one batch, and answers.
//!
//! While a batch is on its way to the disk the next one gathers, so that many runs share one sync and a lone one waits
//! for nobody. What nobody waits for goes along with the next batch that must be written. Event numbers are given here, in the
//! order of commits, without a hole. After an outcome that is not known nothing is acknowledged any more.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gofer_backend::{BackendError, Clock, ErrorKind};
use gofer_records::{Group, Ownership, RecordError};
use gofer_storage::Storage;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::committer::{Haste, Refusal, Submission};
use crate::event_log::EventLog;
use crate::fate::Fate;

/// How many transactions may wait to be taken.
pub(crate) const QUEUE: usize = 1024;

/// About how many bytes one batch may have; one transaction may have more.
const BATCH: usize = 4 << 20;

/// How long a transaction that nobody waits for may wait for company.
const COMPANY: Duration = Duration::from_millis(100);

/// The one writer.
pub struct Writer {
    pub(crate) queue: mpsc::Receiver<Submission>,
    pub(crate) owner: Ownership,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: Arc<EventLog>,
    pub(crate) fate: Arc<Fate>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Writer {
    /// Writes until `close` says that nothing more is taken and what was taken is written.
    pub async fn run(mut self, close: CancellationToken) {
        let mut taken = Vec::with_capacity(QUEUE);
        let mut alone_at = None;
        loop {
            let room = QUEUE - taken.len();
            tokio::select! {
                biased;
                count = self.queue.recv_many(&mut taken, room) => if count == 0 && taken.is_empty() { return },
                () = close.cancelled(), if !self.queue.is_closed() => self.queue.close(),
                () = wait(&self.clock, alone_at), if alone_at.is_some() => {}
            }
            let now = self.clock.monotonic();
            let in_haste = |submission: &Submission| submission.haste == Haste::Now;
            let until = *alone_at.get_or_insert(now.saturating_add(COMPANY));
            let patient = now < until && taken.len() < QUEUE && !self.queue.is_closed();
            if patient && !taken.iter().any(in_haste) {
                alone_at = alone_at.filter(|_| !taken.is_empty());
                continue;
            }
            alone_at = None;
            let mut rest = std::mem::take(&mut taken).into_iter().peekable();
            while rest.peek().is_some() {
                self.write_group(&mut rest).await;
            }
        }
    }

    async fn write_group(&mut self, rest: &mut std::iter::Peekable<impl Iterator<Item = Submission>>) {
        let mut group = Group::new(self.owner);
        let mut members: Vec<(Submission, u64)> = Vec::new();
        while let Some(next) =
            rest.next_if(|next| members.is_empty() || group.size() + next.tx.size() <= BATCH)
        {
            match group.add(&next.tx) {
                Ok(seq) => members.push((next, seq)),
                Err(error) => refuse(next, never(&error)),
            }
        }
        match self.write(group).await {
            Ok(()) => members.into_iter().for_each(|(member, seq)| drop(member.done.send(Ok(seq)))),
            // one of them may be at fault: each stands or falls alone
            Err(Refusal::Never(_)) if members.len() > 1 => {
                for (member, _) in members {
                    self.write_alone(member).await;
                }
            }
            Err(refusal) => members.into_iter().for_each(|(member, _)| refuse(member, again(&refusal))),
        }
    }

    async fn write_alone(&mut self, member: Submission) {
        let mut group = Group::new(self.owner);
        let answer = match group.add(&member.tx) {
            Ok(seq) => self.write(group).await.map(|()| seq),
            Err(error) => Err(never(&error)),
        };
        drop(member.done.send(answer));
    }

    async fn write(&mut self, group: Group) -> Result<(), Refusal> {
        if self.fate.has_failed() {
            return Err(Refusal::Stopped);
        }
        let next_seq = group.next_seq();
        let (batch, events) = group.into_batch();
        match self.storage.commit(batch).await {
            Ok(_) => {
                self.owner.next_seq = next_seq;
                self.log.publish(events);
                Ok(())
            }
            Err(error) => Err(self.understand(error)),
        }
    }

    fn understand(&self, error: BackendError) -> Refusal {
        match error.kind() {
            ErrorKind::Exhausted => Refusal::Full(error),
            ErrorKind::InvalidInput => Refusal::Never(error),
            ErrorKind::Conflict => {
                self.fate.fail("another server has taken the state over".to_owned());
                Refusal::Stopped
            }
            _ => {
                self.fate.fail(format!("the storage failed: {}", error.chain()));
                Refusal::Stopped
            }
        }
    }
}

async fn wait(clock: &Arc<dyn Clock>, until: Option<Duration>) {
    match until {
        Some(until) => clock.sleep_until(until).await,
        None => std::future::pending().await,
    }
}

fn refuse(submission: Submission, refusal: Refusal) {
    drop(submission.done.send(Err(refusal)));
}

fn never(error: &RecordError) -> Refusal {
    Refusal::Never(BackendError::new(ErrorKind::InvalidInput, error.chain()))
}

/// The same refusal for another member of the group.
fn again(refusal: &Refusal) -> Refusal {
    let copy = |error: &BackendError| {
        BackendError::new(error.kind(), error.message().to_owned())
            .at(error.backend(), error.operation())
            .retry(error.advice())
    };
    match refusal {
        Refusal::Full(error) => Refusal::Full(copy(error)),
        Refusal::Never(error) => Refusal::Never(copy(error)),
        Refusal::Stopped => Refusal::Stopped,
    }
}
