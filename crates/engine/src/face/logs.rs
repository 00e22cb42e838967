//! The combined output of a run.
//!
//! What is stored is read from the log store in the order of time. A follower waits for more until the output of every
//! task is complete, which the run's driver tells; a task that never began has no log and ends with the run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use std::future::pending;

use futures_util::future::{BoxFuture, FutureExt as _, select_all};
use futures_util::{StreamExt, stream};
use gofer_hall::Complete;
use gofer_logs::{LogEntry, LogStore, LogStream, ReadOptions};
use gofer_readers::{follow, tail_seq};
use gofer_types::{RunRecord, RunRef, TaskId};
use gofer_versions::Version;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::Engine;
use crate::api::{Caller, LogPage, LogPages, LogQuery};
use crate::driver::Inner;
use crate::error::{EngineError, Result};

/// How long somebody who deletes the output of a run that has just ended waits until the run is put away.
const PUT_AWAY: Duration = Duration::from_secs(10);

/// The numbers of the next entries, by the places of their tasks.
type Places = BTreeMap<u32, u64>;

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

/// Waits until nothing is added to the output of a task any more, or nobody would tell.
async fn completed(mut completion: watch::Receiver<Complete>, place: u32) {
    let is_complete = |complete: &Complete| complete.all || complete.tasks.contains(&place);
    drop(completion.wait_for(is_complete).await);
}

impl Inner {
    /// The places of the wanted tasks whose output is kept. Refused if none of it is, or not that of a task that is named.
    fn wanted_tasks(&self, run: &RunRef, version: &Version, tasks: &[TaskId]) -> Result<Vec<u32>> {
        let mut wanted = Vec::new();
        for task in tasks {
            match version.plan.group_number(task) {
                // all combinations of a matrix
                Some(group) => wanted.extend(version.plan.groups[group as usize].places()),
                None => wanted.push(Self::place(version, &run.task(task.clone()))?),
            }
        }
        if tasks.is_empty() {
            wanted.extend((0_u32..).zip(&version.plan.tasks).map(|(place, _)| place));
        }
        let all = wanted.len();
        let first = wanted.iter().copied().find(|place| !version.keeps_output(*place));
        wanted.retain(|place| version.keeps_output(*place));
        match first {
            Some(place) if wanted.is_empty() || (!tasks.is_empty() && wanted.len() < all) => {
                Err(EngineError::LoggingOff { id: run.task(version.plan.task(place).id.clone()) })
            }
            _ => Ok(wanted),
        }
    }

    async fn log_sources(
        &self,
        run: &RunRecord,
        version: &Version,
        (query, places, live): (&LogQuery, &mut Places, Option<&Live>),
    ) -> Result<Vec<(TaskId, LogStream)>> {
        let mut sources = Vec::new();
        for place in self.wanted_tasks(&run.id, version, &query.tasks)? {
            let id = version.plan.task(place).id.clone();
            let task = run.id.task(id.clone());
            let from_seq = match (places.get(&place), query.tail) {
                (Some(next), _) => *next,
                (None, Some(tail)) if query.cursor.is_none() => {
                    tail_seq(&self.logs, &task, tail, &options(query, 1)).await?
                }
                (None, _) => 1,
            };
            if from_seq > 1 {
                // a task that stays silent has its place too
                places.insert(place, from_seq);
            }
            let options = ReadOptions { follow: query.follow && live.is_some(), ..options(query, from_seq) };
            let stream = match &live {
                Some(live) if options.follow => {
                    let complete = completed(live.completion.clone(), place);
                    follow(&self.logs, &task, options, complete, self.fate.stop().clone()).await?
                }
                _ => self.logs.read(&task, options).await?,
            };
            sources.push((id, stream));
        }
        Ok(sources)
    }
}

impl Inner {
    /// The logs to read, if they are kept. The record says so before anything is deleted: what it says after they were opened
    /// holds for what was found.
    async fn kept_sources(
        &self,
        run: &RunRecord,
        version: &Version,
        reading: (&LogQuery, &mut Places, Option<&Live>),
    ) -> Result<Vec<(TaskId, LogStream)>> {
        let sources = self.log_sources(run, version, reading).await;
        self.run_with_output(&run.id).await?;
        sources
    }

    async fn run_with_output(&self, id: &RunRef) -> Result<RunRecord> {
        let run = self.run(id).await?;
        match run.logs_deleted {
            Some(deleted) => Err(EngineError::LogsDeleted { run: run.id, deleted }),
            None => Ok(run),
        }
    }
}

impl Inner {
    /// Waits until nothing is left of a run that has ended. False if that takes too long.
    async fn is_put_away(&self, id: &RunRef) -> bool {
        let Some(handle) = self.hall.find(id) else { return true };
        let mut completion = handle.completion();
        tokio::select! {
            biased;
            all = completion.wait_for(|complete| complete.all) => all.is_ok(),
            _ = self.pause(PUT_AWAY) => false,
        }
    }
}

impl Engine {
    /// Deletes the output of a run that has ended. Nothing of it is shown from the answer on. Deleted already: changes nothing.
    pub async fn delete_logs(&self, ctx: &Caller, id: &RunRef) -> Result<RunRecord> {
        self.inner.fate.check()?;
        let (inner, ctx, id) = (Arc::clone(&self.inner), ctx.clone(), id.clone());
        let work = async move {
            let run = inner.run(&id).await?;
            if run.logs_deleted.is_some() {
                return Ok(run);
            }
            if !run.state.is_terminal() || !inner.is_put_away(&id).await {
                return Err(EngineError::RunNotEnded { run: id });
            }
            let deleted = inner.delete_logs_of(std::slice::from_ref(&id), &ctx.actor).await;
            inner.household.forget_sum(&id.pipeline);
            deleted?;
            inner.run(&id).await
        };
        self.inner.detached(work).await
    }

    /// The output of a run: what is stored in the order of time, then, if it is followed, what comes until the end. A tail
    /// begins with a page that has only its cursor.
    pub async fn read_logs(&self, id: &RunRef, query: LogQuery) -> Result<LogPages> {
        self.inner.fate.check()?;
        let inner = Arc::clone(&self.inner);
        let live = inner.live(id, query.follow);
        let run = inner.run_with_output(id).await?;
        let version = inner.version_of(&run).await?;
        let mut places = match &query.cursor {
            Some(cursor) => read_cursor(id, &version, cursor)?,
            None => Places::new(),
        };
        let permit = query.follow.then(|| inner.follower()).transpose()?;
        let sources = inner.kept_sources(&run, &version, (&query, &mut places, live.as_ref())).await?;
        // the reader must know where the tail began before there is anything to tell
        let opening =
            query.tail.map(|_| Ok(LogPage { entries: Vec::new(), cursor: write_cursor(id, &places) }));
        // later tasks are read from their beginning
        let query = LogQuery { tail: None, ..query };
        let merged = LogStore::merge(sources);
        let more = more_tasks(&version, &query, live);
        let reading = Reading { inner, run, version, query, places, merged, more, _permit: permit };
        Ok(stream::iter(opening).chain(stream::unfold(Some(reading), Reading::page)).boxed())
    }
}

/// The output of a run as it is read.
struct Reading {
    inner: Arc<Inner>,
    run: RunRecord,
    version: Arc<Version>,
    query: LogQuery,
    places: Places,
    merged: LogStream,
    /// Comes when a late matrix has become tasks, whose output is read from then on, too.
    more: BoxFuture<'static, ()>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Reading {
    /// The next page.
    async fn page(reading: Option<Self>) -> Option<(Result<LogPage>, Option<Self>)> {
        let mut this = reading?;
        loop {
            let next = tokio::select! {
                biased;
                next = this.merged.next() => next,
                () = &mut this.more => match this.read_more().await {
                    Ok(()) => continue,
                    Err(error) => return Some((Err(error), None)),
                },
            };
            match next {
                Some(Ok(entries)) if entries.is_empty() => {}
                Some(Ok(entries)) => {
                    note_places(&this.version, &mut this.places, &entries);
                    let cursor = write_cursor(&this.run.id, &this.places);
                    return Some((Ok(LogPage { entries, cursor }), Some(this)));
                }
                Some(Err(error)) => {
                    let kept = this.inner.run_with_output(&this.run.id).await;
                    return Some((Err(kept.err().unwrap_or(EngineError::Logs(error))), Some(this)));
                }
                None if (&mut this.more).now_or_never().is_some() => {
                    if let Err(error) = this.read_more().await {
                        return Some((Err(error), None));
                    }
                }
                // a stop of the engine is not the end of the output
                None if this.query.follow && this.inner.fate.check().is_err() => {
                    return Some((Err(this.inner.fate.error().into()), None));
                }
                None => return None,
            }
        }
    }

    /// Goes on with the tasks that the run has by now, behind what was read of each.
    async fn read_more(&mut self) -> Result<()> {
        let live = self.inner.live(&self.run.id, self.query.follow);
        self.version = self.inner.version_of(&self.run).await?;
        let wanted = (&self.query, &mut self.places, live.as_ref());
        self.merged = LogStore::merge(self.inner.kept_sources(&self.run, &self.version, wanted).await?);
        self.more = more_tasks(&self.version, &self.query, live);
        Ok(())
    }
}

/// What is told of a run whose driver still looks after it. It is asked for before the graph is read: what is complete by then is
/// in the graph.
struct Live {
    completion: watch::Receiver<Complete>,
    before: Complete,
}

impl Inner {
    /// Who tells that output is complete, for whoever follows it.
    fn live(&self, run: &RunRef, follow: bool) -> Option<Live> {
        let completion = self.hall.find(run).filter(|_| follow)?.completion();
        let before = completion.borrow().clone();
        Some(Live { completion, before })
    }
}

/// Comes when the next late matrix of a run that is followed is known, or the task that reads it has ended without.
fn more_tasks(version: &Version, query: &LogQuery, live: Option<Live>) -> BoxFuture<'static, ()> {
    let Some(Live { completion, before }) = live else { return pending().boxed() };
    let open = |place: &u32| !(before.all || before.tasks.contains(place));
    let wanted = |place: &u32| {
        let group = version.plan.group_of(*place);
        group.fanned.is_empty() && (query.tasks.is_empty() || query.tasks.contains(&group.id))
    };
    let readers: Vec<u32> = version.readers().filter(|place| open(place) && wanted(place)).collect();
    if readers.is_empty() {
        return pending().boxed();
    }
    let first = readers.into_iter().map(move |place| completed(completion.clone(), place).boxed());
    select_all(first).map(drop).boxed()
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
