//! Section 2: the states, and what each end means.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gofer_backend::{Clock, Owner};
use gofer_engine::{Engine, EngineParts, Page, Schedulers};
use gofer_logs::{LogOptions, LogStore};
use gofer_scheduler::{Capabilities, Scheduler};
use gofer_storage::fake::{Defect, FakeStorage, FaultPlan};
use gofer_types::pipeline::Action;
use gofer_types::{
    Actor, Cause, Condition, EventKind, RunState, SchedulerName, Span, Task, TaskState, Timestamp,
};

use super::help::*;
use crate::support::*;

/// Run: `queued` → `running` → `succeeded | failed | errored | cancelled | timed_out`.
#[tokio::test(start_paused = true)]
async fn a_run_is_queued_then_running_then_at_one_of_five_ends() {
    let hang = || vec![task("t", "hang", &[])];
    let cases = [
        (RunState::Succeeded, vec![task("t", "exit=0", &[])], None, false),
        (RunState::Failed, vec![task("t", "exit=1", &[])], None, false),
        (RunState::Errored, vec![task("t", "no_program", &[])], None, false),
        (RunState::Cancelled, hang(), None, true),
        (RunState::TimedOut, hang(), Some(Span::from_secs(30)), false),
    ];
    for (expected, tasks, timeout, cancel) in cases {
        let mut world = World::new();
        world.options.queue.server.running_runs = 1;
        let engine = world.open().await;
        let blocker = register(&engine, pipeline("blocker", vec![task("t", "gate=go", &[])])).await;
        let blocker = start(&engine, &blocker).await;
        let config = gofer_types::Pipeline { timeout, ..pipeline("p", tasks) };
        let run = start(&engine, &register(&engine, config).await).await;
        assert_eq!(engine.get_run(&run).await.unwrap().state, RunState::Queued);
        world.backend.open_gate("go");
        end(&engine, &blocker).await;
        if cancel {
            until(&engine, &run, "t", TaskState::Running).await;
            engine.cancel_run(&bob(), &run, String::new(), false).await.unwrap();
        }
        end(&engine, &run).await;
        let state = |event: gofer_types::Event| match event.kind {
            EventKind::Run { state, .. } => Some(state),
            _ => None,
        };
        let mut path: Vec<RunState> = told(&engine, &run).await.into_iter().filter_map(state).collect();
        path.dedup();
        assert_eq!(path, [RunState::Queued, RunState::Running, expected]);
    }
}

/// Task run: `waiting` (parents) → `pending` → `running` → one of seven ends; what never ran was never `running`.
#[tokio::test(start_paused = true)]
async fn a_task_run_is_waiting_then_pending_then_running_then_at_one_of_seven_ends() {
    use TaskState::{Cancelled, Errored, Failed, Lost, Pending, Running, Skipped, Succeeded, TimedOut};
    let cases = [
        (Succeeded, vec![Pending, Running, Succeeded]),
        (Failed, vec![Pending, Running, Failed]),
        (Errored, vec![Pending, Errored]),
        (Lost, vec![Pending, Running, Lost]),
        (TimedOut, vec![Pending, Running, TimedOut]),
        (Cancelled, vec![Pending, Running, Cancelled]),
        (Skipped, vec![Skipped]),
    ];
    for (expected, states) in cases {
        let world = World::new();
        let engine = world.open().await;
        let mut tasks = ending(expected);
        let gate = task("gate", "gate=go", &[]);
        for task in &mut tasks {
            // long enough that the news that it runs is not overtaken by its end
            if let Action::Command(words) = &mut task.action
                && matches!(expected, Succeeded | Failed | Lost)
            {
                words.insert(0, "fake:run=1s".into());
            }
            task.depends_on.insert(task_id("gate"), Condition::Successful);
        }
        tasks.insert(0, gate);
        let run = start(&engine, &register(&engine, pipeline("p", tasks)).await).await;
        until(&engine, &run, "gate", Running).await;
        let waiting = state_of(&engine, &run, "t").await;
        assert_eq!(waiting.state, TaskState::Waiting, "{expected}");
        assert!(
            matches!(waiting.cause, Cause::WaitingForParents(parents) if parents.contains(&task_id("gate")))
        );
        world.backend.open_gate("go");
        if expected == Cancelled {
            until(&engine, &run, "t", Running).await;
            engine.cancel_run(&bob(), &run, String::new(), false).await.unwrap();
        }
        end(&engine, &run).await;
        assert_eq!(path(&engine, &run, "t").await, states, "{expected}");
    }
}

/// `pending` says why: slot, image, backoff, scheduler (secrets are not built yet).
#[tokio::test(start_paused = true)]
async fn a_task_that_is_pending_says_for_what() {
    type Is = fn(&Cause) -> bool;
    let image = Task { image: "fake:gate-never".to_owned(), ..task("t", "exit=0", &[]) };
    let cases: [(&str, Task, Is); 4] = [
        ("a slot", task("t", "gate=never", &[]), |cause| matches!(cause, Cause::WaitingForSlot(_))),
        ("its image", image, |cause| matches!(cause, Cause::FetchingImage(_))),
        ("its backoff", retried(task("t", "exit=1", &[]), retry(9, &["failed"])), |cause| {
            matches!(cause, Cause::WaitingForRetry { .. })
        }),
        ("its scheduler", task("t", "start_error=unavailable", &[]), |cause| {
            *cause == Cause::WaitingForScheduler
        }),
    ];
    for (what, wanted, is) in cases {
        let mut world = World::new();
        world.options.queue.server.running_tasks = if what == "a slot" { 1 } else { 10 };
        let engine = world.open().await;
        let blocker = task("blocker", "gate=never", &[]);
        let run = start(&engine, &register(&engine, pipeline("p", vec![blocker, wanted])).await).await;
        until_task(&engine, &run, "t", |state, cause| state == TaskState::Pending && is(cause)).await;
        let explained = engine.explain_run(&run, Some(&task_id("t")), Page::default()).await.unwrap();
        assert!(!explained.tasks[0].1.text.is_empty(), "{what}");
    }
}

/// succeeded: exit 0. failed: it ran and ended by itself with another code, a signal or out of memory, and the cause says which.
#[tokio::test(start_paused = true)]
async fn succeeded_is_exit_0_and_failed_is_any_other_end_of_its_own() {
    let cases = [
        ("exit=0", TaskState::Succeeded, Cause::ExitCode(0)),
        ("run=1s", TaskState::Succeeded, Cause::ExitCode(0)),
        ("exit=1", TaskState::Failed, Cause::ExitCode(1)),
        ("exit=255", TaskState::Failed, Cause::ExitCode(255)),
        ("exit=-1", TaskState::Failed, Cause::ExitCode(-1)),
        ("signal=9", TaskState::Failed, Cause::Signal(9)),
        ("signal=15", TaskState::Failed, Cause::Signal(15)),
        ("oom", TaskState::Failed, Cause::OutOfMemory),
        ("memory=512MiB", TaskState::Failed, Cause::OutOfMemory),
        ("memory=16MiB", TaskState::Succeeded, Cause::ExitCode(0)),
    ];
    for (script, state, cause) in cases {
        let mut wanted = task("t", script, &[]);
        wanted.resources.memory = Some("256MiB".parse().unwrap());
        let (_world, engine, run) = live(pipeline("p", vec![wanted])).await;
        let code = if let Cause::ExitCode(code) = cause { Some(code) } else { None };
        let found = state_of(&engine, &run.id, "t").await;
        assert_eq!((found.state, found.cause, found.exit_code), (state, cause, code), "{script}");
        let ran = attempts(&engine, &run.id, "t").await;
        assert!(ran.len() == 1 && ran[0].exit.is_some() && ran[0].ended.is_some(), "{script}");
        let expected = if code == Some(0) { RunState::Succeeded } else { RunState::Failed };
        assert_eq!(run.state, expected, "{script}");
    }
}

fn name(text: &str) -> SchedulerName {
    SchedulerName::new(text).unwrap()
}

/// An engine with a second scheduler, `other`.
pub(crate) async fn with_another(world: &World) -> Engine {
    let scheduler = || Arc::new(world.backend.connect(&Owner("test".to_owned()))) as Arc<dyn Scheduler>;
    let storage = FakeStorage::open_with(&world.disk, "test", FaultPlan::none(), Defect::None).unwrap();
    let ids = std::sync::atomic::AtomicU64::new(1 << 40);
    let parts = EngineParts {
        storage: Arc::new(storage),
        logs: LogStore::open(LogOptions::new(world.logs.path())).await.unwrap(),
        objects: gofer_objects::Objects::in_memory(Arc::clone(&world.clock) as Arc<dyn Clock>),
        schedulers: Schedulers {
            default: name("fake"),
            named: BTreeMap::from([(name("fake"), scheduler()), (name("other"), scheduler())]),
        },
        clock: Arc::clone(&world.clock) as Arc<dyn Clock>,
        new_id: Arc::new(move || u128::from(ids.fetch_add(1, std::sync::atomic::Ordering::SeqCst))),
        options: world.options.clone(),
    };
    Engine::open(parts).await.unwrap()
}

/// errored: it never ran, because of its image, its scheduler, or because it is invalid (preconditions and secrets are not
/// built yet).
#[tokio::test(start_paused = true)]
async fn errored_is_what_never_ran() {
    let imaged = |image: &str| Task { image: image.to_owned(), ..task("t", "witness=ran", &[]) };
    let cases = [
        ("no such image", true, imaged("fake:missing")),
        ("refuses the credentials", true, imaged("fake:denied")),
        ("no such program", true, task("t", "witness=ran,no_program", &[])),
        ("not a step", true, task("t", "witness=ran,dance", &[])),
        ("neither `command` nor `script`", false, Task::new(task_id("t"), Action::Image)),
        ("NUL", true, task("t", "witness=ran,print=\0", &[])),
        ("bytes", true, task("t", &format!("witness=ran,print={}", "x".repeat(2 << 20)), &[])),
    ];
    for (why, images, wanted) in cases {
        let mut world = World::new();
        if !images {
            world.backend = world.backend.with_capabilities(Capabilities::default());
        }
        let engine = world.open().await;
        let run = start(&engine, &register(&engine, pipeline("p", vec![wanted])).await).await;
        assert_eq!(end(&engine, &run).await.state, RunState::Errored, "{why}");
        never_ran(&world, &engine, &run, why).await;
    }
    let world = World::new();
    let engine = with_another(&world).await;
    let elsewhere = Task { scheduler: Some(name("other")), ..task("t", "witness=ran", &[]) };
    let pipeline = register(&engine, pipeline("p", vec![elsewhere])).await;
    world.crash(engine).await;
    let engine = world.open().await;
    let run = start(&engine, &pipeline).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Errored);
    never_ran(&world, &engine, &run, "scheduler `other` is not configured").await;
}

async fn never_ran(world: &World, engine: &Engine, run: &gofer_types::RunRef, why: &str) {
    let task = state_of(engine, run, "t").await;
    assert!(matches!(&task.cause, Cause::CannotStart(text) if text.contains(why)), "{why}: {:?}", task.cause);
    assert_eq!((task.state, task.started, task.exit_code), (TaskState::Errored, None, None), "{why}");
    assert_eq!(world.backend.witnesses("ran"), 0, "{why}");
    assert!(!path(engine, run, "t").await.contains(&TaskState::Running), "{why}");
}

/// lost: it ran, and what became of it cannot be known; never called failed.
#[tokio::test(start_paused = true)]
async fn lost_is_what_ran_to_an_end_that_nobody_knows() {
    for (what, script) in [
        ("its scheduler cannot tell", "run=1s,lost=the engine was reset"),
        ("it was removed behind our back", "run=1s,vanish"),
        ("its scheduler is not there any more", "hang"),
    ] {
        let world = World::new();
        let mut engine = with_another(&world).await;
        let elsewhere = Task { scheduler: Some(name("other")), ..task("t", script, &[]) };
        let run = start(&engine, &register(&engine, pipeline("p", vec![elsewhere])).await).await;
        until(&engine, &run, "t", TaskState::Running).await;
        if script == "hang" {
            world.crash(engine).await;
            engine = world.open().await;
        }
        assert_eq!(end(&engine, &run).await.state, RunState::Errored, "{what}: not failed");
        let task = state_of(&engine, &run, "t").await;
        assert_eq!((task.state, task.exit_code), (TaskState::Lost, None), "{what}");
        assert!(matches!(&task.cause, Cause::Lost(why) if !why.is_empty()), "{what}: {:?}", task.cause);
        assert!(task.started.is_some(), "{what}: it ran");
    }
}

/// timed_out: our deadline ended it. cancelled: somebody ended it (who and why are kept). skipped: its condition can no longer
/// hold (which parent, which state).
#[tokio::test(start_paused = true)]
async fn what_we_ended_says_by_which_limit_by_whom_or_for_which_parent() {
    let first = Cause::ParentState {
        task: task_id("first"),
        state: TaskState::Succeeded,
        wanted: Condition::Failure,
    };
    let cases = [
        (TaskState::TimedOut, Cause::Deadline(Duration::from_secs(60)), Actor::System),
        (TaskState::Cancelled, Cause::Cancelled("enough".to_owned()), bob().actor),
        (TaskState::Skipped, first, Actor::System),
    ];
    for (state, cause, actor) in cases {
        let world = World::new();
        let engine = world.open().await;
        let run = run_ending(&engine, state, Vec::new()).await;
        let task = state_of(&engine, &run.id, "t").await;
        assert_eq!((task.state, &task.cause, task.exit_code), (state, &cause, None));
        let last =
            told(&engine, &run.id).await.into_iter().rev().find(
                |event| matches!(&event.kind, EventKind::Task { task, .. } if task.task.as_str() == "t"),
            );
        assert_eq!(last.unwrap().actor, actor, "{state}");
        if state == TaskState::Cancelled {
            let cancel = run.cancel.unwrap();
            assert_eq!((cancel.actor, cancel.reason.as_str()), (bob().actor, "enough"));
        }
    }
}

/// Every state carries time, cause and actor; `run explain` prints them.
#[tokio::test(start_paused = true)]
async fn every_state_has_a_time_a_cause_and_an_actor() {
    let cases = [
        (TaskState::Succeeded, "exit code 0"),
        (TaskState::Failed, "exit code 1"),
        (TaskState::Errored, "there is no such program"),
        (TaskState::Lost, "gone"),
        (TaskState::TimedOut, "its limit of 1m"),
        (TaskState::Cancelled, "cancelled by bob while it was under way: enough"),
        (TaskState::Skipped, "only if `first` does not succeed, and that succeeded"),
    ];
    for (state, sentence) in cases {
        let world = World::new();
        let engine = world.open().await;
        let before = world.clock.now();
        let run = run_ending(&engine, state, Vec::new()).await;
        let mut latest = Timestamp::default();
        for event in told(&engine, &run.id).await {
            assert!(event.at >= latest && event.at >= before && event.at <= world.clock.now());
            latest = event.at;
            let (cause, by_ada) = match event.kind {
                EventKind::Run { state, cause, .. } => (cause, state == RunState::Running),
                EventKind::Task { cause, .. } => (cause, false),
                other => {
                    assert!(matches!(other, EventKind::CancelRequested { .. }), "{other:?}");
                    assert_eq!(event.actor, bob().actor);
                    continue;
                }
            };
            let by = match cause {
                Cause::Cancelled(_) => bob().actor,
                _ if by_ada => ada().actor,
                _ => Actor::System,
            };
            assert_eq!(event.actor, by, "{state}: {cause:?}");
        }
        let task = state_of(&engine, &run.id, "t").await;
        assert_eq!(Some(task.changed), task.ended, "{state}");
        let all = engine.explain_run(&run.id, None, Page::default()).await.unwrap();
        let (_, told) = all.tasks.iter().find(|(task, _)| task.id.task.as_str() == "t").unwrap();
        assert!(told.text.contains(sentence), "{state}: {}", told.text);
        assert!(told.details.iter().any(|line| line.contains("since")), "{state}: when: {:?}", told.details);
        let details = all.about.details.join("\n");
        assert!(details.contains("asked for by ada") && details.contains("ended"), "{details}");
    }
}
