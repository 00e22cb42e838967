//! What tasks leave for each other.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use gofer_engine::objects::{ByteRange, ObjectPath};
use gofer_engine::{Engine, RetryRun, Scope};
use gofer_types::pipeline::Output;
use gofer_types::{Cause, Condition, ObjectScope, RunNumber, RunRef, RunState, Task, TaskState};

use crate::support::{World, ada, end, output, pipeline, register, start, state_of, states, task, until};

fn leaving(mut task: Task, outputs: &[(&str, Output)]) -> Task {
    task.outputs = outputs.iter().map(|(name, output)| ((*name).to_owned(), output.clone())).collect();
    task
}

fn given(mut task: Task, inputs: &[&str]) -> Task {
    task.inputs = inputs.iter().map(|name| (*name).to_owned()).collect();
    task
}

fn archive(paths: &[&str]) -> Output {
    Output::Archive(paths.iter().map(|path| (*path).to_owned()).collect())
}

fn file(path: &str) -> Output {
    Output::File(path.to_owned())
}

const AFTER: Condition = Condition::Successful;

async fn object(engine: &Engine, run: &RunRef, key: &str) -> Vec<u8> {
    let (scope, path): (_, ObjectPath) = (ObjectScope::Run(run.clone()), key.parse().unwrap());
    let found = engine.get_object(&scope, &path, ByteRange::WHOLE).await.unwrap();
    found.bytes.try_collect::<Vec<_>>().await.unwrap().concat()
}

#[tokio::test(start_paused = true)]
async fn a_task_is_given_what_its_parents_leave() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![
        leaving(
            task("build", "file=dist/app:hello,program=tool:run", &[]),
            &[("dist", archive(&["dist", "tool"]))],
        ),
        leaving(task("list", "file=out/list:a", &[]), &[("list", file("out/list"))]),
        given(
            task("test", "show=dist/app,show=tool,show=out/list", &[("build", AFTER), ("list", AFTER)]),
            &["dist", "list"],
        ),
    ];
    let run = start(&engine, &register(&engine, pipeline("p", tasks)).await).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    let shown = output(&engine, &run, true).await;
    // what is shown has no line end of its own
    assert_eq!(shown, ["test: file", "test: helloprogram", "test: runfile", "test: a"]);
    assert_eq!(object(&engine, &run, "list").await, b"a", "one file is kept as it is");
    assert_eq!(object(&engine, &run, "artefacts/build/dist").await.len() % 512, 0, "more are an archive");
    world.empty().await;
}

#[tokio::test(start_paused = true)]
async fn every_combination_leaves_its_own_and_the_next_task_is_given_all_of_them() {
    let world = World::new();
    let engine = world.open().await;
    let mut build = leaving(task("build", "file=log:same", &[]), &[("dist", archive(&["log"]))]);
    build.matrix = BTreeMap::from([("os".to_owned(), vec!["linux".to_owned(), "mac".to_owned()].into())]);
    let all = given(task("all", "show=log", &[("build", AFTER)]), &["dist"]);
    let run = start(&engine, &register(&engine, pipeline("p", vec![build, all])).await).await;
    end(&engine, &run).await;
    // both hold the same path: neither wins in silence
    let all = state_of(&engine, &run, "all").await;
    assert_eq!(all.state, TaskState::Errored);
    assert!(
        matches!(&all.cause, Cause::CannotStart(why) if why.contains("dist") && why.contains("log")),
        "{all:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_promised_and_is_not_there_fails_the_task() {
    let world = World::new();
    let engine = world.open().await;
    let cases = [
        ("gone", leaving(task("t", "file=other:x", &[]), &[("dist", archive(&["dist"]))])),
        ("link", leaving(task("t", "link=dist:/etc/passwd", &[]), &[("dist", archive(&["dist"]))])),
        ("folder", leaving(task("t", "file=dist/a:x", &[]), &[("dist", file("dist"))])),
        (
            "refused",
            leaving(task("t", "file=dist:x,take_error=invalid_input", &[]), &[("dist", file("dist"))]),
        ),
    ];
    for (name, task) in cases {
        let run = start(&engine, &register(&engine, pipeline(name, vec![task])).await).await;
        assert_eq!(end(&engine, &run).await.state, RunState::Failed, "{name}");
        let task = state_of(&engine, &run, "t").await;
        assert_eq!(task.state, TaskState::Failed, "{name}");
        assert!(matches!(&task.cause, Cause::CannotKeep(why) if why.contains("`dist`")), "{name}: {task:?}");
    }
    world.empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_failed_leaves_nothing() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![
        leaving(task("build", "file=dist:x,exit=3", &[]), &[("dist", file("dist"))]),
        given(task("test", "show=dist", &[("build", Condition::Any)]), &["dist"]),
    ];
    let run = start(&engine, &register(&engine, pipeline("p", tasks)).await).await;
    end(&engine, &run).await;
    assert_eq!(state_of(&engine, &run, "build").await.cause, Cause::ExitCode(3));
    let test = state_of(&engine, &run, "test").await;
    assert_eq!(test.state, TaskState::Errored);
    assert!(matches!(&test.cause, Cause::CannotStart(why) if why.contains("its input `dist`")), "{test:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_reach_for_a_while_is_given_and_kept_later() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![
        leaving(task("build", "file=dist:x,take_error_once=unavailable", &[]), &[("dist", file("dist"))]),
        given(task("test", "need=dist,lay_error_once=unavailable", &[("build", AFTER)]), &["dist"]),
    ];
    let run = start(&engine, &register(&engine, pipeline("p", tasks)).await).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_restart_while_a_task_runs_loses_neither_its_inputs_nor_its_outputs() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![
        leaving(task("build", "file=dist:x", &[]), &[("dist", file("dist"))]),
        leaving(
            given(task("test", "need=dist,gate=go,file=log:y", &[("build", AFTER)]), &["dist"]),
            &[("log", file("log"))],
        ),
        given(task("read", "need=log", &[("test", AFTER)]), &["log"]),
    ];
    let run = start(&engine, &register(&engine, pipeline("p", tasks)).await).await;
    until(&engine, &run, "test", TaskState::Running).await;
    world.crash(engine).await;
    let engine = world.open().await;
    world.backend.open_gate("go");
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    assert_eq!(object(&engine, &run, "log").await, b"y");
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_given_what_the_tasks_that_it_does_not_repeat_left() {
    let world = World::new();
    let engine = world.open().await;
    let tasks = vec![
        leaving(task("build", "file=dist:x", &[]), &[("dist", file("dist"))]),
        given(task("test", "need=dist,gate=go,exit=1", &[("build", AFTER)]), &["dist"]),
    ];
    let mut run = start(&engine, &register(&engine, pipeline("p", tasks)).await).await;
    world.backend.open_gate("go");
    // and so does the retry of a retry
    for _ in 0..3 {
        assert_eq!(end(&engine, &run).await.state, RunState::Failed);
        assert_eq!(
            state_of(&engine, &run, "test").await.cause,
            Cause::ExitCode(1),
            "and not 66: it was there"
        );
        let scope = Scope::FromFailed;
        let wish = RetryRun { run, scope, idempotency_key: None, trigger: "manual".to_owned() };
        run = engine.retry_run(&ada(), wish).await.unwrap().run.id;
    }
    end(&engine, &run).await;
    assert_eq!(states(&engine, &run).await[0].1, TaskState::Succeeded);
    // once it has gone, the run that had it is named, and how it comes back
    let first = RunRef { run: RunNumber(1), ..run.clone() };
    let key = "dist".parse().unwrap();
    assert!(engine.delete_object(&ada(), &ObjectScope::Run(first), &key).await.unwrap());
    let scope = Scope::FromFailed;
    let wish = RetryRun { run, scope, idempotency_key: None, trigger: "manual".to_owned() };
    let run = engine.retry_run(&ada(), wish).await.unwrap().run.id;
    assert_eq!(end(&engine, &run).await.state, RunState::Errored);
    let Cause::CannotStart(why) = state_of(&engine, &run, "test").await.cause else { panic!() };
    for part in
        [&format!("`{run}` has no object `dist`"), "`p/1`, whose results it took over", "retry p/1 --from"]
    {
        assert!(why.contains(part), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_does_not_wait_for_what_cannot_be_kept() {
    let world = World::new();
    let engine = world.open().await;
    let task = leaving(task("t", "file=dist:x,take_error=unavailable", &[]), &[("dist", file("dist"))]);
    let run = start(&engine, &register(&engine, pipeline("p", vec![task])).await).await;
    until(&engine, &run, "t", TaskState::Running).await;
    engine.cancel_run(&ada(), &run, "enough".to_owned(), false).await.unwrap();
    assert_eq!(end(&engine, &run).await.state, RunState::Cancelled);
    world.empty().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_task_leaves_that_ends_while_no_server_is_there_is_kept_by_the_next() {
    // the next is there before the time of the task is over, or long behind it
    for away in [10, 3600] {
        let world = World::new();
        let engine = world.open().await;
        let mut build = leaving(task("build", "file=dist:x,run=5s", &[]), &[("dist", file("dist"))]);
        build.timeout = Some(gofer_types::Span::from_secs(600));
        let tasks = vec![build, given(task("test", "need=dist", &[("build", AFTER)]), &["dist"])];
        let run = start(&engine, &register(&engine, pipeline("p", tasks)).await).await;
        until(&engine, &run, "build", TaskState::Running).await;
        world.crash(engine).await;
        // sleeps: virtual time: a while for which there is no server
        tokio::time::sleep(std::time::Duration::from_secs(away)).await;
        let engine = world.open().await;
        assert_eq!(end(&engine, &run).await.state, RunState::Succeeded, "away for {away} s");
        assert_eq!(object(&engine, &run, "dist").await, b"x");
        world.empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_succeeds_whose_time_is_over_before_its_promise_is_kept() {
    let world = World::new();
    let engine = world.open().await;
    let mut build = leaving(task("t", "file=dist:x,take_error=unavailable", &[]), &[("dist", file("dist"))]);
    build.timeout = Some(gofer_types::Span::from_secs(60));
    let run = start(&engine, &register(&engine, pipeline("p", vec![build])).await).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Failed);
    let ended = state_of(&engine, &run, "t").await;
    assert_eq!(ended.state, TaskState::TimedOut, "{ended:?}");
}
