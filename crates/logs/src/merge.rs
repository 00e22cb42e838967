//! Several logs as one, in the order of time.
//!
//! Of each source one batch is held. The oldest entry is given once every source has shown its next one, has ended, or
//! has said with an empty batch that its next one may take long. So what is stored is merged exactly, and a task that
//! prints nothing does not hold back the others.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesUnordered};
use futures_util::{FutureExt, StreamExt};
use gofer_types::{TaskId, Timestamp};

use crate::entry::{LogEntry, LogStream};
use crate::error::LogError;
use crate::reader::MAX_ENTRIES;

type Batch = Result<Vec<LogEntry>, LogError>;

/// What came of one source, and the source.
type Arrival = (usize, Option<Batch>, LogStream);

pub(crate) fn merge(sources: Vec<(TaskId, LogStream)>) -> LogStream {
    let mut merge = Merge::default();
    for (task, stream) in sources {
        let index = merge.sources.len();
        merge.sources.push(Source { task, batch: VecDeque::new(), stream: None, caught_up: false });
        merge.ask(index, stream);
    }
    let step = async |mut merge: Merge| merge.next().await.map(|batch| (batch, merge));
    stream::unfold(merge, step).boxed()
}

struct Source {
    task: TaskId,
    /// What is held of it, in its own order.
    batch: VecDeque<LogEntry>,
    /// Where more comes from, while something is held.
    stream: Option<LogStream>,
    /// Whether it has said that its next batch may take long.
    caught_up: bool,
}

#[derive(Default)]
struct Merge {
    sources: Vec<Source>,
    /// The time of the next entry of each source of which something is held. Equal times keep the order of the sources.
    heads: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// Sources that have been asked.
    asked: FuturesUnordered<BoxFuture<'static, Arrival>>,
    /// How many of these may have something stored.
    unsure: usize,
}

impl Merge {
    async fn next(&mut self) -> Option<Batch> {
        loop {
            let arrival = match self.asked.next().now_or_never() {
                Some(Some(arrival)) => arrival,
                _ if self.unsure == 0 && !self.heads.is_empty() => return Some(Ok(self.give())),
                _ => self.asked.next().await?,
            };
            if let Some(error) = self.arrive(arrival) {
                return Some(Err(error));
            }
        }
    }

    fn ask(&mut self, index: usize, stream: LogStream) {
        if self.sources.get(index).is_some_and(|source| !source.caught_up) {
            self.unsure += 1;
        }
        self.asked.push(stream.into_future().map(move |(batch, rest)| (index, batch, rest)).boxed());
    }

    /// Takes in what came; a source that failed is told and left out.
    fn arrive(&mut self, (index, batch, stream): Arrival) -> Option<LogError> {
        let source = self.sources.get_mut(index)?;
        if !source.caught_up {
            self.unsure -= 1;
        }
        match batch? {
            Err(error) => {
                return Some(LogError::Source { task: source.task.clone(), source: Box::new(error) });
            }
            Ok(batch) => {
                source.caught_up = batch.is_empty();
                source.batch = batch.into();
            }
        }
        match source.batch.front() {
            Some(entry) => {
                self.heads.push(Reverse((entry.time, index)));
                source.stream = Some(stream);
            }
            None => self.ask(index, stream),
        }
        None
    }

    /// The oldest entries, until a source must be asked again.
    fn give(&mut self) -> Vec<LogEntry> {
        let mut batch = Vec::new();
        while let Some(Reverse((_, index))) = self.heads.pop() {
            let Some(source) = self.sources.get_mut(index) else { continue };
            batch.extend(source.batch.pop_front());
            if let Some(entry) = source.batch.front() {
                self.heads.push(Reverse((entry.time, index)));
            } else {
                if let Some(stream) = source.stream.take() {
                    self.ask(index, stream);
                }
                break;
            }
            if batch.len() == MAX_ENTRIES {
                break;
            }
        }
        batch
    }
}
