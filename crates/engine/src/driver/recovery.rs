//! Taking up what an earlier server left: the same machine, the same driver, built from records.
//!
//! Runs are loaded in parallel and in pages. A run whose records cannot be used is set aside, with an event that says
//! why, and the rest goes on. What the schedulers know is joined in before any deadline is looked at, so that an end that
//! was in time is not mistaken for a late one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use gofer_records::{ActiveRun, RecordError, StoredRun, Tx};
use gofer_run_machine::{Decision, RunMachine};
use gofer_scheduler::{TaskExit, TaskStatus};
use gofer_types::{Actor, AttemptId, EventKind, RunRef, RunState, Timestamp};
use tokio::sync::oneshot;

use super::Inner;
use super::attempt::{End, Known, Wish, lost};
use super::book::{Book, Step};
use super::message::Message;
use super::run::Driver;
use super::seat::{Phase, RunHandle};
use super::spec::prepare;
use super::timers::Timer;
use super::versions::Version;
use crate::error::Result;

/// How many runs are loaded at once.
const AT_ONCE: usize = 64;

/// How long the schedulers may take to list what they have; without it, each thing is asked for by itself.
const LISTING: Duration = Duration::from_secs(5);

type Statuses = HashMap<AttemptId, TaskStatus>;

/// A run that can go on.
struct Loaded {
    stored: StoredRun,
    version: Arc<Version>,
    machine: RunMachine,
}

/// A run that cannot.
struct Unusable {
    run: RunRef,
    created: Timestamp,
    reason: String,
    /// Whether an earlier server has said so already.
    told: bool,
}

/// Takes up every run that is under way.
pub(crate) async fn recover(inner: &Arc<Inner>) -> Result<()> {
    let (statuses, loaded) = tokio::join!(list_all(inner), load_all(inner));
    let (loaded, unusable) = loaded?;
    set_aside(inner, unusable).await?;
    let statuses = Arc::new(statuses);
    let drivers: Vec<Driver> = in_line(loaded).into_iter().map(|loaded| sit_down(inner, loaded)).collect();
    inner.hall.open_doors();
    for driver in drivers {
        let statuses = Arc::clone(&statuses);
        inner.spawn(async move { driver.resume(&statuses).await });
    }
    Ok(())
}

/// The order in which runs were asked for: that of their numbers within a pipeline, whatever the wall clock did, and about
/// that of the time between pipelines.
fn in_line(mut loaded: Vec<Loaded>) -> Vec<Loaded> {
    loaded.sort_by(|a, b| a.stored.run.id.cmp(&b.stored.run.id));
    let mut newest: Option<(RunRef, Timestamp)> = None;
    let mut line: Vec<(Timestamp, Loaded)> = Vec::with_capacity(loaded.len());
    for one in loaded {
        let run = &one.stored.run;
        let before = newest.filter(|(id, _)| id.pipeline == run.id.pipeline).map(|(_, at)| at);
        let at = before.map_or(run.created, |before| before.max(run.created));
        newest = Some((run.id.clone(), at));
        line.push((at, one));
    }
    // stable: equal times leave the order of the numbers
    line.sort_by_key(|(at, _)| *at);
    line.into_iter().map(|(_, one)| one).collect()
}

/// What all schedulers have, as far as they tell in time.
async fn list_all(inner: &Inner) -> Statuses {
    let mut lists: FuturesUnordered<_> = inner
        .schedulers
        .named
        .iter()
        .map(|(name, scheduler)| async move { (name, scheduler.list().await) })
        .collect();
    let mut statuses = Statuses::new();
    let deadline = inner.clock.monotonic().saturating_add(LISTING);
    let mut late = inner.clock.sleep_until(deadline);
    loop {
        tokio::select! {
            biased;
            next = lists.next() => match next {
                Some((_, Ok(list))) => statuses.extend(list.into_iter().map(|item| (item.id, item.status))),
                Some((name, Err(error))) => {
                    tracing::warn!(scheduler = %name, error = %error.chain(), "cannot list what runs");
                }
                None => return statuses,
            },
            () = &mut late => return statuses,
        }
    }
}

async fn load_all(inner: &Inner) -> Result<(Vec<Loaded>, Vec<Unusable>)> {
    let doomed = inner.records.deleting().await?;
    let (mut loaded, mut unusable) = (Vec::new(), Vec::new());
    let mut after = None;
    loop {
        let (page, next) = inner.records.active(after).await?;
        let page = page.into_iter().filter(|(run, _)| !doomed.contains(&run.pipeline));
        let mut results = stream::iter(page).map(|entry| load(inner, entry)).buffer_unordered(AT_ONCE);
        while let Some(result) = results.next().await {
            match result? {
                Ok(run) => loaded.push(run),
                Err(run) => unusable.push(run),
            }
        }
        match next {
            Some(key) => after = Some(key),
            None => return Ok((loaded, unusable)),
        }
    }
}

async fn load(inner: &Inner, (run, entry): ActiveRun) -> Result<std::result::Result<Loaded, Unusable>> {
    let unusable = |reason: String| {
        let created = entry.map_or_else(Timestamp::default, |entry| entry.created);
        let told = entry.is_some_and(|entry| entry.set_aside);
        Unusable { run: run.clone(), created, reason, told }
    };
    let about_one = |error: RecordError| {
        if error.is_about_one_record() { Ok(Err(unusable(error.chain()))) } else { Err(error.into()) }
    };
    let stored = match inner.records.whole_run(&run).await {
        Ok(Some(stored)) => stored,
        Ok(None) => return Ok(Err(unusable("its record is missing".to_owned()))),
        Err(error) => return about_one(error),
    };
    let version = match inner.versions.get(&run.pipeline, stored.run.version).await {
        Ok(Some(version)) => version,
        Ok(None) => return Ok(Err(unusable(format!("version {} is missing", stored.run.version)))),
        Err(error) => return about_one(error),
    };
    let tasks = stored.tasks.iter().map(|(place, task)| (*place, task));
    match RunMachine::restore(&version.plan, &stored.run, tasks) {
        Ok(machine) => Ok(Ok(Loaded { stored, version, machine })),
        Err(error) => Ok(Err(unusable(error.to_string()))),
    }
}

async fn set_aside(inner: &Inner, unusable: Vec<Unusable>) -> Result<()> {
    let mut tx = Tx::default();
    let now = inner.clock.now();
    for Unusable { run, created, reason, told } in unusable {
        tracing::error!(%run, reason, "a run was set aside: its records cannot be used");
        if !told {
            tx.set_run_aside(&run, created);
            let kind = EventKind::Quarantined { run: run.clone(), reason: reason.clone() };
            tx.event(now, Actor::System, kind);
        }
        inner.hall.set_aside(run, reason);
    }
    if !tx.is_empty() {
        inner.committer.commit(tx).await?;
    }
    Ok(())
}

/// Gives a run its seat, its slots and its places in the lines back.
fn sit_down(inner: &Arc<Inner>, loaded: Loaded) -> Driver {
    let Loaded { stored, version, machine } = loaded;
    let (handle, mailbox) = RunHandle::new(stored.run.id.clone(), inner.next_serial(), stored.run.created);
    let phase = match stored.run.state {
        RunState::Queued => Phase::Queued(0),
        RunState::Running => Phase::Running,
        _ => Phase::Ended,
    };
    inner.hall.seat_again(&handle, phase, version.record.config.parallelism);
    for decision in machine.under_way() {
        match decision {
            Decision::Want(task) => inner.hall.wait_for_slot(&handle, task),
            Decision::Start(..) => inner.hall.hold_slot(),
            _ => {}
        }
    }
    let complete = stored.tasks.iter().filter(|(_, task)| task.state.is_terminal());
    let never_began = complete.filter(|(_, task)| task.attempts.is_empty()).map(|(place, _)| *place);
    handle.complete_tasks(never_began);
    handle.complete_tasks(
        stored.attempts.iter().filter(|(_, attempt)| attempt.removed).map(|(place, _)| *place),
    );
    let mut book = Book::new(stored.run, version);
    book.tasks.extend(stored.tasks.into_iter().filter(|(_, task)| !task.state.is_terminal()));
    book.attempts.extend(stored.attempts.into_iter().filter(|(_, attempt)| !attempt.removed));
    for attempt in book.attempts.values() {
        inner.hall.in_hand(&attempt.id, true);
    }
    let mut driver = Driver::new(Arc::clone(inner), handle, machine, book, mailbox);
    driver.resumed = true;
    driver
}

impl Driver {
    /// Goes on where an earlier server stopped.
    async fn resume(mut self, statuses: &Statuses) {
        let mut step = self.step();
        let places: Vec<u32> = self.book.attempts.keys().copied().collect();
        let mut stops = BTreeMap::new();
        for decision in self.machine.under_way() {
            match decision {
                Decision::Start(task, attempt) => self.join_in(&mut step, statuses, task, attempt),
                Decision::Stop(task, _, kill) => drop(stops.insert(task, Wish::to_end(kill))),
                _ => {}
            }
        }
        // what this step begins is followed when it is performed
        if !self.settle(step).await {
            return;
        }
        for place in places {
            self.follow_again(place, stops.get(&place).copied().unwrap_or(Wish::None));
        }
        self.drive().await;
    }

    /// Takes in what the scheduler knows of an attempt, and arms its deadline.
    fn join_in(&mut self, step: &mut Step, statuses: &Statuses, task: u32, attempt: u32) {
        let Some(record) = self.book.attempts.get(&task) else { return };
        let gone = !self.inner.schedulers.named.contains_key(&record.scheduler);
        let exit: Option<TaskExit> = match statuses.get(&record.id) {
            Some(TaskStatus::Ended(exit)) => Some(exit.clone()),
            _ if gone => Some(lost(format!("scheduler `{}` is not configured any more", record.scheduler))),
            _ => None,
        };
        if let Some(deadline) = record.deadline {
            // no longer than it ever was, should the wall clock have gone back
            let left = deadline.since(step.now).min(self.book.attempt_limit(task));
            self.arm_in(Timer::Attempt(task, attempt), left);
        }
        if let Some(exit) = exit {
            let (recorded, _) = oneshot::channel();
            self.take_message(step, Message::Ended { task, attempt, exit, recorded });
        }
    }

    fn follow_again(&mut self, place: u32, wish: Wish) {
        let Some(record) = self.book.attempts.get(&place) else { return };
        let Some(scheduler) = self.inner.schedulers.named.get(&record.scheduler).map(Arc::clone) else {
            self.handle.complete_tasks([place]);
            return;
        };
        let known = if let Some(exit) = &record.exit {
            Known::Ended(End::of(exit))
        } else if record.started.is_some() {
            Known::Running
        } else {
            let tasks = &self.book.version.record.config.tasks;
            let Inner { schedulers, options, .. } = &*self.inner;
            let prepared = tasks
                .get(place as usize)
                .map(|task| prepare(schedulers, &options.address, &self.book.run, task, record.number));
            match prepared {
                // what the intent asked for, also if a setting of the server has changed since
                Some(Ok(mut prepared)) => {
                    prepared.spec.digest.clone_from(&record.digest);
                    Known::Intended(Box::new(prepared.spec))
                }
                _ => Known::Running,
            }
        };
        self.follow(place, &scheduler, known, wish);
    }
}
