//! Section 3: time limits.

use std::sync::Arc;
use std::time::Duration;

use gofer_backend::Clock;
use gofer_engine::Engine;
use gofer_types::{Cause, Pipeline, RunRecord, RunRef, RunState, Span, Task, TaskState};

use super::help::*;
use super::remote::{Did, Remote};
use crate::support::*;

/// The limit in seconds.
const LIMIT: u64 = 60;

/// The grace in seconds, as `World` sets it.
const GRACE: u64 = 10;

/// How long something that is waited for in steps may come late: a second for what is looked at at once, and a backoff.
const SOON: u64 = 1;
const BACKOFF: u64 = 16;

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Of {
    Task,
    Run,
}

const BOTH: [Of; 2] = [Of::Task, Of::Run];

/// A pipeline with this script under that limit.
fn under(of: Of, script: &str) -> Pipeline {
    let t = task("t", script, &[]);
    match of {
        Of::Task => pipeline("p", vec![limited(t, LIMIT)]),
        Of::Run => Pipeline { timeout: Some(Span::from_secs(LIMIT)), ..pipeline("p", vec![t]) },
    }
}

/// A run whose task has just begun, and when it did.
async fn begun(world: &World, engine: &Engine, config: Pipeline) -> (RunRef, Duration) {
    let id = register(engine, config).await;
    let from = world.clock.monotonic();
    let run = start(engine, &id).await;
    // the news that it runs comes a little later
    until(engine, &run, "t", TaskState::Running).await;
    (run, from)
}

/// Asserts that the limit has ended the task and the run, at a time from its begin.
async fn ended_by_limit(engine: &Engine, run: &RunRecord, of: Of, what: &str) {
    let limit = Duration::from_secs(LIMIT);
    let (state, cause) = match of {
        Of::Task => (RunState::Failed, Cause::Deadline(limit)),
        Of::Run => (RunState::TimedOut, Cause::RunDeadline(limit)),
    };
    assert_eq!(run.state, state, "{of:?} {what}");
    let task = state_of(engine, &run.id, "t").await;
    assert_eq!((task.state, task.cause), (TaskState::TimedOut, cause), "{of:?} {what}");
}

fn is_within(took: Duration, (least, most): (u64, u64), what: &str) {
    let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
    assert!(took >= least && took <= most, "INV-37: {what}: {took:?} is not from {least:?} to {most:?}");
}

const POLITE: &str = "hang";
const STUBBORN: &str = "ignore_term,hang";

/// Time limits are persisted deadlines: stop with the grace period, then kill; restart-safe.
#[tokio::test(start_paused = true)]
async fn a_limit_stops_and_then_kills_wherever_the_server_is_restarted() {
    type Case = (&'static str, Option<(u64, u64)>, (u64, u64));
    let cases: [Case; 9] = [
        // what the task does, when the server crashes and for how long it is away, when the task has ended
        (POLITE, None, (LIMIT, LIMIT + SOON)),
        (POLITE, Some((30, 0)), (LIMIT, LIMIT + SOON)),
        (POLITE, Some((30, 20)), (LIMIT, LIMIT + SOON)),
        (POLITE, Some((30, 300)), (330, 330 + SOON)),
        (STUBBORN, None, (LIMIT + GRACE, LIMIT + GRACE + SOON)),
        (STUBBORN, Some((30, 0)), (LIMIT + GRACE, LIMIT + GRACE + SOON)),
        (STUBBORN, Some((65, 0)), (LIMIT + GRACE, LIMIT + GRACE + SOON)),
        (STUBBORN, Some((65, 30)), (95, 95 + SOON)),
        (STUBBORN, Some((30, 300)), (330 + GRACE, 330 + GRACE + SOON)),
    ];
    for of in BOTH {
        for (script, restart, expected) in cases {
            let what = format!("{of:?} {script} {restart:?}");
            let world = World::new();
            let mut engine = world.open().await;
            let (run, from) = begun(&world, &engine, under(of, script)).await;
            if let Some((after, away)) = restart {
                pass(&world, after).await;
                world.crash(engine).await;
                pass(&world, away).await;
                engine = world.open().await;
            }
            let record = end(&engine, &run).await;
            is_within(world.clock.monotonic() - from, expected, &what);
            ended_by_limit(&engine, &record, of, &what).await;
        }
    }
}

/// Restart-safe, also where the grace is the scheduler's call and dies with the server: the kill comes one grace behind the
/// deadline, not one behind the restart.
#[tokio::test(start_paused = true)]
async fn a_restart_within_the_grace_does_not_begin_another_grace() {
    for of in BOTH {
        let world = World::new();
        let remote = Arc::new(Remote::with_own_grace(&world));
        let engine = remote.open(&world).await;
        let (run, from) = begun(&world, &engine, under(of, STUBBORN)).await;
        pass(&world, LIMIT + GRACE - 2).await;
        world.crash(engine).await;
        let engine = remote.open(&world).await;
        let record = end(&engine, &run).await;
        is_within(world.clock.monotonic() - from, (LIMIT + GRACE, LIMIT + GRACE + SOON), "restarted");
        ended_by_limit(&engine, &record, of, "restarted").await;
    }
}

/// A task that an earlier server meant to end may not have heard of it: a moment is left to it however long nobody was there.
#[tokio::test(start_paused = true)]
async fn a_moment_is_left_to_a_task_whose_grace_passed_while_no_server_was_there() {
    let world = World::new();
    let remote = Arc::new(Remote::with_own_grace(&world));
    let engine = remote.open(&world).await;
    let (run, _) = begun(&world, &engine, under(Of::Task, STUBBORN)).await;
    pass(&world, LIMIT + 1).await;
    world.crash(engine).await;
    pass(&world, GRACE + 30).await;
    let engine = remote.open(&world).await;
    let record = end(&engine, &run).await;
    ended_by_limit(&engine, &record, Of::Task, "restarted late").await;
    let graces = remote.did().into_iter().filter_map(|(_, did)| match did {
        Did::Stop(_, grace) => Some(grace.as_secs()),
        _ => None,
    });
    assert_eq!(graces.collect::<Vec<_>>(), [GRACE, 1]);
}

/// Limits keep counting while a scheduler is unreachable.
#[tokio::test(start_paused = true)]
async fn a_limit_keeps_counting_while_the_scheduler_is_unreachable() {
    type Case = (&'static str, u64, u64, (u64, u64));
    let cases: [Case; 5] = [
        // what the task does, from when to when its scheduler is away, when the task has ended
        (POLITE, 10, 30, (LIMIT, LIMIT + BACKOFF)),
        (POLITE, 10, 55, (LIMIT, LIMIT + BACKOFF)),
        (POLITE, 10, 200, (200, 200 + BACKOFF)),
        (POLITE, 59, 3600, (3600, 3600 + BACKOFF)),
        (STUBBORN, 10, 200, (200 + GRACE, 200 + GRACE + BACKOFF)),
    ];
    for of in BOTH {
        for restart in [false, true] {
            for (script, away, back, expected) in cases {
                let what = format!("{of:?} {script} {away}-{back} {restart}");
                let world = World::new();
                let remote = Arc::new(Remote::new(&world));
                let mut engine = remote.open(&world).await;
                let (run, from) = begun(&world, &engine, under(of, script)).await;
                pass(&world, away).await;
                remote.set_away(true);
                pass(&world, 1).await;
                if restart {
                    world.crash(engine).await;
                    engine = remote.open(&world).await;
                }
                pass(&world, back - away - 1).await;
                remote.set_away(false);
                let record = end(&engine, &run).await;
                is_within(world.clock.monotonic() - from, expected, &what);
                ended_by_limit(&engine, &record, of, &what).await;
            }
        }
    }
}

/// A limit ends what is late, and nothing else: what ended by itself in time keeps its end, although nobody could see it before
/// the limit passed, be it that the server was away or the scheduler.
#[tokio::test(start_paused = true)]
async fn what_ended_in_time_is_not_called_late_because_nobody_saw_it() {
    for (away, script, state) in [
        ("the server", "run=5s", TaskState::Succeeded),
        ("the server", "run=5s,exit=3", TaskState::Failed),
        ("the scheduler", "run=5s", TaskState::Succeeded),
        ("the scheduler", "run=5s,exit=3", TaskState::Failed),
    ] {
        let world = World::new();
        let remote = Arc::new(Remote::new(&world));
        let mut engine = remote.open(&world).await;
        let (run, _) = begun(&world, &engine, under(Of::Task, script)).await;
        if away == "the server" {
            world.crash(engine).await;
            pass(&world, 600).await;
            engine = remote.open(&world).await;
        } else {
            remote.set_away(true);
            pass(&world, 600).await;
            remote.set_away(false);
        }
        end(&engine, &run).await;
        let task = state_of(&engine, &run, "t").await;
        assert_eq!(task.state, state, "{away} was away, {script}: {:?}", task.cause);
    }
}

/// The same for a server that slept: it finds the end and the limit at once, and asks before it believes the limit.
#[tokio::test(start_paused = true)]
async fn what_ended_in_time_is_not_called_late_because_its_end_was_told_late() {
    for (script, state) in [("run=5s", TaskState::Succeeded), ("run=5s,exit=3", TaskState::Failed)] {
        let world = World::new();
        let remote = Arc::new(Remote::new(&world));
        let engine = remote.open(&world).await;
        let (run, _) = begun(&world, &engine, under(Of::Task, script)).await;
        remote.set_silent(true);
        pass(&world, 600).await;
        remote.set_silent(false);
        end(&engine, &run).await;
        let task = state_of(&engine, &run, "t").await;
        assert_eq!(task.state, state, "{script}: {:?}", task.cause);
        assert!(!remote.did().iter().any(|(_, did)| matches!(did, Did::Stop(..))), "it had ended: {script}");
    }
}

/// A limit counts from the start, also if the server slept through it between the question and the answer.
#[tokio::test(start_paused = true)]
async fn a_limit_that_passed_before_the_answer_to_the_start_ends_nothing_that_has_just_begun() {
    let world = World::new();
    let remote = Arc::new(Remote::new(&world));
    let engine = remote.open(&world).await;
    remote.set_silent(true);
    let id = register(&engine, under(Of::Task, "run=5s")).await;
    let run = start(&engine, &id).await;
    world.clock.sleep_until(world.clock.monotonic() + Duration::from_millis(LIMIT * 1000 + 500)).await;
    remote.set_silent(false);
    end(&engine, &run).await;
    let task = state_of(&engine, &run, "t").await;
    assert_eq!(task.state, TaskState::Succeeded, "{:?}", task.cause);
}

/// When the wall clock jumps.
#[derive(Debug, Clone, Copy, PartialEq)]
enum When {
    BeforeTheStart,
    WhileItRuns,
    BetweenStopAndKill,
}

/// INV-37: no jump of the wall clock makes a limit pass early or late.
#[tokio::test(start_paused = true)]
async fn a_jump_of_the_wall_clock_moves_no_limit() {
    const DAY: i64 = 86_400;
    for of in BOTH {
        for jump in [DAY, -DAY, 60, -60] {
            for when in [When::BeforeTheStart, When::WhileItRuns, When::BetweenStopAndKill] {
                let what = format!("{of:?} {jump} {when:?}");
                let world = World::new();
                let engine = world.open().await;
                let id = register(&engine, under(of, STUBBORN)).await;
                if when == When::BeforeTheStart {
                    world.clock.jump(jump);
                }
                let from = world.clock.monotonic();
                let run = start(&engine, &id).await;
                until(&engine, &run, "t", TaskState::Running).await;
                pass(&world, if when == When::BetweenStopAndKill { LIMIT + 5 } else { 30 }).await;
                if when != When::BeforeTheStart {
                    world.clock.jump(jump);
                }
                let record = end(&engine, &run).await;
                is_within(world.clock.monotonic() - from, (LIMIT + GRACE, LIMIT + GRACE + SOON), &what);
                ended_by_limit(&engine, &record, of, &what).await;
            }
        }
    }
}

/// The same of the waits between attempts.
#[tokio::test(start_paused = true)]
async fn a_jump_of_the_wall_clock_moves_no_backoff() {
    waits_as_long_as_asked_for(false).await;
}

/// Ten seconds are waited whatever the wall does, and the server.
async fn waits_as_long_as_asked_for(restart: bool) {
    for jump in [86_400, -86_400] {
        let world = World::new();
        let mut engine = world.open().await;
        let flaky = retried(task("t", "before=2,exit=1", &[]), retry(2, &["failed"]));
        let run = start(&engine, &register(&engine, pipeline("p", vec![flaky])).await).await;
        until_resting(&engine, &run, "t").await;
        let from = world.clock.monotonic();
        pass(&world, 5).await;
        if restart {
            world.crash(engine).await;
            world.clock.jump(jump);
            engine = world.open().await;
        } else {
            world.clock.jump(jump);
        }
        end(&engine, &run).await;
        is_within(world.clock.monotonic() - from, (10, 10 + SOON), &format!("{jump}"));
    }
}

/// A limit goes on behind a restart by the clock of the machine, wherever the wall was moved in between.
#[tokio::test(start_paused = true)]
async fn a_jump_of_the_wall_clock_over_a_restart_moves_no_limit() {
    for of in BOTH {
        for jump in [86_400, -86_400] {
            let world = World::new();
            let engine = world.open().await;
            let (run, from) = begun(&world, &engine, under(of, POLITE)).await;
            pass(&world, 30).await;
            world.crash(engine).await;
            world.clock.jump(jump);
            let engine = world.open().await;
            let record = end(&engine, &run).await;
            is_within(world.clock.monotonic() - from, (LIMIT, LIMIT + SOON), &format!("{of:?} {jump}"));
            ended_by_limit(&engine, &record, of, "over a restart").await;
        }
    }
}

/// The same of the waits between attempts.
#[tokio::test(start_paused = true)]
async fn a_jump_of_the_wall_clock_over_a_restart_moves_no_backoff() {
    waits_as_long_as_asked_for(true).await;
}

/// Across a boot of the machine nothing is left but the wall clock. One that has gone back makes no limit longer than it ever was,
/// counted from the restart. (One that has gone forward cannot be told from a server that was away.)
#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_went_back_over_a_restart_prolongs_no_limit_beyond_its_length() {
    for of in BOTH {
        let world = World::new();
        let engine = world.open().await;
        let (run, _) = begun(&world, &engine, under(of, POLITE)).await;
        pass(&world, 30).await;
        world.crash(engine).await;
        world.clock.boot();
        world.clock.jump(-86_400);
        let engine = world.open().await;
        let from = world.clock.monotonic();
        let record = end(&engine, &run).await;
        is_within(world.clock.monotonic() - from, (LIMIT, LIMIT + SOON), "went back");
        ended_by_limit(&engine, &record, of, "went back").await;
    }
}

/// The run's limit lets cleanup run, and nothing else begin.
#[tokio::test(start_paused = true)]
async fn behind_the_limit_of_the_run_only_cleanup_begins() {
    use gofer_types::Condition::Always;
    for restart in [false, true] {
        let world = World::new();
        let mut engine = world.open().await;
        let clean = Task { cleanup: true, ..task("clean", "witness=clean,run=20s", &[("t", Always)]) };
        let mut config = under(Of::Run, STUBBORN);
        config.tasks.extend([task("next", "witness=next", &[("t", Always)]), clean]);
        let (run, _) = begun(&world, &engine, config).await;
        if restart {
            pass(&world, LIMIT + 5).await;
            world.crash(engine).await;
            engine = world.open().await;
        }
        let record = end(&engine, &run).await;
        ended_by_limit(&engine, &record, Of::Run, "cleanup").await;
        assert_eq!((world.backend.witnesses("clean"), world.backend.witnesses("next")), (1, 0));
        assert_eq!(state_of(&engine, &run, "clean").await.state, TaskState::Succeeded);
        assert_eq!(state_of(&engine, &run, "next").await.state, TaskState::TimedOut);
    }
}

/// The operator caps a pipeline's own limit, and sets one where a pipeline has none.
#[tokio::test(start_paused = true)]
async fn the_limit_of_the_run_is_capped_by_the_operators() {
    for (own, most, expected) in
        [(Some(60), None, 60), (None, Some(40), 40), (Some(60), Some(40), 40), (Some(30), Some(40), 30)]
    {
        let mut world = World::new();
        world.options.max_run_timeout = most.map(Span::from_secs);
        let engine = world.open().await;
        let timeout = own.map(Span::from_secs);
        let config = Pipeline { timeout, ..pipeline("p", vec![task("t", POLITE, &[])]) };
        let (run, from) = begun(&world, &engine, config).await;
        let record = end(&engine, &run).await;
        is_within(world.clock.monotonic() - from, (expected, expected + SOON), "capped");
        assert_eq!(record.cause, Cause::RunDeadline(Duration::from_secs(expected)));
    }
}

/// The grace is five minutes by default, and the operator's to change.
#[tokio::test(start_paused = true)]
async fn the_grace_is_five_minutes_where_the_operator_says_nothing_else() {
    for (grace, expected) in [(None, 300), (Some(10), 10), (Some(0), 0)] {
        let mut world = World::new();
        let default = gofer_engine::EngineOptions::default().stop_grace;
        world.options.stop_grace = grace.map_or(default, Span::from_secs);
        let engine = world.open().await;
        let (run, from) = begun(&world, &engine, under(Of::Task, STUBBORN)).await;
        end(&engine, &run).await;
        let expected = LIMIT + expected;
        is_within(world.clock.monotonic() - from, (expected, expected + SOON), "the grace");
    }
}

/// A limit counts from the start, also if nobody could record the start: the disk was full, or the server died right behind it.
/// Wherever the wall clock was moved meanwhile.
#[tokio::test(start_paused = true)]
async fn a_limit_counts_from_a_start_that_was_recorded_late() {
    for (crash, jump) in
        [false, true].into_iter().flat_map(|crash| [0, 86_400, -86_400].map(|jump| (crash, jump)))
    {
        let what = format!("crash {crash}, jump {jump}");
        let world = World::new();
        let mut engine = world.open().await;
        let limited = Task { timeout: Some(Span::from_secs(3_600)), ..task("t", "witness=w,hang", &[]) };
        let id = register(&engine, pipeline("p", vec![limited])).await;
        let from = world.clock.monotonic();
        let run = start(&engine, &id).await;
        world.disk.set_capacity(Some(0));
        gofer_testkit::wait_for("the process", || async {
            if world.backend.witnesses("w") == 1 { Ok(()) } else { Err("not yet") }
        })
        .await;
        pass(&world, 900).await;
        world.clock.jump(jump);
        pass(&world, 900).await;
        assert_eq!(state_of(&engine, &run, "t").await.state, TaskState::Pending, "{what}");
        if crash {
            world.crash(engine).await;
            world.disk.set_capacity(None);
            engine = world.open().await;
        }
        world.disk.set_capacity(None);
        end(&engine, &run).await;
        let took = (world.clock.monotonic() - from).as_secs();
        assert!((3_600..3_660).contains(&took), "{what}: {took}");
        assert_eq!(state_of(&engine, &run, "t").await.state, TaskState::TimedOut, "{what}");
        let (_, attempts) = engine.get_task_run(&run.task(task_id("t"))).await.unwrap();
        let began = attempts[0].started.unwrap().since(attempts[0].created);
        assert!(began < Duration::from_secs(60), "{what}: {began:?}");
        assert_eq!(world.backend.witnesses("w"), 1);
    }
}
