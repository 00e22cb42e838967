//! Taking up what an earlier server left: the same machine, the same driver, built from records.
//!
//! Runs are loaded in parallel and in pages. A run whose records cannot be used is set aside, with an event that says
//! why, and the rest goes on. What the schedulers know is joined in before any deadline is looked at, so that an end that
//! was in time is not mistaken for a late one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use gofer_attempt::{End, Known, Report, Wish, lost};
use gofer_book::{Book, Step, Timer};
use gofer_hall::{RunHandle, item};
use gofer_queue::Phase;
use gofer_records::{ActiveRun, LowMark, RecordError, StoredRun, Tx};
use gofer_run_machine::{Decision, Fact, RunMachine};
use gofer_scheduler::{TaskExit, TaskStatus};
use gofer_types::{Actor, AttemptId, Cause, EventKind, Moment, RunRef, RunState, Timestamp};
use gofer_versions::Version;
use tokio::sync::oneshot;

use super::Inner;
use super::run::{Driver, replace};
use crate::error::Result;

/// How many runs are loaded at once.
const AT_ONCE: usize = 64;

/// How long the schedulers may take to list what they have; without it, each thing is asked for by itself.
const LISTING: Duration = Duration::from_secs(5);

/// The least that is left of the grace of a task that an earlier server meant to end.
const LEAST_GRACE: Duration = Duration::from_secs(1);

/// How things stand, and since when they are there.
type Statuses = HashMap<AttemptId, (TaskStatus, Timestamp)>;

/// A run that can go on.
struct Loaded {
    /// Whether an earlier server had set it aside.
    aside: bool,
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
    take_back(inner, &loaded).await?;
    let statuses = Arc::new(statuses);
    let (mut drivers, mut replaced) = (Vec::with_capacity(loaded.len()), Vec::new());
    for loaded in in_line(loaded) {
        let by = loaded.stored.run.id.clone();
        let (driver, replaces) = sit_down(inner, loaded);
        drivers.push(driver);
        replaced.push((by, replaces));
    }
    // slots are held by all who had one before anybody is given what is left of them
    drivers.iter().for_each(Driver::line_up);
    inner.hall.open_doors();
    for driver in drivers {
        let statuses = Arc::clone(&statuses);
        inner.spawn(async move { driver.resume(&statuses).await });
    }
    // what was to be replaced and was not told so in an earlier life
    replaced.into_iter().for_each(|(by, runs)| replace(inner, &by, runs));
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
                Some((_, Ok(list))) => {
                    statuses.extend(list.into_iter().map(|item| (item.id, (item.status, item.created))));
                }
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
    let fan_outs = stored.tasks.iter().filter_map(|(place, task)| Some((*place, task.fan_out.as_ref()?)));
    let version = match version.fanned_out(fan_outs) {
        Ok(version) => version,
        Err(reason) => return Ok(Err(unusable(reason))),
    };
    let tasks = stored.tasks.iter().map(|(place, task)| (*place, task));
    match RunMachine::restore(&version.plan, &stored.run, tasks) {
        Ok(machine) => {
            let aside = entry.is_some_and(|entry| entry.set_aside);
            Ok(Ok(Loaded { aside, stored, version, machine }))
        }
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

/// Runs that were set aside and can go on now are looked after like others, and are not passed over by those who clean up.
async fn take_back(inner: &Inner, loaded: &[Loaded]) -> Result<()> {
    for run in loaded.iter().filter(|one| one.aside).map(|one| &one.stored.run) {
        let mut tx = Tx::default();
        tx.look_after(&run.id, run.created);
        for mark in [LowMark::Logs, LowMark::Runs] {
            if inner.records.low_mark(&run.id.pipeline, mark).await? > run.id.run {
                tx.put_low_mark(&run.id.pipeline, mark, run.id.run);
            }
        }
        inner.committer.commit(tx).await?;
    }
    Ok(())
}

/// Gives a run its seat, its slots and its place in the line of runs back.
fn sit_down(inner: &Arc<Inner>, loaded: Loaded) -> (Driver, Vec<RunRef>) {
    let Loaded { stored, version, machine, .. } = loaded;
    let (handle, mailbox) = RunHandle::new(stored.run.id.clone(), stored.run.created);
    let phase = match stored.run.state {
        RunState::Queued => Phase::Queued,
        RunState::Running => Phase::Running,
        _ => Phase::Ended,
    };
    let item = item(&stored.run, &version.record.config);
    let replaces = inner.hall.seat_again(&handle, item, phase);
    for decision in machine.under_way() {
        if let Decision::Start(task, _) = decision
            && version.takes_slot(task)
        {
            inner.hall.hold_slot(&handle);
        }
    }
    let left: BTreeSet<u32> =
        stored.attempts.iter().filter(|(_, attempt)| !attempt.removed).map(|(place, _)| *place).collect();
    let ended = stored.tasks.iter().filter(|(_, task)| task.state.is_terminal()).map(|(place, _)| *place);
    handle.complete_tasks(ended.filter(|place| !left.contains(place)));
    if stored.run.state.is_terminal() {
        handle.ended(stored.run.state);
    }
    let mut book = Book::new(stored.run, version);
    stored.tasks.iter().for_each(|(place, task)| book.note_answer(*place, &task.cause));
    book.tasks.extend(stored.tasks.into_iter().filter(|(_, task)| !task.state.is_terminal()));
    book.attempts.extend(stored.attempts.into_iter().filter(|(_, attempt)| !attempt.removed));
    for attempt in book.attempts.values() {
        inner.hall.in_hand(&attempt.id, true);
    }
    (Driver::new(Arc::clone(inner), handle, machine, book, mailbox), replaces)
}

impl Driver {
    /// Gives the tasks that waited for a slot their places in that line back.
    fn line_up(&self) {
        for decision in self.machine.under_way() {
            if let Decision::Want(task) = decision {
                self.inner.hall.wait_for_slot(&self.handle, task);
            }
        }
    }

    /// Goes on where an earlier server stopped.
    async fn resume(mut self, statuses: &Statuses) {
        let mut step = self.step();
        let places: Vec<u32> = self.book.attempts.keys().copied().collect();
        let started = self.book.attempts.iter().filter(|(_, attempt)| attempt.started.is_some());
        let started: BTreeSet<u32> = started.map(|(place, _)| *place).collect();
        let mut stops = BTreeMap::new();
        for decision in self.machine.under_way() {
            match decision {
                Decision::Start(task, attempt) => self.join_in(&mut step, statuses, task, attempt),
                Decision::Stop(task, _, kill) => drop(stops.insert(task, Wish::to_end(kill))),
                Decision::Rest(task, attempt, wait) => self.rest_again(&mut step, task, (attempt, wait)),
                _ => {}
            }
        }
        places.iter().for_each(|place| self.let_go(&mut step, *place));
        // what this step begins is followed when it is performed
        if !self.settle(step).await {
            return;
        }
        for place in places {
            let wish = stops.get(&place).copied().unwrap_or(Wish::None);
            self.follow_again(place, started.contains(&place), wish);
        }
        Arc::clone(&self.inner).spawn(Box::new(self).drive());
    }

    /// Takes in what the scheduler knows of an attempt, and arms its deadline.
    fn join_in(&mut self, step: &mut Step, statuses: &Statuses, task: u32, attempt: u32) {
        self.join_started(step, statuses, (task, attempt));
        let Some(record) = self.book.attempts.get(&task) else { return };
        let gone = self.inner.scheduler(&record.scheduler).is_none();
        let exit: Option<TaskExit> = match statuses.get(&record.id) {
            Some((TaskStatus::Ended(exit), _)) => Some(exit.clone()),
            _ if gone => Some(lost(format!("scheduler `{}` is not configured any more", record.scheduler))),
            _ => None,
        };
        // it ended well, and what it leaves is yet to be kept: whoever follows it sees to that, and tells the end behind it
        let leaves =
            |exit: &TaskExit| exit.cause == Cause::ExitCode(0) && !self.book.version.outputs(task).is_empty();
        let (exit, left_behind) = match exit {
            Some(exit) if leaves(&exit) => (None, Some(exit)),
            exit => (exit, None),
        };
        let mut left = self.book.attempt_left(task, step.moment());
        if left_behind.is_some_and(|exit| self.book.was_in_time(task, &exit, step.shown())) {
            left = left.max(self.inner.attempts.limits.stop_grace);
        }
        self.arm_in(Timer::Attempt(task, attempt), left);
        if let Some(exit) = exit {
            let (recorded, _) = oneshot::channel();
            self.take_report(step, Report::Ended { task, attempt, exit, unreached: false, recorded });
        }
    }

    /// Takes in a start that took effect and that nobody could record: the limit of the attempt has counted all the while.
    fn join_started(&mut self, step: &mut Step, statuses: &Statuses, (task, attempt): (u32, u32)) {
        // what is given files is there before it starts, while they are brought
        let is_given_files = self.inputs(task).is_ok_and(|inputs| !inputs.is_empty());
        let record = self.book.attempts.get(&task).filter(|record| record.started.is_none());
        let Some(record) = record.filter(|_| !is_given_files) else { return };
        if let Some((TaskStatus::Running { .. }, created)) = statuses.get(&record.id) {
            // what it is called is told when it is followed
            let at = Moment { wall: *created, boot: None };
            self.book.attempt_started(step, (task, at), (String::new(), None));
            self.take_in(step, Fact::Started(task, attempt));
        }
    }

    /// Goes on with the wait behind an attempt, and tells the machine if nothing is left of the attempt.
    fn rest_again(&mut self, step: &mut Step, task: u32, (attempt, wait): (u32, Duration)) {
        self.unsealed.insert(task);
        let left = self.book.rest_left(task, wait, step.moment());
        self.arm_in(Timer::Rest(task, attempt), left);
        if !self.book.attempts.contains_key(&task) {
            self.take_in(step, Fact::PutAway(task, attempt));
        }
    }

    /// An attempt that has ended at a scheduler that is not there any more is put away by nobody: what rests goes on without that.
    fn let_go(&mut self, step: &mut Step, task: u32) {
        let ended = self.book.attempts.get(&task).filter(|attempt| attempt.exit.is_some());
        let gone = ended.filter(|attempt| self.inner.scheduler(&attempt.scheduler).is_none());
        if let Some(number) = gone.map(|attempt| attempt.number)
            && !self.machine.has_ended(task)
        {
            self.put_away(step, task, number);
        }
    }

    /// What is left of the grace of a task that an earlier server asked to end, so that no number of restarts keeps it alive. If
    /// that server stopped in between, the task hears of it only now: a moment is left to it in any case.
    pub(super) fn grace_left(&self, place: u32) -> Duration {
        let grace = self.inner.attempts.limits.stop_grace;
        let now = self.inner.clock.now();
        let left = self.book.asked_to_end(place).map_or(grace, |since| since.plus(grace).since(now));
        left.clamp(LEAST_GRACE.min(grace), grace)
    }

    /// Follows an attempt of an earlier life, in which it was recorded that it had started, or was not.
    fn follow_again(&mut self, place: u32, started: bool, wish: Wish) {
        let Some(record) = self.book.attempts.get(&place) else { return };
        let Some(scheduler) = self.inner.scheduler(&record.scheduler).map(Arc::clone) else {
            self.handle.complete_tasks([place]);
            return;
        };
        let known = if let Some(exit) = &record.exit {
            Known::Ended(End::of(exit), self.sequel(place))
        } else if started && !self.book.version.reads_values(place) {
            Known::Running
        } else {
            match self.prepared(place, record.number) {
                // what the intent asked for, also if a setting of the server has changed since
                Ok(mut prepared) => {
                    prepared.spec.digest.clone_from(&record.digest);
                    Known::Intended(Box::new(prepared.spec))
                }
                _ => Known::Running,
            }
        };
        self.follow(place, &scheduler, (known, true), wish);
    }
}
