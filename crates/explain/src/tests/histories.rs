//! Whatever a run gets into: the machine is told random facts, and everything is explained after each of them.

use gofer_run_machine::{Decision, Fact, RunMachine};
use gofer_types::record::CancelRequest;
use proptest::prelude::*;

use super::*;
use crate::{Scene, TaskScene, explain_run, explain_task};

/// What the driver would have written.
struct Book {
    run: RunRecord,
    tasks: BTreeMap<u32, TaskRunRecord>,
    attempts: BTreeMap<u32, Vec<AttemptRecord>>,
}

impl Book {
    fn write(&mut self, plan: &Plan, decision: Decision) {
        match decision {
            Decision::Run(state, cause) => (self.run.state, self.run.cause) = (state, cause),
            Decision::Cancel(request) => self.run.cancel = Some(request),
            Decision::Task { task, state, cause, exit_code } => {
                let name = plan.task(task).id.to_string();
                let attempts = self.tasks.get(&task).map(|task| task.attempts.clone()).unwrap_or_default();
                let record = task_run(&self.run, &name, state, cause);
                self.tasks.insert(task, TaskRunRecord { attempts, exit_code, ..record });
            }
            Decision::Start(task, number) => {
                let record = self.tasks.get_mut(&task).unwrap();
                let attempt = attempt(record, number, None);
                record.attempts.push(attempt.id.clone());
                self.attempts.entry(task).or_default().push(attempt);
            }
            Decision::Want(_)
            | Decision::Unwant(_)
            | Decision::Free(_)
            | Decision::Stop(..)
            | Decision::Rest(..) => {}
        }
    }

    /// Everything is explained, and by nothing that only a programmer understands.
    fn check(&self, plan: &Plan) {
        let states: BTreeMap<u32, TaskState> =
            self.tasks.iter().map(|(place, task)| (*place, task.state)).collect();
        let grace = Duration::from_secs(300);
        let scene = Scene { run: &self.run, plan, states: &states, hold: None, grace, now: at(150) };
        let mut told = vec![(self.run.state.to_string(), self.run.cause.clone(), explain_run(&scene))];
        for place in 0..u32::try_from(plan.count()).unwrap() {
            let waiting =
                || task_run(&self.run, plan.task(place).id.as_str(), TaskState::Waiting, Cause::UnderWay);
            let task = self.tasks.get(&place).cloned().unwrap_or_else(waiting);
            assert_ne!(task.cause, Cause::Completed, "a task that is {} without a cause", task.state);
            let attempts = self.attempts.get(&place).map_or(&[][..], Vec::as_slice);
            let subject = TaskScene { place, task: &task, attempts, hold: None };
            told.push((task.state.to_string(), task.cause.clone(), explain_task(&scene, &subject)));
        }
        for (state, cause, explanation) in told {
            let all: Vec<&String> = std::iter::once(&explanation.text).chain(&explanation.details).collect();
            for text in all {
                let plain =
                    !text.is_empty() && !text.contains(['{', '}', '(', '"']) || text.contains("(manual)");
                assert!(plain, "{state}, {cause:?}: {text}");
            }
        }
    }
}

fn exit(pick: u32) -> Cause {
    match pick % 8 {
        0 => Cause::ExitCode(1),
        1 => Cause::Signal(9),
        2 => Cause::OutOfMemory,
        3 => Cause::Lost("gone".to_owned()),
        4 => Cause::CannotStart("no image".to_owned()),
        _ => Cause::ExitCode(0),
    }
}

fn fact(machine: &RunMachine, pick: u32, count: u32) -> Fact {
    let task = (pick >> 8) % count;
    let attempt = machine.next_attempt(task) - 1;
    match pick % 24 {
        0 => Fact::Cancel(CancelRequest {
            actor: Actor::System,
            reason: String::new(),
            at: at(1),
            force: pick.is_multiple_of(7),
        }),
        1 => Fact::RunOverdue(Duration::from_secs(9)),
        2 => Fact::Overdue(task, attempt, Duration::from_secs(5)),
        3 => Fact::Refused(task, 0, "no such scheduler".to_owned()),
        4 => Fact::NoSlot(task, "the server's limit of 1 running tasks".to_owned()),
        5 => Fact::Waits(task, attempt, Cause::FetchingImage("alpine:3".to_owned())),
        6 => Fact::NeverRan(task, attempt),
        7 | 8 => Fact::PutAway(task, attempt),
        9 | 10 => Fact::Rested(task, attempt),
        11..=13 => Fact::Started(task, attempt),
        14..=18 => Fact::Slot(task),
        _ => Fact::Ended(task, attempt, exit(pick >> 16)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn nothing_is_ever_without_a_cause_that_people_understand(
        picks in proptest::collection::vec(any::<u32>(), 0..120),
        queued in 0_usize..6,
    ) {
        let plan = plan();
        let run = RunRecord { state: RunState::Queued, started: None, ..run() };
        let mut machine = RunMachine::new(Arc::clone(&plan), &run);
        let mut book = Book { run, tasks: BTreeMap::new(), attempts: BTreeMap::new() };
        let count = u32::try_from(plan.count()).unwrap();
        for (step, pick) in picks.into_iter().enumerate() {
            let fact = match step {
                0 => Fact::Held("the server's limit of 1 running runs".to_owned()),
                step if step == queued + 1 => Fact::Admitted,
                _ => fact(&machine, pick, count),
            };
            for decision in machine.apply(fact) {
                book.write(&plan, decision);
            }
            book.check(&plan);
        }
    }
}
