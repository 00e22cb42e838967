//! The combined output of a run.
//!
//! What is stored is read from the log store in the order of time. A follower waits for more until the output of every
//! task is complete, which the run's driver tells; a task that never began has no log and ends with the run.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use gofer_logs::{LogEntry, LogError, LogStore, LogStream, ReadOptions};
use gofer_types::{RunRecord, RunRef, TaskId, TaskRef};
use tokio::sync::watch;

use crate::Engine;
use crate::api::{LogPage, LogPages, LogQuery};
use crate::driver::{Complete, Inner, Version};
use crate::error::{EngineError, Result};

/// The numbers of the next entries, by the places of their tasks.
type Places = BTreeMap<u32, u64>;

/// Some entries of one task.
type Batch = std::result::Result<Vec<LogEntry>, LogError>;

/// One task's output, followed until it is complete.
struct Source {
    inner: Arc<Inner>,
    task: TaskRef,
    place: u32,
    options: ReadOptions,
    completion: watch::Receiver<Complete>,
    stream: LogStream,
    /// Whether what is stored now is all there will be.
    last: bool,
}

impl Source {
    /// The next batch; an empty one says that the reader has caught up.
    async fn next(mut self) -> Option<(Batch, Self)> {
        let batch = self.batch().await?;
        if let Ok(Some(newest)) = batch.as_ref().map(|batch| batch.last()) {
            self.options.from_seq = newest.seq + 1;
        }
        Some((batch, self))
    }

    async fn batch(&mut self) -> Option<Batch> {
        if self.last {
            return self.stream.next().await;
        }
        let place = self.place;
        let is_complete = |complete: &Complete| complete.all || complete.tasks.contains(&place);
        tokio::select! {
            biased;
            batch = self.stream.next() => return batch,
            _ = self.completion.wait_for(is_complete) => {}
            () = self.inner.fate.stop().cancelled() => return None,
        }
        // complete: what is stored behind the last entry is the rest
        self.last = true;
        let options = ReadOptions { follow: false, ..self.options.clone() };
        match self.inner.logs.read(&self.task, options).await {
            Ok(stream) => self.stream = stream,
            Err(error) => {
                self.stream = stream::empty().boxed();
                return Some(Err(error));
            }
        }
        self.stream.next().await
    }
}

/// Whether entries may be left out for what they are.
fn is_filtered(query: &LogQuery) -> bool {
    query.attempt.is_some() || query.stream.is_some() || query.since.is_some() || query.until.is_some()
}

fn options(query: &LogQuery, from_seq: u64) -> ReadOptions {
    ReadOptions {
        from_seq,
        attempt: query.attempt,
        stream: query.stream,
        since: query.since,
        until: query.until,
        follow: query.follow,
    }
}

impl Inner {
    /// The places of the wanted tasks.
    fn wanted_tasks(&self, run: &RunRef, version: &Version, tasks: &[TaskId]) -> Result<Vec<u32>> {
        if tasks.is_empty() {
            return Ok((0_u32..).zip(&version.plan.tasks).map(|(place, _)| place).collect());
        }
        tasks.iter().map(|task| Self::place(version, &run.task(task.clone()))).collect()
    }

    /// The number of the first of the last `tail` entries that are wanted; with 0, the number of the next entry.
    ///
    /// The wanted ones are counted, not kept: in a part of the log that grows until it holds enough of them.
    async fn tail_seq(&self, task: &TaskRef, tail: u32, query: &LogQuery) -> Result<u64> {
        let mut back = tail;
        loop {
            let from_seq = self.logs.tail_seq(task, back).await?;
            if tail == 0 || !is_filtered(query) {
                return Ok(from_seq);
            }
            let options = ReadOptions { follow: false, ..options(query, from_seq) };
            let wanted = self.nth_wanted(task, options.clone(), u64::MAX).await?.0;
            if wanted >= u64::from(tail) {
                let first = self.nth_wanted(task, options, wanted - u64::from(tail)).await?.1;
                return Ok(first.unwrap_or(from_seq));
            }
            if from_seq <= 1 || back == u32::MAX {
                return Ok(from_seq);
            }
            back = back.saturating_mul(4);
        }
    }

    /// How many wanted entries come before the one with this index, and its number if it is there.
    async fn nth_wanted(
        &self,
        task: &TaskRef,
        options: ReadOptions,
        index: u64,
    ) -> Result<(u64, Option<u64>)> {
        let mut stream = self.logs.read(task, options).await?;
        let mut before = 0;
        while let Some(batch) = stream.next().await {
            for entry in batch? {
                if before == index {
                    return Ok((before, Some(entry.seq)));
                }
                before += 1;
            }
        }
        Ok((before, None))
    }

    async fn log_sources(
        self: &Arc<Self>,
        run: &RunRecord,
        version: &Version,
        (query, places): (&LogQuery, &mut Places),
    ) -> Result<Vec<(TaskId, LogStream)>> {
        let live = self.hall.find(&run.id).map(|handle| handle.completion());
        let mut sources = Vec::new();
        for place in self.wanted_tasks(&run.id, version, &query.tasks)? {
            let id = version.plan.task(place).id.clone();
            let task = run.id.task(id.clone());
            let from_seq = match (places.get(&place), query.tail) {
                (Some(next), _) => *next,
                (None, Some(tail)) if query.cursor.is_none() => self.tail_seq(&task, tail, query).await?,
                (None, _) => 1,
            };
            if from_seq > 1 {
                // a task that stays silent has its place too
                places.insert(place, from_seq);
            }
            let follow = query.follow && live.is_some();
            let options = ReadOptions { follow, ..options(query, from_seq) };
            let stream = self.logs.read(&task, options.clone()).await?;
            let stream = match &live {
                Some(completion) if options.follow => {
                    let (inner, completion) = (Arc::clone(self), completion.clone());
                    let source = Source { inner, task, place, options, completion, stream, last: false };
                    stream::unfold(source, Source::next).boxed()
                }
                _ => stream,
            };
            sources.push((id, stream));
        }
        Ok(sources)
    }
}

impl Engine {
    /// The output of a run: what is stored in the order of time, then, if it is followed, what comes until the end. A tail
    /// begins with a page that has only its cursor.
    pub async fn read_logs(&self, id: &RunRef, query: LogQuery) -> Result<LogPages> {
        self.inner.fate.check()?;
        let inner = Arc::clone(&self.inner);
        let run = inner.run(id).await?;
        let version = inner.version_of(&run).await?;
        let mut places = match &query.cursor {
            Some(cursor) => read_cursor(id, &version, cursor)?,
            None => Places::new(),
        };
        let permit = query.follow.then(|| inner.follower()).transpose()?;
        let sources = inner.log_sources(&run, &version, (&query, &mut places)).await?;
        // the reader must know where the tail began before there is anything to tell
        let opening =
            query.tail.map(|_| Ok(LogPage { entries: Vec::new(), cursor: write_cursor(id, &places) }));
        let (id, follow) = (id.clone(), query.follow);
        let state = (LogStore::merge(sources), places, permit);
        let pages = stream::unfold(Some(state), move |state| {
            let (id, version, inner) = (id.clone(), Arc::clone(&version), Arc::clone(&inner));
            async move {
                let (mut merged, mut places, permit) = state?;
                loop {
                    match merged.next().await {
                        Some(Ok(entries)) if entries.is_empty() => {}
                        Some(Ok(entries)) => {
                            note_places(&version, &mut places, &entries);
                            let cursor = write_cursor(&id, &places);
                            return Some((Ok(LogPage { entries, cursor }), Some((merged, places, permit))));
                        }
                        Some(Err(error)) => {
                            return Some((Err(EngineError::Logs(error)), Some((merged, places, permit))));
                        }
                        // a stop of the engine is not the end of the output
                        None if follow && inner.fate.check().is_err() => {
                            return Some((Err(inner.fate.error()), None));
                        }
                        None => return None,
                    }
                }
            }
        });
        Ok(stream::iter(opening).chain(pages).boxed())
    }
}

fn note_places(version: &Version, places: &mut Places, entries: &[LogEntry]) {
    for entry in entries {
        if let Some(place) = version.plan.number(&entry.task) {
            places.insert(place, entry.seq + 1);
        }
    }
}

fn write_cursor(run: &RunRef, places: &Places) -> String {
    gofer_records::token_places(run, places)
}

fn read_cursor(run: &RunRef, version: &Version, cursor: &str) -> Result<Places> {
    let places = gofer_records::untoken_places(run, cursor).map_err(|_| EngineError::InvalidCursor)?;
    let known = places.keys().all(|place| (*place as usize) < version.plan.count());
    if known { Ok(places) } else { Err(EngineError::InvalidCursor) }
}
