//! The records of one run while it is active, and what one step changes of them.
//!
//! Decisions of the machine become records, events and effects here. A step is committed whole before any of its effects
//! is performed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gofer_attempt::ImageNews;
use gofer_records::Tx;
use gofer_run_machine::Decision;
use gofer_scheduler::TaskExit;
use gofer_types::record::FanOut;
use gofer_types::{
    Actor, AttemptId, AttemptRecord, Cause, EventKind, ImageState, Moment, RunRecord, RunState,
    TaskRunRecord, TaskState, Timestamp, VariableName,
};
use gofer_versions::Version;

use crate::limits::ran_for;
use crate::step::{Effect, Step};

/// The records of one run.
#[derive(Debug)]
pub struct Book {
    /// The run.
    pub run: RunRecord,
    /// What it executes.
    pub version: Arc<Version>,
    /// The task runs that have left `waiting` and have not ended.
    pub tasks: BTreeMap<u32, TaskRunRecord>,
    /// The attempts that have not been put away, by their task.
    pub attempts: BTreeMap<u32, AttemptRecord>,
    /// What was answered to approvals.
    answers: BTreeMap<u32, BTreeMap<VariableName, String>>,
    /// The operator's limit on whole runs.
    pub max_run_timeout: Option<Duration>,
}

impl Book {
    /// The book of a run of which nothing but its record is there.
    pub fn new(run: RunRecord, version: Arc<Version>) -> Self {
        let (tasks, attempts, answers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { run, version, tasks, attempts, answers, max_run_timeout: None }
    }

    /// The newest time in it.
    pub fn latest(&self) -> Timestamp {
        let run = [Some(self.run.created), self.run.started, self.run.ended];
        let tasks = self.tasks.values().map(|task| task.changed);
        run.into_iter().flatten().chain(tasks).max().unwrap_or_default()
    }

    /// Notes what was answered to an approval.
    pub fn note_answer(&mut self, place: u32, cause: &Cause) {
        if let Some(answer) = cause.approval().filter(|answer| !answer.fields.is_empty()) {
            self.answers.insert(place, answer.fields.clone());
        }
    }

    /// What was answered to the approvals that a task depends on, directly or not.
    pub fn answers_for(&self, place: u32) -> BTreeMap<VariableName, String> {
        let mut all = BTreeMap::new();
        if !self.answers.is_empty() {
            let before = self.version.plan.ancestors(place);
            let answers = self.answers.iter().filter(|(place, _)| before(**place));
            all.extend(answers.flat_map(|(_, fields)| fields.clone()));
        }
        all
    }

    /// Records a decision, and notes what is to be done about it.
    pub fn record(&mut self, step: &mut Step, decision: Decision) {
        match decision {
            Decision::Run(state, cause) => self.enter_run(step, state, cause),
            Decision::Cancel(request) => {
                let kind =
                    EventKind::CancelRequested { run: self.run.id.clone(), reason: request.reason.clone() };
                step.event(request.actor.clone(), kind);
                self.run.cancel = Some(request);
                step.dirty_run = true;
            }
            Decision::Task { task, state, cause, exit_code } => {
                self.enter_task(step, task, (state, cause, exit_code));
            }
            Decision::Free(_) => step.spare += 1,
            Decision::Stop(task, _, kill) => step.effects.push(Effect::Stop(task, kill)),
            Decision::Rest(task, attempt, wait) => step.effects.push(Effect::Rest(task, attempt, wait)),
            // asked for and answered by the driver
            Decision::Want(_) | Decision::Unwant(_) | Decision::Start(..) => {}
        }
    }

    fn enter_run(&mut self, step: &mut Step, state: RunState, cause: Cause) {
        if state == RunState::Running && self.run.started.is_none() {
            self.run.started = Some(step.now);
            let passes = self.run_timeout().map(|limit| step.moment().plus(limit));
            self.run.deadline = passes.map(|passes| passes.wall);
            self.run.due = passes.and_then(|passes| passes.boot);
        }
        if state.is_terminal() {
            self.run.ended = Some(step.now);
            step.effects.push(Effect::RunEnded);
        }
        self.run.state = state;
        self.run.cause = cause.clone();
        step.dirty_run = true;
        let actor = self.actor(&cause);
        let kind = EventKind::Run { run: self.run.id.clone(), version: self.run.version, state, cause };
        step.event(actor, kind);
    }

    /// Who brought about what has this cause.
    fn actor(&self, cause: &Cause) -> Actor {
        match (cause, &self.run.cancel) {
            (Cause::Cancelled(_), Some(cancel)) => cancel.actor.clone(),
            (Cause::WaitingForSlot(_), _) if self.run.started.is_none() => self.run.actor.clone(),
            (Cause::UnderWay, _) if self.run.state == RunState::Running => self.run.actor.clone(),
            _ => Actor::System,
        }
    }

    fn enter_task(
        &mut self,
        step: &mut Step,
        task: u32,
        (state, cause, code): (TaskState, Cause, Option<i32>),
    ) {
        let now = step.now;
        let actor = match &cause {
            Cause::Cancelled(_) => self.actor(&cause),
            Cause::Approved(answer) | Cause::Rejected(answer) => answer.actor.clone(),
            _ => Actor::System,
        };
        let cause = self.waits_for_answer(task, state, cause);
        self.note_answer(task, &cause);
        let record = self.task(task, now);
        record.state = state;
        record.due = match &cause {
            Cause::WaitingForRetry { wait, .. } => step.moment().plus(*wait).boot,
            _ => None,
        };
        record.cause = cause.clone();
        record.changed = now;
        record.exit_code = code;
        if state == TaskState::Running && record.started.is_none() {
            record.started = Some(now);
        }
        if state.is_terminal() {
            record.ended = Some(now);
        }
        let attempt = record.attempts.last().cloned();
        let id = record.id.clone();
        if state.is_terminal() && !self.attempts.contains_key(&task) {
            step.effects.push(Effect::Complete(task));
        }
        step.dirty_tasks.insert(task);
        step.task_event(task, actor, EventKind::Task { task: id, state, cause, attempt, exit_code: code });
    }

    /// Of an approval that is under way it is said what it waits for.
    fn waits_for_answer(&self, task: u32, state: TaskState, cause: Cause) -> Cause {
        let asks = self.version.asks(task);
        match cause {
            Cause::UnderWay if asks && state == TaskState::Running => Cause::WaitingForApproval,
            cause => cause,
        }
    }

    /// The run has come to another graph: the late matrix at that place is known.
    pub fn fan_out(
        &mut self,
        step: &mut Step,
        (place, version): (u32, Arc<Version>),
        values: BTreeMap<String, Vec<String>>,
    ) {
        let count = |version: &Version| u32::try_from(version.plan.count()).unwrap_or(u32::MAX);
        let first = count(&self.version);
        self.run.tasks = count(&version);
        self.version = version;
        step.dirty_run = true;
        self.keep_fan_out(step, place, FanOut { first, values });
    }

    /// Records what a late matrix has become. A run that repeats another knows it from the first.
    pub fn keep_fan_out(&mut self, step: &mut Step, place: u32, fan_out: FanOut) {
        let waiting = self.version.waiting(&self.run, place, |_| false);
        self.tasks.entry(place).or_insert(waiting).fan_out = Some(fan_out);
        step.dirty_tasks.insert(place);
    }

    fn task(&mut self, task: u32, now: Timestamp) -> &mut TaskRunRecord {
        let id = self.run.id.task(self.version.plan.task(task).id.clone());
        self.tasks.entry(task).or_insert_with(|| TaskRunRecord {
            id,
            state: TaskState::Waiting,
            cause: Cause::Completed,
            attempts: Vec::new(),
            changed: now,
            started: None,
            ended: None,
            exit_code: None,
            fan_out: None,
            due: None,
        })
    }

    /// Records the intent to start an attempt.
    pub fn intend(&mut self, step: &mut Step, (task, number): (u32, u32), id: AttemptId) {
        let Some(prepared) = step.prepared.get(&task) else { return };
        let passes = step.moment().plus(self.version.plan.group_of(task).timeout);
        let record = AttemptRecord {
            id: id.clone(),
            task: self.run.id.task(self.version.plan.task(task).id.clone()),
            number,
            scheduler: prepared.name.clone(),
            digest: prepared.spec.digest.clone(),
            created: step.now,
            started: None,
            ended: None,
            deadline: Some(passes.wall),
            exit: None,
            handle: None,
            removed: false,
            image: None,
            collected: false,
            due: passes.boot,
        };
        self.attempts.insert(task, record);
        self.task(task, step.now).attempts.push(id.clone());
        if let Some(at) = step.newest.get(&task)
            && let EventKind::Task { attempt, .. } = &mut step.events[*at].2
        {
            *attempt = Some(id);
        }
        step.dirty_tasks.insert(task);
        step.dirty_attempts.insert(task);
        step.effects.push(Effect::Start(task));
    }

    /// Records that an attempt runs, since that time: its limit counts from there, however late that is recorded.
    pub fn attempt_started(
        &mut self,
        step: &mut Step,
        (task, at): (u32, Moment),
        (handle, image): (String, Option<String>),
    ) {
        let limit = self.attempt_limit(task);
        let Some(attempt) = self.attempts.get_mut(&task) else { return };
        if attempt.started.is_none() {
            let ran = ran_for(attempt, at, (step.shown(), limit));
            attempt.due = step.boot.map(|now| now.minus(ran).plus(limit));
            let at = at.wall.min(step.now).max(attempt.created);
            attempt.started = Some(at);
            attempt.deadline = Some(at.plus(limit));
        }
        attempt.handle = attempt.handle.take().or((!handle.is_empty()).then_some(handle));
        attempt.image = attempt.image.take().or(image);
        step.dirty_attempts.insert(task);
    }

    /// Tells of an image, and answers what the task waits for now if that is new.
    pub fn image_news(&self, step: &mut Step, place: u32, news: ImageNews) -> Option<Cause> {
        let ImageNews { task, attempt, image, done, total, state } = news;
        let cause = match &state {
            ImageState::Fetching => Cause::FetchingImage(image.clone()),
            ImageState::Fetched { .. } => Cause::WaitingForScheduler,
        };
        step.event(Actor::System, EventKind::Image { task, attempt, image, done, total, state });
        self.tasks.get(&place).is_some_and(|task| task.cause != cause).then_some(cause)
    }

    /// Records how an attempt ended.
    pub fn attempt_ended(&mut self, step: &mut Step, task: u32, exit: &TaskExit) {
        let Some(attempt) = self.attempts.get_mut(&task).filter(|attempt| attempt.exit.is_none()) else {
            return;
        };
        let from = attempt.started.unwrap_or(attempt.created);
        let to = step.now.max(from);
        attempt.ended = Some(exit.at.map_or(to, |at| at.clamp(from, to)));
        attempt.exit = Some(exit.cause.clone());
        step.dirty_attempts.insert(task);
        let ran = matches!(exit.cause, Cause::ExitCode(_) | Cause::Signal(_) | Cause::OutOfMemory);
        if ran && let Some(record) = self.tasks.get_mut(&task) {
            record.started.get_or_insert(from);
        }
    }

    /// Records that all output of an attempt is stored.
    pub fn attempt_collected(&mut self, step: &mut Step, task: u32) {
        if let Some(attempt) = self.attempts.get_mut(&task) {
            attempt.collected = true;
            step.dirty_attempts.insert(task);
        }
    }

    /// Records that nothing is left of an attempt whose task goes on.
    pub fn put_away(&mut self, step: &mut Step, task: u32) {
        if let Some(mut attempt) = self.attempts.remove(&task) {
            attempt.removed = true;
            step.dirty_attempts.remove(&task);
            step.put_away.push((task, attempt));
        }
    }

    /// Everything of the step as one transaction. What has ended leaves the book.
    pub fn transaction(&mut self, step: &mut Step, new: bool) -> Tx {
        let mut tx = Tx::default();
        if new {
            tx.create_run(&self.run);
        } else if step.dirty_run {
            tx.put_run(&self.run);
        }
        for task in std::mem::take(&mut step.dirty_tasks) {
            if let Some(record) = self.tasks.get(&task) {
                tx.put_task(task, record);
                if record.state.is_terminal() {
                    self.tasks.remove(&task);
                }
            }
        }
        for (task, record) in step.put_away.drain(..) {
            tx.put_attempt(task, &record);
        }
        for task in std::mem::take(&mut step.dirty_attempts) {
            if let Some(record) = self.attempts.get(&task) {
                tx.put_attempt(task, record);
            }
        }
        for (at, actor, kind) in step.events.drain(..) {
            tx.event(at, actor, kind);
        }
        tx
    }

    /// The next step of putting the run away: at most so many attempts of which nothing is left, behind the last of them the run. Also
    /// whether it is the last step.
    pub fn farewell(&mut self, most: usize) -> (Tx, bool) {
        let mut tx = Tx::default();
        for (task, mut attempt) in std::iter::from_fn(|| self.attempts.pop_first()).take(most) {
            attempt.removed = true;
            tx.put_attempt(task, &attempt);
        }
        let last = self.attempts.is_empty();
        if last {
            tx.release_run(&self.run.id);
        }
        (tx, last)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use gofer_types::pipeline::{Action, QueuePolicy};
    use gofer_types::{
        Namespace, Pipeline, PipelineId, PipelineRef, RunNumber, SchedulerName, Task, TaskId, VersionNumber,
        VersionRecord,
    };

    use super::*;

    fn config() -> Pipeline {
        Pipeline {
            id: PipelineId::new("p").unwrap(),
            name: "p".to_owned(),
            description: String::new(),
            namespace: None,
            labels: BTreeMap::new(),
            parallelism: 0,
            queue: QueuePolicy::Wait,
            timeout: None,
            logging: true,
            exec: false,
            variables: BTreeMap::new(),
            triggers: Vec::new(),
            notifiers: Vec::new(),
            tasks: vec![Task::new(TaskId::new("t").unwrap(), Action::Image)],
        }
    }

    pub(crate) fn book() -> Book {
        let pipeline = PipelineRef { namespace: Namespace::default_name(), pipeline: config().id };
        let record = VersionRecord {
            pipeline: pipeline.clone(),
            version: VersionNumber(1),
            created: Timestamp::default(),
            actor: Actor::System,
            digest: String::new(),
            config: config(),
        };
        let version = Version::new(record, Duration::from_secs(60)).unwrap();
        Book::new(RunRecord::new(pipeline.run(RunNumber(1)), Timestamp::default()), version)
    }

    pub(crate) fn attempt(book: &Book, place: u32) -> AttemptRecord {
        AttemptRecord {
            id: AttemptId::from_u128(u128::from(place)),
            task: book.run.id.task(TaskId::new("t").unwrap()),
            number: 1,
            scheduler: SchedulerName::new("s").unwrap(),
            digest: String::new(),
            created: Timestamp::default(),
            started: None,
            ended: None,
            deadline: None,
            exit: None,
            handle: None,
            removed: false,
            image: None,
            collected: false,
            due: None,
        }
    }

    #[test]
    fn a_run_is_put_away_in_steps_of_which_only_the_last_lets_go_of_it() {
        for (attempts, steps) in [(0, 1), (1, 1), (2, 1), (3, 2), (5, 3)] {
            let mut book = book();
            for place in 0..attempts {
                book.attempts.insert(place, attempt(&book, place));
            }
            let mut lasts = Vec::new();
            while lasts.last() != Some(&true) {
                let before = book.attempts.len();
                let (tx, last) = book.farewell(2);
                assert!(!tx.is_empty() && before - book.attempts.len() <= 2);
                lasts.push(last);
            }
            assert_eq!((lasts.len(), book.attempts.len()), (steps, 0), "{attempts}");
        }
    }
}
