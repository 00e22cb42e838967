//! Streams that go on after a loss of the connection, without a hole and without a repetition.
//!
//! A stream knows its place: the cursor of a log, the number of an event. When the connection breaks, the reader is
//! told, and the stream is opened again at that place, with growing pauses and for a limited time.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, stream};
use gofer_proto::v1;

use crate::calls::Answers;
use crate::client::Client;
use crate::error::{self, ClientError, ErrorKind};

/// The first and the longest pause between two tries to resume.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How often a stream is resumed without getting any further.
const IDLE_RESUMES: u32 = 10;

/// What a resuming stream tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Followed<T> {
    /// An answer of the server.
    Item(T),
    /// The connection was lost; it is being made again.
    Interrupted(ClientError),
    /// The connection is there again, and the stream goes on where it was.
    Resumed {
        /// How many tries it took.
        tries: u32,
    },
}

/// A resuming stream. It ends with what it is about, or after an error.
pub type Following<T> = BoxStream<'static, Result<Followed<T>, ClientError>>;

/// A request that knows where to go on.
pub(crate) trait Place: Clone + Send + 'static {
    type Answer: Send + 'static;

    /// Opens the stream at this place.
    fn open(self, client: Client) -> BoxFuture<'static, Result<Answers<Self::Answer>, ClientError>>;
}

/// Moves the place behind an answer, and drops from the answer what was told before.
pub(crate) type Advance<P, A> = Box<dyn FnMut(&mut P, &mut A) + Send>;

pub(crate) struct Follow<P: Place> {
    client: Client,
    place: P,
    advance: Advance<P, P::Answer>,
    phase: Phase<P::Answer>,
    idle_resumes: u32,
}

enum Phase<A> {
    Open(Answers<A>),
    Broken(ClientError),
    Over,
}

/// What is told next, and the rest.
type Told<A> = Result<Followed<A>, ClientError>;

impl<P: Place> Follow<P> {
    pub(crate) fn start(
        client: Client,
        place: P,
        answers: Answers<P::Answer>,
        advance: Advance<P, P::Answer>,
    ) -> Following<P::Answer> {
        let follow = Self { client, place, advance, phase: Phase::Open(answers), idle_resumes: 0 };
        stream::unfold(follow, |mut follow| async move {
            let told = follow.step().await?;
            Some((told, follow))
        })
        .boxed()
    }

    async fn step(&mut self) -> Option<Told<P::Answer>> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Open(answers) => self.read(answers).await,
            Phase::Broken(error) => Some(self.resume(error).await),
            Phase::Over => None,
        }
    }

    async fn read(&mut self, mut answers: Answers<P::Answer>) -> Option<Told<P::Answer>> {
        match answers.next().await? {
            Ok(mut answer) => {
                (self.advance)(&mut self.place, &mut answer);
                self.idle_resumes = 0;
                self.phase = Phase::Open(answers);
                Some(Ok(Followed::Item(answer)))
            }
            Err(error) if error.is_retryable() && self.idle_resumes < IDLE_RESUMES => {
                self.phase = Phase::Broken(error.clone());
                Some(Ok(Followed::Interrupted(error)))
            }
            Err(error) => Some(Err(error)),
        }
    }

    async fn resume(&mut self, broken: ClientError) -> Told<P::Answer> {
        let limit = self.client.options().resume_for;
        self.idle_resumes += 1;
        let reopening = reopen(self.client.clone(), self.place.clone(), broken.retry_after());
        let Ok(reopened) = tokio::time::timeout(limit, reopening).await else {
            let why = format!("it could not be made again within {limit:?}");
            return Err(error::lost(self.client.address(), &why));
        };
        let (answers, tries) = reopened?;
        self.phase = Phase::Open(answers);
        Ok(Followed::Resumed { tries })
    }
}

/// Opens a stream at its place, however often that takes, and says how often.
async fn reopen<P: Place>(
    client: Client,
    place: P,
    advice: Option<Duration>,
) -> Result<(Answers<P::Answer>, u32), ClientError> {
    let (first, longest) = PAUSES;
    let mut pause = advice.unwrap_or(first).min(longest);
    let mut tries = 0;
    loop {
        // sleeps: the back-off between tries; nothing tells of a server that is back
        tokio::time::sleep(pause).await;
        tries += 1;
        match place.clone().open(client.clone()).await {
            Ok(answers) => return Ok((answers, tries)),
            Err(error) if !error.is_retryable() && error.kind() != ErrorKind::Timeout => return Err(error),
            Err(_) => pause = (pause * 2).min(longest),
        }
    }
}

impl Place for v1::ReadLogsRequest {
    type Answer = v1::ReadLogsResponse;

    fn open(self, client: Client) -> BoxFuture<'static, Result<Answers<Self::Answer>, ClientError>> {
        async move { client.read_logs(self).await }.boxed()
    }
}

impl Place for v1::WatchRunRequest {
    type Answer = v1::WatchRunResponse;

    fn open(self, client: Client) -> BoxFuture<'static, Result<Answers<Self::Answer>, ClientError>> {
        async move { client.watch_run_once(self).await }.boxed()
    }
}

impl Place for v1::FollowEventsRequest {
    type Answer = v1::FollowEventsResponse;

    fn open(self, client: Client) -> BoxFuture<'static, Result<Answers<Self::Answer>, ClientError>> {
        async move { client.follow_events_once(self).await }.boxed()
    }
}

/// Which entries of a log were told already, by task.
#[derive(Debug, Default)]
struct AlreadyTold(HashMap<String, u64>);

impl AlreadyTold {
    /// Drops what was told before, and remembers the rest.
    fn only_new(&mut self, entries: &mut Vec<v1::LogEntry>) {
        entries.retain(|entry| match self.0.get_mut(&entry.task) {
            Some(last) if entry.seq <= *last => false,
            Some(last) => {
                *last = entry.seq;
                true
            }
            None => {
                self.0.insert(entry.task.clone(), entry.seq);
                true
            }
        });
    }
}

fn advance_logs() -> Advance<v1::ReadLogsRequest, v1::ReadLogsResponse> {
    let mut told = AlreadyTold::default();
    Box::new(move |place, answer| {
        told.only_new(&mut answer.entries);
        if !answer.entries.is_empty() || !answer.cursor.is_empty() {
            place.tail = None;
        }
        if !answer.cursor.is_empty() {
            place.cursor.clone_from(&answer.cursor);
        }
    })
}

impl Client {
    /// The output of a run's tasks, also over losses of the connection: no entry is missing and none comes twice.
    ///
    /// # Errors
    /// What the server refuses, or what stands between, when the stream is opened.
    pub async fn follow_logs(
        &self,
        mut request: v1::ReadLogsRequest,
    ) -> Result<Following<v1::ReadLogsResponse>, ClientError> {
        request.run = self.pinned(request.run).await?;
        let answers = self.read_logs(request.clone()).await?;
        Ok(Follow::start(self.clone(), request, answers, advance_logs()))
    }

    /// The changes of a run, also over losses of the connection. After each [`Followed::Resumed`] the next item holds
    /// everything again.
    ///
    /// # Errors
    /// What the server refuses, or what stands between, when the stream is opened.
    pub async fn watch_run(
        &self,
        mut request: v1::WatchRunRequest,
    ) -> Result<Following<v1::WatchRunResponse>, ClientError> {
        request.run = self.pinned(request.run).await?;
        let answers = self.watch_run_once(request.clone()).await?;
        Ok(Follow::start(self.clone(), request, answers, Box::new(|_, _| {})))
    }

    /// Events as they come, also over losses of the connection: none is missing and none comes twice.
    ///
    /// # Errors
    /// What the server refuses, or what stands between, when the stream is opened.
    pub async fn follow_events(
        &self,
        mut request: v1::FollowEventsRequest,
    ) -> Result<Following<v1::FollowEventsResponse>, ClientError> {
        if request.from_seq == 0 {
            // "from now on" must mean the same now after a loss
            request.from_seq = self.get_status(v1::GetStatusRequest { check: false }).await?.last_event + 1;
        }
        let answers = self.follow_events_once(request.clone()).await?;
        let advance = |place: &mut v1::FollowEventsRequest, answer: &mut v1::FollowEventsResponse| {
            answer.events.retain(|event| event.seq >= place.from_seq);
            place.from_seq = place.from_seq.max(answer.seq + 1);
        };
        Ok(Follow::start(self.clone(), request, answers, Box::new(advance)))
    }

    /// The same run by its number: "the latest" must mean the same run after a loss.
    async fn pinned(&self, run: Option<v1::RunRef>) -> Result<Option<v1::RunRef>, ClientError> {
        let Some(v1::RunRef { selector: Some(v1::run_ref::Selector::Latest(_)), .. }) = run else {
            return Ok(run);
        };
        let Some(found) = self.get_run(v1::GetRunRequest { run: run.clone() }).await?.run else {
            return Ok(run);
        };
        let selector = Some(v1::run_ref::Selector::Number(found.number));
        Ok(Some(v1::RunRef { namespace: found.namespace, pipeline: found.pipeline, selector }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(task: &str, seq: u64) -> v1::LogEntry {
        v1::LogEntry { task: task.to_owned(), seq, ..v1::LogEntry::default() }
    }

    #[test]
    fn entries_that_come_again_after_a_loss_are_dropped() {
        let mut advance = advance_logs();
        let mut place = v1::ReadLogsRequest { tail: Some(5), ..v1::ReadLogsRequest::default() };
        let mut answer =
            v1::ReadLogsResponse { entries: vec![entry("a", 3), entry("b", 1)], cursor: String::new() };
        advance(&mut place, &mut answer);
        assert_eq!((place.tail, place.cursor.as_str(), answer.entries.len()), (None, "", 2));
        let entries = vec![entry("a", 3), entry("a", 4), entry("b", 1), entry("c", 1)];
        let mut again = v1::ReadLogsResponse { entries, cursor: "x".to_owned() };
        advance(&mut place, &mut again);
        assert_eq!(again.entries, [entry("a", 4), entry("c", 1)]);
        assert_eq!(place.cursor, "x");
    }
}
