//! Section 3: output that is not to be kept.

use std::path::Path;

use gofer_engine::{Engine, EngineError, LogQuery};
use gofer_testkit::wait_for;
use gofer_types::{Actor, EventKind, Pipeline, RunRef, Task, TaskState};

use super::help::*;
use crate::support::*;

const CANARY: &str = "canary-of-silence";

/// Whether a file below the folder holds the canary.
fn holds_canary(folder: &Path) -> bool {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()) {
                return true;
            }
        }
    }
    false
}

/// Logging off means that no byte is stored, and the answer says so. The word of the task goes before that of the pipeline.
#[tokio::test(start_paused = true)]
async fn logging_off_means_that_no_byte_is_stored_and_the_answer_says_so() {
    let script = format!("print={CANARY},eprint={CANARY}");
    let flaky = format!("{script},before=2,exit=1");
    let cases = [
        (true, None, script.as_str(), true),
        (true, Some(true), &script, true),
        (false, Some(true), &script, true),
        (true, Some(false), &script, false),
        (false, None, &script, false),
        (false, Some(false), &script, false),
        (false, None, &flaky, false),
    ];
    for (of_pipeline, of_task, script, kept) in cases {
        let t = retried(Task { logging: of_task, ..task("t", script, &[]) }, retry(2, &["failed"]));
        let config = Pipeline { logging: of_pipeline, ..pipeline("p", vec![t]) };
        let (world, engine, run) = live(config).await;
        world.empty().await;
        assert_eq!(holds_canary(world.logs.path()), kept, "{of_pipeline} {of_task:?}");
        for follow in [false, true] {
            let read = engine.read_logs(&run.id, LogQuery { follow, ..LogQuery::default() }).await;
            let refused =
                matches!(&read.map(drop), Err(EngineError::LoggingOff { id }) if id.task == task_id("t"));
            assert_eq!(refused, !kept, "{of_pipeline} {of_task:?}");
        }
        assert_eq!(state_of(&engine, &run.id, "t").await.exit_code, Some(0), "the end is known all the same");
    }
}

/// Who deleted the output of a run, if somebody did, as the answer to a reader says.
async fn deleted_by(engine: &Engine, run: &RunRef) -> Option<Actor> {
    match engine.read_logs(run, LogQuery::default()).await.map(drop) {
        Ok(()) => None,
        Err(EngineError::LogsDeleted { deleted, .. }) => Some(deleted.actor),
        Err(other) => panic!("{other:?}"),
    }
}

/// Logs are kept for 20 runs by default; what is older goes, by the server.
#[tokio::test(start_paused = true)]
async fn output_is_kept_for_the_newest_twenty_runs_by_default() {
    for (count, gone) in [(1, 0), (20, 0), (21, 1), (24, 4)] {
        let world = World::new();
        let engine = world.open().await;
        let id = register(&engine, pipeline("p", vec![task("t", "print=x", &[])])).await;
        let mut runs = Vec::new();
        for _ in 0..count {
            runs.push(start(&engine, &id).await);
            end(&engine, runs.last().unwrap()).await;
        }
        wait_for("old output to go", || async {
            match runs.get(gone.max(1) - 1).filter(|_| gone > 0) {
                Some(run) if deleted_by(&engine, run).await.is_none() => Err("it is there"),
                _ => Ok(()),
            }
        })
        .await;
        pass(&world, 60).await;
        for (at, run) in runs.iter().enumerate() {
            let expected = (at < gone).then_some(Actor::System);
            assert_eq!(deleted_by(&engine, run).await, expected, "{at} of {count}");
            assert_eq!(state_of(&engine, run, "t").await.state, TaskState::Succeeded, "the run is kept");
        }
    }
}

/// Deleting them is an act with an actor: who did it is kept with the run and told to readers and in the event log.
#[tokio::test(start_paused = true)]
async fn deleting_output_is_an_act_with_an_actor() {
    let world = World::new();
    let mut engine = world.open().await;
    let script = format!("print={CANARY},gate=go");
    let id = register(&engine, pipeline("p", vec![task("t", &script, &[])])).await;
    let run = start(&engine, &id).await;
    until(&engine, &run, "t", TaskState::Running).await;
    let early = engine.delete_logs(&bob(), &run).await;
    assert!(matches!(early, Err(EngineError::RunNotEnded { .. })), "{early:?}");
    world.backend.open_gate("go");
    end(&engine, &run).await;
    // what is left of it is put away first, however soon this comes
    engine.delete_logs(&bob(), &run).await.unwrap();
    let again = engine.delete_logs(&ada(), &run).await.unwrap();
    assert_eq!(again.logs_deleted.unwrap().actor, bob().actor, "it was deleted once");
    world.crash(engine).await;
    engine = world.open().await;
    assert_eq!(deleted_by(&engine, &run).await, Some(bob().actor));
    wait_for("the bytes to be gone", || async {
        if holds_canary(world.logs.path()) { Err("they are there") } else { Ok(()) }
    })
    .await;
    let acts: Vec<Actor> = told(&engine, &run)
        .await
        .into_iter()
        .filter(|event| matches!(event.kind, EventKind::LogsDeleted { .. }))
        .map(|event| event.actor)
        .collect();
    assert_eq!(acts, [bob().actor]);
}
