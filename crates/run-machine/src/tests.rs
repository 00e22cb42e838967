//! The machine against the model: random graphs, outcomes, orders, cancels, deadlines, repeated and late facts; and a
//! restart from records after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gofer_types::pipeline::{Action, Axis, QueuePolicy, Retry};
use gofer_types::record::CancelRequest;
use gofer_types::{
    Actor, AttemptId, Cause, Condition, Namespace, Pipeline, PipelineId, PipelineRef, RetryOf, RunNumber,
    RunRecord, RunState, Span, Task, TaskId, TaskRunRecord, TaskSet, TaskState, Timestamp,
};
use proptest::prelude::*;

use super::model::{Event, Model, ModelTask, Outcome, Place, Wanted, Why};
use super::{Decision, Fact, Plan, RunMachine, Selection};

fn task_id(number: usize) -> TaskId {
    TaskId::new(format!("t{number}")).unwrap()
}

fn pipeline(tasks: &[ModelTask]) -> Pipeline {
    let task = |(number, model): (usize, &ModelTask)| {
        let mut task = Task::new(task_id(number), Action::Image);
        task.allow_failure = model.allow_failure;
        task.cleanup = model.cleanup;
        task.depends_on =
            model.parents.iter().map(|(parent, condition)| (task_id(*parent), *condition)).collect();
        if model.becomes.is_some() {
            task.matrix = BTreeMap::from([("n".to_owned(), Axis::Object("list".to_owned()))]);
        } else if model.instances > 1 {
            task.matrix = BTreeMap::from([("n".to_owned(), numbers(model.instances).into())]);
        }
        task.retry = (model.attempts > 1).then(|| Retry {
            attempts: model.attempts,
            backoff: Span::from_secs(1),
            factor: 2.0,
            max_backoff: Span::from_secs(60),
            on: model.on.iter().map(ToString::to_string).collect(),
            exit_codes: Vec::new(),
        });
        task
    };
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
        tasks: tasks.iter().enumerate().map(task).collect(),
    }
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|value| value.to_string()).collect()
}

/// The graph once the late matrix of that group is known.
fn fanned(plan: &Plan, tasks: &[ModelTask], group: usize) -> Plan {
    let values = BTreeMap::from([("n".to_owned(), numbers(tasks[group].becomes.unwrap_or(0)))]);
    plan.fan_out(&pipeline(tasks), u32::try_from(group).unwrap(), &values).unwrap()
}

/// What the driver would have written.
struct Records {
    run: RunRecord,
    tasks: BTreeMap<u32, TaskRunRecord>,
    ids: Vec<TaskId>,
}

impl Records {
    fn new(tasks: usize, wanted: &Wanted) -> Self {
        let place = |place: &usize| u32::try_from(*place).unwrap();
        let set = |places: &[usize]| places.iter().map(place).collect::<TaskSet>();
        let pipeline =
            PipelineRef { namespace: Namespace::default_name(), pipeline: PipelineId::new("p").unwrap() };
        let run = RunRecord {
            tasks: u32::try_from(tasks).unwrap(),
            chosen: (!wanted.chosen.is_empty()).then(|| set(&wanted.chosen)),
            retry: (!wanted.reused.is_empty()).then(|| RetryOf {
                run: RunNumber(7),
                reused: set(&wanted.reused),
                answers: BTreeMap::new(),
            }),
            ..RunRecord::new(pipeline.run(RunNumber(1)), Timestamp::default())
        };
        Self { run, tasks: BTreeMap::new(), ids: Vec::new() }
    }

    fn task(&mut self, task: u32) -> &mut TaskRunRecord {
        let id =
            self.run.id.task(self.ids.get(task as usize).cloned().unwrap_or_else(|| task_id(task as usize)));
        self.tasks.entry(task).or_insert_with(|| TaskRunRecord {
            id,
            state: TaskState::Waiting,
            cause: Cause::Completed,
            attempts: Vec::new(),
            changed: Timestamp::default(),
            started: None,
            ended: None,
            exit_code: None,
            fan_out: None,
        })
    }

    fn write(&mut self, decision: &Decision) {
        match decision {
            Decision::Run(state, cause) => (self.run.state, self.run.cause) = (*state, cause.clone()),
            Decision::Cancel(request) => self.run.cancel = Some(request.clone()),
            Decision::Task { task, state, cause, exit_code } => {
                let record = self.task(*task);
                assert!(!record.state.is_terminal(), "INV-9: an end is final");
                let again = matches!(cause, Cause::WaitingForRetry { .. });
                let forwards = rank(*state) >= rank(record.state);
                assert!(forwards || again, "INV-10: {} after {}", state, record.state);
                (record.state, record.cause, record.exit_code) = (*state, cause.clone(), *exit_code);
            }
            Decision::Start(task, attempt) => {
                let record = self.task(*task);
                record.attempts.push(AttemptId::from_u128(u128::from(*attempt)));
                assert_eq!(record.attempts.len(), *attempt as usize, "INV-16: one attempt after the other");
            }
            Decision::Want(_)
            | Decision::Unwant(_)
            | Decision::Free(_)
            | Decision::Stop(..)
            | Decision::Rest(..) => {}
        }
    }
}

fn rank(state: TaskState) -> u8 {
    match state {
        TaskState::Waiting => 0,
        TaskState::Pending => 1,
        TaskState::Running => 2,
        _ => 3,
    }
}

/// A machine, the model beside it, and everything that is promised about them.
struct Bench {
    machine: RunMachine,
    model: Model,
    plan: Arc<Plan>,
    records: Records,
    waiting_for_slot: BTreeSet<u32>,
    /// The attempts that were to be killed.
    killed: BTreeSet<(u32, u32)>,
    slots: i64,
    ended: bool,
}

impl Bench {
    fn new(tasks: &[ModelTask]) -> Self {
        let plan = Plan::new(&pipeline(tasks), Duration::from_secs(60)).unwrap();
        Self::on(Arc::new(plan), tasks, Wanted::default())
    }

    /// On a graph some of whose late matrices are known already.
    fn on(plan: Arc<Plan>, tasks: &[ModelTask], wanted: Wanted) -> Self {
        let mut records = Records::new(plan.count(), &wanted);
        records.ids = plan.tasks.iter().map(|task| task.id.clone()).collect();
        let mut model = Model::new(tasks.to_vec(), wanted);
        let mut known: Vec<_> = plan.groups.iter().filter(|group| !group.fanned.is_empty()).collect();
        known.sort_by_key(|group| group.fanned.start);
        known.iter().for_each(|group| model.fan_out(group.own.start as usize));
        Self {
            machine: RunMachine::new(Arc::clone(&plan), &records.run),
            model,
            plan,
            records,
            waiting_for_slot: BTreeSet::new(),
            killed: BTreeSet::new(),
            slots: 0,
            ended: false,
        }
    }

    /// Tells the machine and the model, and looks at everything.
    fn tell(&mut self, fact: Fact, event: Option<Event>) {
        let is_slot = matches!(fact, Fact::Slot(_));
        let observed = match &fact {
            Fact::Ended(_, _, Cause::ExitCode(code)) | Fact::EndedInTime(_, _, Cause::ExitCode(code)) => {
                Some(*code)
            }
            _ => None,
        };
        self.slots += i64::from(is_slot);
        let cancelled = self.records.run.cancel.is_some();
        if let Fact::FannedOut(task, attempt, plan) = &fact
            && self.machine.is_under_way(*task, *attempt)
        {
            self.plan = Arc::clone(plan);
            self.records.run.tasks = u32::try_from(plan.count()).unwrap();
            self.records.ids = plan.tasks.iter().map(|task| task.id.clone()).collect();
        }
        let decisions = self.machine.apply(fact);
        if let Some(event) = event {
            self.model.step(event);
        }
        for decision in &decisions {
            self.look(decision, observed, cancelled);
            self.records.write(decision);
        }
        self.answer_wishes(&decisions);
        self.compare();
    }

    fn look(&mut self, decision: &Decision, observed: Option<i32>, cancelled: bool) {
        let is_slot = matches!(decision, Decision::Free(_));
        assert!(!self.ended || is_slot, "INV-7: nothing follows the end of the run: {decision:?}");
        match decision {
            Decision::Start(task, attempt) => {
                for (parent, condition) in self.plan.parents_of(*task) {
                    let state =
                        self.records.tasks.get(&parent).map_or(TaskState::Waiting, |parent| parent.state);
                    assert!(condition.holds(state), "INV-1, INV-2: {condition} of a parent that is {state}");
                }
                let cleanup = self.plan.group_of(*task).cleanup;
                let limit = self.plan.group_of(*task).retry.as_ref().map_or(1, |rule| rule.attempts);
                assert!(*attempt <= limit, "INV-38: attempt {attempt} of {limit}");
                assert!(!cancelled || cleanup, "INV-35: a start after the cancel");
            }
            Decision::Task { state, exit_code, .. } => {
                assert!(exit_code.is_none() || *exit_code == observed, "INV-12: a code that nobody saw");
                assert!(exit_code.is_none() || state.is_terminal());
            }
            Decision::Run(state, _) => self.ended = state.is_terminal(),
            Decision::Free(_) => self.slots -= 1,
            Decision::Stop(task, attempt, true) => drop(self.killed.insert((*task, *attempt))),
            _ => {}
        }
    }

    /// Wishes for a slot are refused at first, so that the test says when they are granted.
    fn answer_wishes(&mut self, decisions: &[Decision]) {
        for decision in decisions {
            match decision {
                Decision::Want(task) => {
                    self.waiting_for_slot.insert(*task);
                    let told = self.machine.apply(Fact::NoSlot(*task, "the limit".to_owned()));
                    told.iter().for_each(|decision| self.records.write(decision));
                }
                Decision::Unwant(task) => drop(self.waiting_for_slot.remove(task)),
                _ => {}
            }
        }
    }

    fn compare(&self) {
        assert_eq!(self.machine.state(), self.model.run_state(), "the run");
        assert_eq!(self.records.run.state, self.model.run_state(), "the record of the run");
        for task in 0..self.plan.count() {
            let number = u32::try_from(task).unwrap();
            let record = self.records.tasks.get(&number);
            let state = record.map_or(TaskState::Waiting, |record| record.state);
            assert_eq!(state, self.model.task_state(task), "task {task}");
            // reading an empty list is no attempt of the author's task
            if state == TaskState::Skipped && !self.plan.reads_values(number) {
                let attempts = record.map_or(0, |record| record.attempts.len());
                assert_eq!(attempts, 0, "INV-3: a skipped task has no attempt");
            }
        }
        let holding = |place: &&Place| matches!(place, Place::Asked(_) | Place::Running(_));
        let holders = self.model.places.iter().filter(holding).count();
        assert_eq!(self.slots, i64::try_from(holders).unwrap(), "INV-27: slots");
        let again = self.restart();
        let force = self.records.run.cancel.as_ref().is_some_and(|cancel| cancel.force);
        for (number, place) in (0_u32..).zip(&self.model.places) {
            // what cleans up may have begun behind the wish
            if let Place::Asked(Some(why)) | Place::Running(Some(why)) = place
                && (*why == Why::Cancel || !self.model.task(number as usize).cleanup)
            {
                let attempt = self.attempt(number as usize);
                assert_eq!(self.killed.contains(&(number, attempt)), force, "force kills, and nothing else");
                assert!(again.under_way().contains(&Decision::Stop(number, attempt, force)), "INV-24");
            }
        }
    }

    /// INV-24: the machine that is rebuilt from records is the machine that wrote them.
    fn restart(&self) -> RunMachine {
        let tasks = self.records.tasks.iter().map(|(task, record)| (*task, record));
        let mut again = RunMachine::restore(&self.plan, &self.records.run, tasks).unwrap();
        for (place, at) in (0_u32..).zip(&self.model.places) {
            // how much of a rest is over is told again
            if let Place::Resting { rested, away } = at {
                let attempt = u32::try_from(self.records.tasks[&place].attempts.len()).unwrap();
                let told = [(rested, Fact::Rested(place, attempt)), (away, Fact::PutAway(place, attempt))];
                for (_, fact) in told.into_iter().filter(|(is, _)| **is) {
                    assert!(again.apply(fact).is_empty());
                }
            }
        }
        assert_eq!(again, self.machine);
        let wanted: BTreeSet<u32> = again
            .under_way()
            .into_iter()
            .filter_map(|decision| match decision {
                Decision::Want(task) => Some(task),
                _ => None,
            })
            .collect();
        assert_eq!(wanted, self.waiting_for_slot);
        again
    }

    fn attempt(&self, task: usize) -> u32 {
        let record = self.records.tasks.get(&u32::try_from(task).unwrap());
        record.map_or(0, |record| u32::try_from(record.attempts.len()).unwrap())
    }

    fn start(&mut self, task: usize, startable: bool) {
        let number = u32::try_from(task).unwrap();
        if !self.waiting_for_slot.remove(&number) {
            return;
        }
        if startable {
            self.tell(Fact::Slot(number), Some(Event::Slot(task)));
        } else {
            let reason = "no such image".to_owned();
            self.tell(Fact::Refused(number, 0, reason), Some(Event::NotStartable(task)));
        }
    }

    fn started(&mut self, task: usize) {
        let (number, attempt) = (u32::try_from(task).unwrap(), self.attempt(task));
        if attempt > 0 {
            self.tell(Fact::Started(number, attempt), Some(Event::Started(task)));
        }
    }

    fn over(&mut self, task: usize, outcome: Outcome) {
        self.over_as(task, outcome, false);
    }

    fn over_as(&mut self, task: usize, outcome: Outcome, in_time: bool) {
        let (number, attempt) = (u32::try_from(task).unwrap(), self.attempt(task));
        if attempt > 1 {
            // late news of a former attempt
            self.tell(Fact::Ended(number, attempt - 1, Cause::ExitCode(0)), None);
            self.tell(Fact::Started(number, attempt - 1), None);
            self.tell(Fact::Overdue(number, attempt - 1, Duration::from_secs(1)), None);
        }
        if attempt > 0 {
            let reads = outcome == Outcome::Zero && self.model.reads_values(task);
            let fact = match outcome {
                Outcome::Zero if reads => {
                    let group = self.model.of[task];
                    // a second reading would be of another run
                    let known = !self.plan.groups[group].fanned.is_empty();
                    let plan = if known { self.plan.as_ref().clone() } else { self.fanned(group) };
                    Fact::FannedOut(number, attempt, Arc::new(plan))
                }
                Outcome::CannotStart => Fact::Refused(number, attempt, "no".to_owned()),
                other if in_time => Fact::EndedInTime(number, attempt, cause(other)),
                other => Fact::Ended(number, attempt, cause(other)),
            };
            let seen = in_time && outcome != Outcome::CannotStart;
            let event = match (reads, seen) {
                (true, _) => Event::FannedOut(task),
                (false, true) => Event::OverInTime(task, outcome),
                (false, false) => Event::Over(task, outcome),
            };
            self.tell(fact.clone(), Some(event));
            // the same once more, and one about an attempt that is not there
            self.tell(fact, None);
            self.tell(Fact::Ended(number, attempt + 1, Cause::ExitCode(0)), None);
        }
    }

    fn fanned(&self, group: usize) -> Plan {
        fanned(&self.plan, &self.model.tasks, group)
    }

    /// How the task at a place ends: the same, whatever place it has got.
    fn outcome(&self, task: usize, outcomes: &[Outcome]) -> Outcome {
        let first =
            self.model.read_by[task].and_then(|by| self.model.read_by.iter().position(|at| *at == Some(by)));
        outcomes[first.map_or(task, |first| self.model.of[task] + task - first) % outcomes.len()]
    }

    /// The former attempt is put away, or its backoff is over; also if nobody rests.
    fn rest(&mut self, task: usize, away: bool) {
        let (number, attempt) = (u32::try_from(task).unwrap(), self.attempt(task));
        if attempt > 0 {
            let (fact, event) = if away {
                (Fact::PutAway(number, attempt), Event::PutAway(task))
            } else {
                (Fact::Rested(number, attempt), Event::Rested(task))
            };
            self.tell(fact, Some(event));
            self.tell(Fact::Rested(number, attempt + 1), None);
            self.tell(Fact::PutAway(number, attempt - 1), None);
        }
    }

    fn deadline(&mut self, task: usize) {
        let (number, attempt) = (u32::try_from(task).unwrap(), self.attempt(task));
        if attempt > 0 {
            let fact = Fact::Overdue(number, attempt, Duration::from_secs(1));
            self.tell(fact, Some(Event::Deadline(task)));
        }
    }

    fn cancel(&mut self, force: bool) {
        let request = CancelRequest {
            actor: Actor::User("me".to_owned()),
            reason: "enough".to_owned(),
            at: Timestamp::default(),
            force,
        };
        self.tell(Fact::Cancel(request), Some(Event::Cancel { force }));
    }

    fn do_one(&mut self, pick: u32, outcomes: &[Outcome]) {
        let task = (pick >> 8) as usize % self.plan.count();
        match pick % 32 {
            0 => self.cancel(false),
            1 => self.cancel(true),
            2 => self.tell(Fact::RunOverdue(Duration::from_secs(9)), Some(Event::RunDeadline)),
            3 | 4 => self.deadline(task),
            5 => self.start(task, false),
            6..=14 => self.start(task, true),
            15..=17 => self.started(task),
            18 | 19 => self.rest(task, false),
            20 | 21 => self.rest(task, true),
            22 => {
                // a slot for somebody who does not want one comes back
                if !self.machine.wants_slot(u32::try_from(task).unwrap()) {
                    self.tell(Fact::Slot(u32::try_from(task).unwrap()), None);
                }
            }
            23 | 24 => self.over_as(task, self.outcome(task, outcomes), true),
            _ => self.over(task, self.outcome(task, outcomes)),
        }
    }

    /// Lets everything come to its end.
    fn drain(&mut self, outcomes: &[Outcome], order: &[usize]) {
        self.tell(Fact::Admitted, Some(Event::Admitted));
        let mut rounds = 0;
        while !self.machine.state().is_terminal() {
            let more = order.len()..self.plan.count();
            for task in order.iter().copied().chain(more) {
                self.start(task, true);
                self.over(task, self.outcome(task, outcomes));
                self.rest(task, false);
                self.rest(task, true);
            }
            rounds += 1;
            assert!(rounds <= 3 * self.plan.count() + 1, "INV-30: the run comes to an end");
        }
        assert_eq!(self.slots, 0, "INV-27: nothing is held at the end");
    }

    fn ends(&self) -> (RunState, BTreeMap<TaskId, TaskState>) {
        let tasks = self.plan.tasks.iter().enumerate();
        let states = tasks.map(|(place, task)| (task.id.clone(), self.model.task_state(place))).collect();
        (self.machine.state(), states)
    }
}

fn cause(outcome: Outcome) -> Cause {
    match outcome {
        Outcome::Zero => Cause::ExitCode(0),
        Outcome::Other => Cause::ExitCode(3),
        Outcome::Signal => Cause::Signal(9),
        Outcome::Memory => Cause::OutOfMemory,
        Outcome::Lost => Cause::Lost("gone".to_owned()),
        Outcome::CannotStart => Cause::CannotStart("no".to_owned()),
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        10 => Just(Outcome::Zero),
        3 => Just(Outcome::Other),
        1 => Just(Outcome::Signal),
        1 => Just(Outcome::Memory),
        1 => Just(Outcome::Lost),
        1 => Just(Outcome::CannotStart),
    ]
}

/// What a task is made of: edges, conditions, whether it may fail, whether it cleans up, density; combinations, attempts, ends, and
/// how many tasks it becomes late.
type Drawn = (u64, u64, u8, u8, u64, (usize, u32, usize, usize));

fn graph() -> impl Strategy<Value = Vec<ModelTask>> {
    let task = (
        any::<u64>(),
        any::<u64>(),
        0_u8..8,
        0_u8..5,
        1_u64..5,
        (0_usize..8, 0_u32..6, 0_usize..16, 0_usize..16),
    );
    proptest::collection::vec(task, 1..14).prop_map(|tasks| {
        let one =
            |(number, (edges, conditions, allow, cleanup, density, (many, attempts, on, becomes))): (
                usize,
                &Drawn,
            )| {
                let is_parent = |parent: &usize| (edges >> (parent * 3)) % 5 < *density - 1;
                let condition = |parent: usize| {
                    // mostly the usual one, so that graphs do not die early
                    match (conditions >> (parent * 3)) % 8 {
                        0 => Condition::Failure,
                        1 => Condition::Any,
                        2 => Condition::Always,
                        _ => Condition::Successful,
                    }
                };
                let parents =
                    (0..number).filter(is_parent).map(|parent| (parent, condition(parent))).collect();
                let ends = [TaskState::Failed, TaskState::Errored, TaskState::Lost, TaskState::TimedOut];
                ModelTask {
                    parents,
                    allow_failure: *allow == 0,
                    cleanup: *cleanup == 0,
                    instances: if *becomes < 4 { 1 } else { many.saturating_sub(4).max(1) },
                    becomes: (*becomes < 4).then_some(*becomes),
                    attempts: attempts.saturating_sub(2).max(1),
                    on: (0..4).filter(|bit| on & (1 << bit) != 0).map(|bit| ends[bit]).collect(),
                }
            };
        tasks.iter().enumerate().map(one).collect()
    })
}

/// A run as it is asked for: mostly all of it.
fn asked(tasks: &[ModelTask], (part, seed): (u8, u64)) -> Bench {
    let plan = Plan::new(&pipeline(tasks), Duration::from_secs(60)).unwrap();
    let pick = |seed: u64| task_id(usize::try_from(seed % tasks.len() as u64).unwrap());
    let places = |plan: &Plan, set: &TaskSet| {
        (0..plan.count()).filter(|at| set.contains(u32::try_from(*at).unwrap())).collect()
    };
    let selection = match part {
        0 => {
            Selection { only: vec![pick(seed), pick(seed >> 8)], with_parents: true, ..Selection::default() }
        }
        1 => Selection { from: vec![pick(seed)], with_parents: true, ..Selection::default() },
        2 => return retried(tasks, plan, seed),
        _ => Selection::default(),
    };
    let chosen = plan.choose(&selection).unwrap().map(|set| places(&plan, &set)).unwrap_or_default();
    Bench::on(Arc::new(plan), tasks, Wanted { chosen, reused: Vec::new() })
}

/// The retry of a run all of whose late matrices had become something.
fn retried(tasks: &[ModelTask], plan: Plan, seed: u64) -> Bench {
    let late = (0..tasks.len()).rev().filter(|group| tasks[*group].becomes.is_some());
    let former = late.fold(plan, |plan, group| fanned(&plan, tasks, group));
    let state = |place: u32| {
        let empty = former.reads_values(place) && former.group_of(place).fanned.is_empty();
        match (seed >> (place % 60)) & 7 {
            0 => TaskState::Failed,
            1 => TaskState::Skipped,
            _ if empty => TaskState::Skipped,
            _ => TaskState::Succeeded,
        }
    };
    let reused = former.reusable(&[], state).unwrap();
    let plan = former.kept(&reused);
    let reused = former.places_in(&plan, &reused);
    let reused = (0..plan.count()).filter(|at| reused.contains(u32::try_from(*at).unwrap())).collect();
    Bench::on(Arc::new(plan), tasks, Wanted { chosen: Vec::new(), reused })
}

/// How many histories are tried: what `GOFER_HISTORIES` says, for a night of them; else as many as a build has time for.
fn histories() -> u32 {
    std::env::var("GOFER_HISTORIES").map_or(2000, |number| number.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(histories()))]

    /// INV-1..4, 7..10, 12, 24, 27, 35, 36: after every step of any history the machine stands where the model stands.
    #[test]
    fn the_machine_does_what_the_model_does(
        tasks in graph(),
        outcomes in proptest::collection::vec(outcome(), 14),
        picks in proptest::collection::vec(any::<u32>(), 0..80),
        early in any::<bool>(),
        part in (0_u8..6, any::<u64>()),
    ) {
        let mut bench = asked(&tasks, part);
        bench.tell(Fact::Held("the limit".to_owned()), None);
        if !early {
            bench.tell(Fact::Admitted, Some(Event::Admitted));
        }
        for pick in picks {
            bench.do_one(pick, &outcomes);
        }
        let order: Vec<usize> = (0..bench.plan.count()).collect();
        bench.drain(&outcomes, &order);
    }

    /// INV-6: the same outcomes give the same ends, in whatever order they become known.
    #[test]
    fn the_order_of_independent_facts_does_not_matter(
        tasks in graph(),
        outcomes in proptest::collection::vec(outcome(), 14),
        order in Just((0..42_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let count: usize = tasks.iter().map(|task| task.instances).sum();
        let forwards: Vec<usize> = (0..count).collect();
        let shuffled: Vec<usize> = order.into_iter().filter(|task| *task < count).collect();
        let (mut one, mut other) = (Bench::new(&tasks), Bench::new(&tasks));
        one.drain(&outcomes, &forwards);
        other.drain(&outcomes, &shuffled);
        prop_assert_eq!(one.ends(), other.ends());
    }
}

fn chain(length: usize) -> Vec<ModelTask> {
    let parents = |number: usize| {
        number.checked_sub(1).map(|parent| (parent, Condition::Successful)).into_iter().collect()
    };
    (0..length)
        .map(|n| ModelTask { parents: parents(n), instances: 1, attempts: 1, ..ModelTask::default() })
        .collect()
}

#[test]
fn a_chain_of_ten_thousand_is_skipped_at_once() {
    let plan = Arc::new(Plan::new(&pipeline(&chain(10_000)), Duration::ZERO).unwrap());
    let mut machine = RunMachine::new(plan, &Records::new(1, &Wanted::default()).run);
    machine.apply(Fact::Admitted);
    machine.apply(Fact::Slot(0));
    machine.apply(Fact::Ended(0, 1, Cause::ExitCode(1)));
    assert_eq!(machine.state(), RunState::Failed);
}

#[test]
fn a_cycle_is_no_plan() {
    let mut tasks = chain(3);
    tasks[0].parents.push((2, Condition::Always));
    assert!(Plan::new(&pipeline(&tasks), Duration::ZERO).is_err());
}

#[test]
fn records_of_another_version_are_refused() {
    let plan = Arc::new(Plan::new(&pipeline(&chain(2)), Duration::ZERO).unwrap());
    let records = Records::new(3, &Wanted::default());
    assert!(RunMachine::restore(&plan, &records.run, std::iter::empty()).is_err());
}

#[test]
fn a_run_that_ended_without_its_tasks_is_refused() {
    let plan = Arc::new(Plan::new(&pipeline(&chain(2)), Duration::ZERO).unwrap());
    let mut records = Records::new(2, &Wanted::default());
    records.run.state = RunState::Succeeded;
    assert!(RunMachine::restore(&plan, &records.run, std::iter::empty()).is_err());
}

#[test]
fn an_exit_before_the_cancel_keeps_its_code() {
    let mut bench = Bench::new(&chain(1));
    bench.tell(Fact::Admitted, Some(Event::Admitted));
    bench.start(0, true);
    bench.over(0, Outcome::Other);
    bench.cancel(true);
    let record = &bench.records.tasks[&0];
    assert_eq!((record.state, record.exit_code), (TaskState::Failed, Some(3)));
    assert_eq!(bench.machine.state(), RunState::Failed);
}

#[test]
fn an_exit_behind_the_cancel_is_cancelled_and_keeps_its_code() {
    let mut bench = Bench::new(&chain(1));
    bench.tell(Fact::Admitted, Some(Event::Admitted));
    bench.start(0, true);
    bench.cancel(false);
    bench.over(0, Outcome::Zero);
    let record = &bench.records.tasks[&0];
    assert_eq!((record.state, record.exit_code), (TaskState::Cancelled, Some(0)));
    assert_eq!(record.cause, Cause::Cancelled("enough".to_owned()));
    assert_eq!(bench.machine.state(), RunState::Cancelled);
}

#[test]
fn what_an_attempt_waits_for_is_told_until_it_runs_or_is_to_end() {
    let plan = Arc::new(Plan::new(&pipeline(&chain(1)), Duration::ZERO).unwrap());
    let waits = |attempt| Fact::Waits(0, attempt, Cause::FetchingImage("alpine:3".to_owned()));
    let mut machine = RunMachine::new(plan, &Records::new(1, &Wanted::default()).run);
    machine.apply(Fact::Admitted);
    assert!(machine.apply(waits(0)).is_empty(), "there is no attempt yet");
    machine.apply(Fact::Slot(0));
    let told = machine.apply(waits(1));
    assert!(
        matches!(&told[..], [Decision::Task { state: TaskState::Pending, cause, .. }] if *cause == Cause::FetchingImage("alpine:3".to_owned()))
    );
    let mut stopped = machine.clone();
    stopped.apply(Fact::Overdue(0, 1, Duration::from_secs(1)));
    assert!(stopped.apply(waits(1)).is_empty(), "it is to end");
    machine.apply(Fact::Started(0, 1));
    assert!(machine.apply(waits(1)).is_empty(), "it runs");
    assert!(machine.apply(waits(2)).is_empty(), "another attempt");
}
