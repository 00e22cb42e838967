//! Section 3: cancelling.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gofer_backend::Clock;
use gofer_engine::Engine;
use gofer_types::{Cause, Condition, Pipeline, RunRef, RunState, Task, TaskState};

use super::help::*;
use super::remote::Remote;
use crate::support::*;

/// The grace in seconds, as `World` sets it.
const GRACE: u64 = 10;

async fn cancel(engine: &Engine, run: &RunRef, force: bool) {
    engine.cancel_run(&bob(), run, "enough".to_owned(), force).await.unwrap();
}

async fn was_cancelled(engine: &Engine, run: &RunRef, what: &str) {
    let record = engine.get_run(run).await.unwrap();
    assert_eq!(record.state, RunState::Cancelled, "{what}");
    let cancel = record.cancel.unwrap();
    assert_eq!((cancel.actor, cancel.reason.as_str()), (bob().actor, "enough"), "{what}");
}

/// Cancel is a recorded wish: it is answered when it is durable, and a crash right behind the answer changes nothing.
#[tokio::test(start_paused = true)]
async fn a_wish_that_was_answered_is_kept_over_a_crash() {
    for force in [false, true] {
        for away in [0, 5, 600] {
            let world = World::new();
            let engine = world.open().await;
            let pipeline = register(&engine, pipeline("p", vec![task("t", "ignore_term,hang", &[])])).await;
            let run = start(&engine, &pipeline).await;
            until(&engine, &run, "t", TaskState::Running).await;
            cancel(&engine, &run, force).await;
            world.crash(engine).await;
            pass(&world, away).await;
            let engine = world.open().await;
            let from = world.clock.monotonic();
            end(&engine, &run).await;
            was_cancelled(&engine, &run, "crash").await;
            let took = (world.clock.monotonic() - from).as_secs();
            assert!(took <= if force { 1 } else { GRACE + 1 }, "INV-35: {force} {away}: {took}");
            assert_eq!(state_of(&engine, &run, "t").await.state, TaskState::Cancelled);
            world.empty().await;
        }
    }
}

/// It is reached even if the scheduler is down for a while.
#[tokio::test(start_paused = true)]
async fn a_wish_is_reached_although_the_scheduler_is_down_for_a_while() {
    for force in [false, true] {
        for restart in [false, true] {
            for (script, down) in [("hang", 30), ("hang", 3600), ("ignore_term,hang", 600)] {
                let what = format!("{force} {restart} {script} {down}");
                let world = World::new();
                let remote = Arc::new(Remote::new(&world));
                let mut engine = remote.open(&world).await;
                let next = task("next", "witness=next", &[("t", Condition::Always)]);
                let id = register(&engine, pipeline("p", vec![task("t", script, &[]), next])).await;
                let run = start(&engine, &id).await;
                until(&engine, &run, "t", TaskState::Running).await;
                remote.set_away(true);
                cancel(&engine, &run, force).await;
                assert_eq!(engine.get_run(&run).await.unwrap().state, RunState::Running, "not yet: {what}");
                if restart {
                    world.crash(engine).await;
                    engine = remote.open(&world).await;
                }
                pass(&world, down).await;
                remote.set_away(false);
                let from = world.clock.monotonic();
                end(&engine, &run).await;
                was_cancelled(&engine, &run, &what).await;
                let took = (world.clock.monotonic() - from).as_secs();
                let most = if force { 16 } else { 16 + GRACE };
                assert!(took <= most, "INV-35: {what}: {took}");
                assert_eq!(world.backend.witnesses("next"), 0, "{what}");
                world.empty().await;
            }
        }
    }
}

/// Nothing new starts but `cleanup` tasks.
#[tokio::test(start_paused = true)]
async fn behind_a_cancel_only_cleanup_begins() {
    use Condition::{Always, Any, Successful};
    // the condition of the cleanup, whether it holds for a cancelled parent
    for (wanted, runs) in [(Always, true), (Any, false), (Successful, false)] {
        for (force, restart) in [(false, false), (true, false), (false, true), (true, true)] {
            let what = format!("{wanted} {force} {restart}");
            let world = World::new();
            let mut engine = world.open().await;
            let clean = Task { cleanup: true, ..task("clean", "witness=clean,run=20s", &[("t", wanted)]) };
            let tasks = vec![
                task("t", "ignore_term,hang", &[]),
                task("next", "witness=next", &[("t", Always)]),
                task("rests", "witness=rests", &[("clean", Always)]),
                clean,
            ];
            let run = start(&engine, &register(&engine, pipeline("p", tasks)).await).await;
            until(&engine, &run, "t", TaskState::Running).await;
            cancel(&engine, &run, force).await;
            if restart {
                world.crash(engine).await;
                engine = world.open().await;
            }
            end(&engine, &run).await;
            was_cancelled(&engine, &run, &what).await;
            assert_eq!(world.backend.witnesses("clean"), usize::from(runs), "{what}");
            assert_eq!(world.backend.witnesses("next") + world.backend.witnesses("rests"), 0, "{what}");
            let clean = state_of(&engine, &run, "clean").await.state;
            assert_eq!(clean, if runs { TaskState::Succeeded } else { TaskState::Skipped }, "{what}");
        }
    }
}

/// `force` kills at once, cleanup that has begun, too, and also where it comes behind a cancel without.
#[tokio::test(start_paused = true)]
async fn force_kills_at_once() {
    for first in [None, Some(1), Some(9)] {
        for cleanup in [false, true] {
            let what = format!("{first:?} {cleanup}");
            let world = World::new();
            let engine = world.open().await;
            let stubborn = Task { cleanup, ..task("t", "ignore_term,hang", &[]) };
            let run = start(&engine, &register(&engine, pipeline("p", vec![stubborn])).await).await;
            until(&engine, &run, "t", TaskState::Running).await;
            if let Some(seconds) = first {
                cancel(&engine, &run, false).await;
                pass(&world, seconds).await;
                assert_eq!(state_of(&engine, &run, "t").await.state, TaskState::Running, "{what}");
            }
            let from = world.clock.monotonic();
            cancel(&engine, &run, true).await;
            end(&engine, &run).await;
            assert!(world.clock.monotonic() - from < Duration::from_secs(1), "{what}");
            was_cancelled(&engine, &run, &what).await;
            assert_eq!(state_of(&engine, &run, "t").await.state, TaskState::Cancelled, "{what}");
        }
    }
}

/// `force` once more kills the cleanup that has begun since, also behind a restart; what has not begun still begins.
#[tokio::test(start_paused = true)]
async fn force_once_more_kills_the_cleanup_that_has_begun_since() {
    for restart in [false, true] {
        let world = World::new();
        let mut engine = world.open().await;
        let cleanup = |id: &str, script: &str, parent: &str| Task {
            cleanup: true,
            ..task(id, script, &[(parent, Condition::Always)])
        };
        let tasks = vec![
            task("t", "hang", &[]),
            cleanup("first", "ignore_term,hang", "t"),
            cleanup("second", "witness=second", "first"),
        ];
        let run = start(&engine, &register(&engine, pipeline("p", tasks)).await).await;
        until(&engine, &run, "t", TaskState::Running).await;
        cancel(&engine, &run, true).await;
        until(&engine, &run, "first", TaskState::Running).await;
        if restart {
            world.crash(engine).await;
            engine = world.open().await;
        }
        let from = world.clock.monotonic();
        cancel(&engine, &run, true).await;
        end(&engine, &run).await;
        assert!(world.clock.monotonic() - from < Duration::from_secs(1), "{restart}");
        assert_eq!(state_of(&engine, &run, "first").await.state, TaskState::Cancelled, "{restart}");
        assert_eq!(state_of(&engine, &run, "second").await.state, TaskState::Succeeded, "{restart}");
        was_cancelled(&engine, &run, "once more").await;
    }
}

/// `force` behind a limit that has passed is a kill, also if the server dies before it could.
#[tokio::test(start_paused = true)]
async fn force_behind_a_limit_kills_also_after_a_restart() {
    let world = World::new();
    let remote = Arc::new(Remote::new(&world));
    let engine = remote.open(&world).await;
    let late =
        Task { timeout: Some(gofer_types::Span::from_secs(300)), ..task("t", "ignore_term,hang", &[]) };
    let run = start(&engine, &register(&engine, pipeline("p", vec![late])).await).await;
    until(&engine, &run, "t", TaskState::Running).await;
    pass(&world, 301).await;
    assert_eq!(state_of(&engine, &run, "t").await.cause, Cause::Deadline(Duration::from_secs(300)));
    remote.set_away(true);
    cancel(&engine, &run, true).await;
    world.crash(engine).await;
    remote.set_away(false);
    let engine = remote.open(&world).await;
    let from = world.clock.monotonic();
    end(&engine, &run).await;
    assert!(world.clock.monotonic() - from < Duration::from_secs(1));
    was_cancelled(&engine, &run, "late").await;
}

/// A long reason stands with the run whole, and with each of its tasks in brief.
#[tokio::test(start_paused = true)]
async fn a_long_reason_stands_whole_with_the_run_and_in_brief_with_its_tasks() {
    let world = World::new();
    let engine = world.open().await;
    let run = start(&engine, &register(&engine, pipeline("p", vec![task("t", "hang", &[])])).await).await;
    until(&engine, &run, "t", TaskState::Running).await;
    let reason = "é".repeat(500);
    engine.cancel_run(&bob(), &run, reason.clone(), false).await.unwrap();
    let record = end(&engine, &run).await;
    assert_eq!((record.cause, record.cancel.unwrap().reason), (Cause::Cancelled(reason.clone()), reason));
    let brief = Cause::Cancelled(format!("{}…", "é".repeat(100)));
    assert_eq!(state_of(&engine, &run, "t").await.cause, brief);
}

/// A task is cancelled wherever it stands: what never ran says so by having no start.
#[tokio::test(start_paused = true)]
async fn a_task_is_cancelled_wherever_it_stands() {
    type Is = fn(TaskState, &Cause) -> bool;
    let resting = retried(task("t", "witness=t,exit=1", &[]), retry(9, &["failed"]));
    let image = Task { image: "fake:gate-never".to_owned(), ..task("t", "witness=t", &[]) };
    let waiting = task("t", "witness=t", &[("blocker", Condition::Always)]);
    let cases: [(&str, Task, Option<Is>, usize); 6] = [
        ("waiting", waiting, None, 0),
        (
            "a slot",
            task("t", "witness=t", &[]),
            Some(|_, cause| matches!(cause, Cause::WaitingForSlot(_))),
            0,
        ),
        ("image", image, Some(|_, cause| matches!(cause, Cause::FetchingImage(_))), 0),
        (
            "scheduler",
            task("t", "witness=t,start_error=unavailable", &[]),
            Some(|_, cause| matches!(cause, Cause::WaitingForScheduler)),
            0,
        ),
        ("resting", resting, Some(|_, cause| matches!(cause, Cause::WaitingForRetry { .. })), 1),
        ("running", task("t", "witness=t,hang", &[]), Some(|state, _| state == TaskState::Running), 1),
    ];
    for (what, wanted, is, ran) in cases {
        for force in [false, true] {
            let mut world = World::new();
            world.options.queue.server.running_tasks = if what == "a slot" { 1 } else { 10 };
            let engine = world.open().await;
            let tasks = vec![task("blocker", "hang", &[]), wanted.clone()];
            let run = start(&engine, &register(&engine, pipeline("p", tasks)).await).await;
            until(&engine, &run, "blocker", TaskState::Running).await;
            if let Some(is) = is {
                until_task(&engine, &run, "t", is).await;
            }
            let from = world.clock.monotonic();
            cancel(&engine, &run, force).await;
            end(&engine, &run).await;
            assert!(world.clock.monotonic() - from < Duration::from_secs(1), "{what}: at once");
            was_cancelled(&engine, &run, what).await;
            let task = state_of(&engine, &run, "t").await;
            assert_eq!(task.state, TaskState::Cancelled, "{what}");
            assert_eq!(task.cause, Cause::Cancelled("enough".to_owned()), "{what}");
            assert_eq!((world.backend.witnesses("t"), task.started.is_some()), (ran, ran == 1), "{what}");
            world.empty().await;
            let status = engine.status(false).await.unwrap();
            assert_eq!((status.running_tasks, status.running_runs), (0, 0), "{what}: INV-27");
        }
    }
}

/// A run that waits in the queue ends at once, and never starts: one of them, and a thousand of them, also over a restart.
#[tokio::test(start_paused = true)]
async fn a_run_in_the_queue_is_cancelled_at_once_and_never_starts() {
    for (number, restart) in [(1, false), (1, true), (50, true), (1000, false)] {
        let world = World::new();
        let mut engine = world.open().await;
        // one that cleans up: there is nothing to clean up
        let t = Task { cleanup: true, ..task("t", "witness=ran,gate=go", &[]) };
        let id = register(&engine, Pipeline { parallelism: 1, ..pipeline("p", vec![t]) }).await;
        let first = start(&engine, &id).await;
        let queued = join_all((0..number).map(|_| start(&engine, &id))).await;
        assert_eq!(engine.status(false).await.unwrap().queued_runs, number);
        let from = world.clock.monotonic();
        join_all(queued.iter().map(|run| cancel(&engine, run, false))).await;
        assert!(world.clock.monotonic() - from < Duration::from_secs(1), "{number}");
        if restart {
            world.crash(engine).await;
            engine = world.open().await;
        }
        for run in &queued {
            let record = end(&engine, run).await;
            assert_eq!((record.state, record.started), (RunState::Cancelled, None));
            let task = state_of(&engine, run, "t").await;
            assert_eq!((task.state, task.attempts.len()), (TaskState::Cancelled, 0));
        }
        assert_eq!(engine.status(false).await.unwrap().queued_runs, 0);
        world.backend.open_gate("go");
        assert_eq!(end(&engine, &first).await.state, RunState::Succeeded);
        assert_eq!(world.backend.witnesses("ran"), 1, "that of the first run alone");
    }
}
