//! The situations, each with its whole explanation.

use gofer_queue::{Hold, Limit, Rate};
use gofer_types::record::CancelRequest;
use gofer_types::{Answer, RetryOf};

use super::*;
use crate::{Explanation, Scene, TaskScene, explain_run, explain_task};

const GRACE: Duration = Duration::from_secs(300);

fn hold(limit: Limit) -> Option<Hold> {
    Some(Hold { limit, place: 2, of: 5 })
}

fn cancel(reason: &str, force: bool) -> Option<CancelRequest> {
    Some(CancelRequest {
        actor: Actor::User("bob".to_owned()),
        reason: reason.to_owned(),
        at: at(130),
        force,
    })
}

fn answer(note: &str) -> Box<Answer> {
    Box::new(Answer { actor: Actor::User("eve".to_owned()), note: note.to_owned(), fields: BTreeMap::new() })
}

fn child(state: RunState) -> Cause {
    Cause::ChildRun { run: run().id, state }
}

fn shown(name: &str, subject: &str, explanation: &Explanation) -> String {
    let mut lines = vec![format!("## {name}"), format!("{subject}: {}", explanation.text)];
    lines.extend(explanation.details.iter().map(|detail| format!("  {detail}")));
    lines.extend(explanation.next.iter().map(|next| format!("  next: {next}")));
    lines.join("\n")
}

/// A run with the states of some of its tasks; the others wait.
struct Around {
    run: RunRecord,
    hold: Option<Hold>,
    states: Vec<(&'static str, TaskState)>,
}

impl Around {
    fn new() -> Self {
        Self { run: run(), hold: None, states: vec![("fetch", TaskState::Succeeded)] }
    }

    fn with(run: RunRecord) -> Self {
        Self { run, ..Self::new() }
    }

    fn states(mut self, states: &[(&'static str, TaskState)]) -> Self {
        self.states = states.to_vec();
        self
    }

    fn scene<T>(&self, look: impl FnOnce(&Scene<'_>) -> T) -> T {
        let plan = plan();
        let states = self.states.iter().map(|(name, state)| (plan.number(&id(name)).unwrap(), *state));
        let states = states.collect();
        look(&Scene {
            run: &self.run,
            plan: &plan,
            states: &states,
            hold: self.hold,
            grace: GRACE,
            now: at(150),
        })
    }

    fn run_as(&self, name: &str) -> String {
        self.scene(|scene| {
            shown(name, &format!("run {} is {}", scene.run.id, scene.run.state), &explain_run(scene))
        })
    }

    fn task_as(&self, name: &str, task: &TaskRunRecord, exits: &[Option<Cause>]) -> String {
        self.held_as(name, task, exits, None)
    }

    fn held_as(
        &self,
        name: &str,
        task: &TaskRunRecord,
        exits: &[Option<Cause>],
        hold: Option<Hold>,
    ) -> String {
        let attempts: Vec<AttemptRecord> =
            (1..).zip(exits).map(|(number, exit)| attempt(task, number, exit.clone())).collect();
        self.scene(|scene| {
            let place = scene.plan.number(&task.id.task).unwrap();
            let explanation = explain_task(scene, &TaskScene { place, task, attempts: &attempts, hold });
            shown(name, &format!("{} is {}", task.id, task.state), &explanation)
        })
    }
}

fn queued(limit: Limit) -> Around {
    let cause = Cause::WaitingForSlot(limit.to_string());
    let run = RunRecord { state: RunState::Queued, cause, started: None, deadline: None, ..run() };
    Around { hold: hold(limit), ..Around::with(run).states(&[]) }
}

fn ended(state: RunState, cause: Cause) -> RunRecord {
    RunRecord { state, cause, ended: Some(at(145)), ..run() }
}

#[expect(clippy::too_many_lines, reason = "a table, one situation after another")]
fn runs() -> Vec<String> {
    use TaskState::{Cancelled, Errored, Failed, Running, Skipped, Succeeded, TimedOut};
    let builds = [("build[1]", Succeeded), ("build[2]", Running), ("build[3]", TaskState::Pending)];
    let all_but = |last: &[(&'static str, TaskState)]| {
        let first = ["fetch", "build[1]", "build[2]", "build[3]", "ask"].map(|name| (name, Succeeded));
        [&first, last].concat()
    };
    let next = RunRecord {
        state: RunState::Queued,
        cause: Cause::Completed,
        started: None,
        deadline: None,
        ..run()
    };
    let half = RunRecord { chosen: Some([0, 1, 2, 3].into_iter().collect()), priority: 5, ..run() };
    let retry = RunRecord {
        retry: Some(RetryOf {
            run: RunNumber(11),
            reused: [0, 1].into_iter().collect(),
            answers: BTreeMap::new(),
        }),
        ..ended(RunState::Succeeded, Cause::Completed)
    };
    let stopped = |force| RunRecord { cancel: cancel("wrong branch", force), ..run() };
    let over = Cause::Cancelled("wrong branch".to_owned());
    vec![
        queued(Limit::Pipeline { parallelism: 1 }).run_as("a run behind another of its pipeline"),
        queued(Limit::Predecessors).run_as("a run behind one that may not start yet"),
        queued(Limit::Namespace { runs: 20 }).run_as("a run in a busy namespace"),
        queued(Limit::Server { runs: 100 }).run_as("a run on a busy server"),
        queued(Limit::Rate(Rate::new(10, Duration::from_secs(60)).unwrap()))
            .run_as("a run that the rate holds back"),
        queued(Limit::Replaced).run_as("a run that a newer one replaces"),
        Around::with(next).states(&[]).run_as("a run in the instant before it begins"),
        Around::new()
            .states(&[&[("fetch", Succeeded)], &builds[..]].concat())
            .run_as("a run that is under way"),
        Around::with(half).run_as("a run for some of its tasks, and urgent"),
        Around::with(stopped(false))
            .states(&builds)
            .run_as("a run that was cancelled and waits for its tasks"),
        Around::with(stopped(true)).states(&builds[1..2]).run_as("a run whose tasks are being killed"),
        Around::with(RunRecord { cause: Cause::RunDeadline(Duration::from_secs(7200)), ..run() })
            .states(&builds)
            .run_as("a run that is late and waits for its tasks"),
        Around::with(retry)
            .states(&all_but(&[
                ("test", Succeeded),
                ("lint", Succeeded),
                ("report", Skipped),
                ("sweep", Succeeded),
            ]))
            .run_as("a retry that succeeded"),
        Around::with(ended(RunState::Succeeded, Cause::Completed))
            .states(&all_but(&[
                ("test", Succeeded),
                ("lint", Failed),
                ("report", Skipped),
                ("sweep", Succeeded),
            ]))
            .run_as("a run that succeeded although a task failed"),
        Around::with(ended(RunState::Failed, Cause::Tasks(vec![id("test")])))
            .states(&all_but(&[("test", TimedOut)]))
            .run_as("a run that failed"),
        Around::with(ended(RunState::Errored, Cause::Tasks(vec![id("fetch"), id("lint")])))
            .states(&[("fetch", Errored), ("lint", TaskState::Lost)])
            .run_as("a run that errored"),
        Around::with(ended(RunState::Failed, Cause::Tasks(vec![id("build[1]"), id("ask")])))
            .states(&[("build[1]", Cancelled), ("ask", Failed)])
            .run_as("a run with an approval that was rejected and a task that was cancelled by itself"),
        Around::with(ended(RunState::Failed, Cause::Tasks(vec![id("build[1]"), id("test")])))
            .states(&[("build[1]", Failed), ("test", TimedOut)])
            .run_as("a run that failed with a combination"),
        Around::with(stopped(false))
            .states(&[("build[2]", Running), ("sweep", Running)])
            .run_as("a run that was cancelled and cleans up beside what is still to end"),
        Around::with(stopped(true))
            .states(&[("sweep", Running)])
            .run_as("a run that was killed and cleans up"),
        Around::with(stopped(true)).states(&[]).run_as("a run that was killed and is about to end"),
        Around::with(RunRecord { cancel: cancel("wrong branch", true), ..ended(RunState::Cancelled, over) })
            .states(&[("fetch", Cancelled)])
            .run_as("a run that was cancelled"),
        Around::with(ended(RunState::TimedOut, Cause::RunDeadline(Duration::from_secs(7200))))
            .run_as("a run that ran out of time"),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table, one situation after another")]
fn tasks_under_way() -> Vec<String> {
    use TaskState::{Pending, Running, Waiting};
    let around = Around::new();
    let run = &around.run;
    let slot = Limit::ServerTasks { tasks: 200 };
    let waits = |name| task_run(run, name, Waiting, Cause::WaitingForParents(Vec::new()));
    let pending = |name, cause| task_run(run, name, Pending, cause);
    let rest = Cause::WaitingForRetry {
        attempt: 2,
        of: 3,
        wait: Duration::from_secs(20),
        after: Box::new(Cause::ExitCode(101)),
    };
    let due = TaskRunRecord { changed: at(100), ..pending("test", rest.clone()) };
    let stop = |cause| task_run(run, "lint", Running, cause);
    let mut cancelled = Around::new();
    cancelled.run.cancel = cancel("", false);
    let mut killed = Around::new();
    killed.run.cancel = cancel("", true);
    vec![
        queued(slot).task_as("a task of a run that is queued", &waits("fetch"), &[]),
        around.task_as("a task that waits for some of a matrix", &waits("test"), &[]),
        Around::new().states(&[("test", Running), ("lint", Pending)]).task_as(
            "a task that waits for two parents",
            &waits("sweep"),
            &[],
        ),
        around.held_as(
            "a task without a slot",
            &pending("lint", Cause::WaitingForSlot(slot.to_string())),
            &[],
            hold(slot),
        ),
        around.held_as(
            "a task of a namespace at its limit",
            &pending("lint", Cause::WaitingForSlot(String::new())),
            &[],
            hold(Limit::NamespaceTasks { tasks: 20 }),
        ),
        around.task_as(
            "a task that gets the next slot",
            &pending("lint", Cause::WaitingForSlot(slot.to_string())),
            &[],
        ),
        around.task_as(
            "a task that the scheduler was asked for",
            &pending("lint", Cause::WaitingForScheduler),
            &[None],
        ),
        around.task_as(
            "a task whose image is on its way",
            &pending("lint", Cause::FetchingImage("rust:1.95".to_owned())),
            &[None],
        ),
        around.task_as("a task that rests", &pending("test", rest), &[Some(Cause::ExitCode(101))]),
        around.task_as("a task whose former attempt is still there", &due, &[None]),
        around.task_as(
            "a task that runs",
            &task_run(run, "test", Running, Cause::UnderWay),
            &[Some(Cause::ExitCode(101)), None],
        ),
        around.task_as("a task that asks somebody", &stop(Cause::WaitingForApproval), &[None]),
        around.task_as("a task that is late", &stop(Cause::Deadline(Duration::from_secs(1800))), &[None]),
        around.task_as("a task of a late run", &stop(Cause::RunDeadline(Duration::from_secs(7200))), &[None]),
        cancelled.task_as("a task of a cancelled run", &stop(Cause::Cancelled(String::new())), &[None]),
        killed.task_as("a task that is being killed", &stop(Cause::Cancelled("now".to_owned())), &[None]),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table, one situation after another")]
fn tasks_that_ended() -> Vec<String> {
    use TaskState::{Cancelled, Errored, Failed, Lost, Skipped, Succeeded, TimedOut};
    let goes_on = Around::new();
    let mut around = Around::with(ended(RunState::Failed, Cause::Tasks(vec![id("test")])));
    let run = around.run.clone();
    let ended = |name, state, cause: Cause| task_run(&run, name, state, cause);
    let parent = |task: &str, state, wanted| Cause::ParentState { task: id(task), state, wanted };
    let code = |code| vec![Some(Cause::ExitCode(code))];
    let lost = Cause::Lost("the container is gone".to_owned());
    let no_image = Cause::CannotStart("there is no image rust:9".to_owned());
    let late = Cause::Deadline(Duration::from_secs(1800));
    let mut all = vec![
        around.task_as("a task that succeeded", &ended("fetch", Succeeded, Cause::ExitCode(0)), &code(0)),
        around.task_as(
            "a task that succeeded at last",
            &ended("test", Succeeded, Cause::ExitCode(0)),
            &[Some(Cause::ExitCode(101)), Some(lost.clone()), Some(Cause::ExitCode(0))],
        ),
        around.task_as(
            "a task that somebody approved",
            &ended("ask", Succeeded, Cause::Approved(answer("ship it"))),
            &[None],
        ),
        around.task_as(
            "a task that somebody rejected",
            &ended("ask", Failed, Cause::Rejected(answer(""))),
            &[None],
        ),
        around.task_as(
            "a run of another pipeline that failed",
            &ended("test", Failed, child(RunState::Failed)),
            &[None],
        ),
        around.task_as(
            "a run of another pipeline that somebody cancelled",
            &ended("test", Cancelled, child(RunState::Cancelled)),
            &[None],
        ),
        around.task_as(
            "a task of an earlier run",
            &ended("fetch", Succeeded, Cause::Reused { run: RunNumber(11), answer: None }),
            &[],
        ),
        around.task_as("a task that failed", &ended("test", Failed, Cause::ExitCode(101)), &code(101)),
        goes_on.task_as(
            "a task that failed while its run goes on",
            &ended("test", Failed, Cause::ExitCode(101)),
            &code(101),
        ),
        around.task_as(
            "a task that may fail",
            &ended("lint", Failed, Cause::Signal(9)),
            &[Some(Cause::Signal(9))],
        ),
        around.task_as(
            "a task out of memory",
            &ended("test", Failed, Cause::OutOfMemory),
            &[Some(Cause::OutOfMemory)],
        ),
        around.task_as("a task that never ran", &ended("test", Errored, no_image.clone()), &[Some(no_image)]),
        around.task_as("a task that was lost", &ended("test", Lost, lost.clone()), &[Some(lost)]),
        around.task_as("a task that was too slow", &ended("test", TimedOut, late.clone()), &[Some(late)]),
        around.task_as(
            "a task that a failed parent skips",
            &ended("test", Skipped, parent("build[2]", Failed, Condition::Successful)),
            &[],
        ),
        around.task_as(
            "a task for a failure that did not come",
            &ended("report", Skipped, parent("test", Succeeded, Condition::Failure)),
            &[],
        ),
        around.task_as(
            "a task behind a skipped one",
            &ended("sweep", Skipped, parent("lint", Skipped, Condition::Any)),
            &[],
        ),
        around.task_as(
            "a task that has fanned out",
            &ended("lint", Succeeded, Cause::FannedOut { tasks: 3, values: BTreeMap::new() }),
            &[None],
        ),
        around.task_as("a task with an empty list", &ended("lint", Skipped, Cause::NothingListed), &[None]),
        around.task_as(
            "a task that did not leave what it promised",
            &ended(
                "test",
                Failed,
                Cause::CannotKeep("the artefact `dist` cannot be taken: dist is not there".to_owned()),
            ),
            &[None],
        ),
        around.task_as("a task that was not chosen", &ended("lint", Skipped, Cause::NotChosen), &[]),
    ];
    around.run.cancel = cancel("wrong branch", false);
    let cancelled = |name| ended(name, Cancelled, Cause::Cancelled("wrong branch".to_owned()));
    all.push(around.task_as("a task that was cancelled before it began", &cancelled("report"), &[]));
    all.push(around.task_as(
        "a task that was cancelled while it ran",
        &cancelled("test"),
        &[Some(Cause::Signal(15))],
    ));
    all
}

#[test]
fn every_situation_is_explained_as_somebody_who_was_not_there_understands_it() {
    let all = [runs(), tasks_under_way(), tasks_that_ended()].concat();
    assert!(all.len() >= 40, "{}", all.len());
    insta::assert_snapshot!("situations", all.join("\n\n"));
}
