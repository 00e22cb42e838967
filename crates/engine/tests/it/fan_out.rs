//! Matrices whose values are known only when the run has come to them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use gofer_engine::{Engine, FanLimits, LogQuery, RetryRun, Scope};
use gofer_types::pipeline::{Axis, Output};
use gofer_types::{Cause, Condition, ObjectScope, RunNumber, RunRef, RunState, Task, TaskState};

use crate::support::{
    World, ada, end, output, pipeline, register, start, state_of, states, task, tasks, until, watch,
};

const AFTER: Condition = Condition::Successful;

/// A task that leaves a list.
fn listing(script: &str) -> Task {
    let mut list = task("list", script, &[]);
    list.outputs = BTreeMap::from([("platforms".to_owned(), Output::File("out".to_owned()))]);
    list
}

/// A task for each value of the list.
fn over(script: &str) -> Task {
    let mut build = task("build", script, &[("list", AFTER)]);
    build.matrix = BTreeMap::from([("os".to_owned(), Axis::Object("platforms".to_owned()))]);
    build
}

fn three(list: &str, build: &str) -> Vec<Task> {
    vec![listing(list), over(build), task("ship", "witness=ship", &[("build", AFTER)])]
}

async fn started(engine: &Engine, tasks: Vec<Task>) -> RunRef {
    start(engine, &register(engine, pipeline("p", tasks)).await).await
}

async fn retried(engine: &Engine, run: &RunRef, scope: Scope) -> RunRef {
    let wish = RetryRun { run: run.clone(), scope, idempotency_key: None, trigger: "manual".to_owned() };
    engine.retry_run(&ada(), wish).await.unwrap().run.id
}

/// A list of that many values of 80 characters.
fn lines(count: usize) -> String {
    (0..count).map(|n| format!("{n:0>80}")).collect::<Vec<_>>().join("\n")
}

fn names(states: &[(String, TaskState)]) -> Vec<&str> {
    states.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_that_a_parent_leaves_becomes_a_task_for_each_value() {
    let world = World::new();
    let engine = world.open().await;
    let mut build = over("env");
    build.matrix.insert("n".to_owned(), vec!["1".to_owned(), "2".to_owned()].into());
    let ship = task("ship", "", &[("build", AFTER)]);
    let run = started(&engine, vec![listing("file=out:linux\nmac"), build, ship]).await;
    let record = end(&engine, &run).await;
    assert_eq!((record.state, record.tasks), (RunState::Succeeded, 7));
    let states = states(&engine, &run).await;
    let made = ["build[1,linux]", "build[1,mac]", "build[2,linux]", "build[2,mac]"];
    assert_eq!(names(&states), [&["list", "build", "ship"][..], &made].concat());
    assert!(states.iter().all(|(_, state)| *state == TaskState::Succeeded), "{states:?}");
    let read = state_of(&engine, &run, "build").await;
    assert_eq!(read.cause, Cause::FannedOut { tasks: 4, values: BTreeMap::new() });
    assert_eq!(read.fan_out.unwrap().values["os"], ["linux", "mac"], "what was read stays in the history");
    let (ship, last) = (state_of(&engine, &run, "ship").await, state_of(&engine, &run, made[3]).await);
    assert!(ship.started.unwrap() >= last.ended.unwrap(), "what depends on it waits for all of them");
    let lines = output(&engine, &run, true).await;
    assert!(lines.contains(&"build[2,mac]: GOFER_TASK_ID=build[2,mac]".to_owned()));
    world.empty().await;
}

#[tokio::test(start_paused = true)]
async fn the_tasks_that_a_list_becomes_are_given_files_and_leave_files() {
    let world = World::new();
    let engine = world.open().await;
    let mut build = over("show=out,file=log:built");
    build.inputs = vec!["platforms".to_owned()];
    build.outputs = BTreeMap::from([("log".to_owned(), Output::Archive(vec!["log".to_owned()]))]);
    let mut ship = task("ship", "show=log", &[("build", AFTER)]);
    ship.inputs = vec!["log".to_owned()];
    let run = started(&engine, vec![listing("file=out:linux"), build, ship]).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded, "{:?}", states(&engine, &run).await);
    let lines: BTreeSet<String> = output(&engine, &run, true).await.into_iter().collect();
    assert!(lines.contains("build[linux]: linux") && lines.contains("ship: built"), "{lines:?}");
    world.empty().await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_is_nothing_to_do_and_no_failure() {
    let world = World::new();
    let engine = world.open().await;
    let run = started(&engine, three("file=out:[]", "")).await;
    let record = end(&engine, &run).await;
    assert_eq!((record.state, record.tasks), (RunState::Succeeded, 3));
    let build = state_of(&engine, &run, "build").await;
    assert_eq!((build.state, build.cause), (TaskState::Skipped, Cause::NothingListed));
    assert_eq!(state_of(&engine, &run, "ship").await.state, TaskState::Skipped);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_list_or_too_long_a_one_is_refused_with_the_reason() {
    let mut world = World::new();
    world.options.fan_out = FanLimits { combinations: 3, tasks: 5 };
    let engine = world.open().await;
    let long = "x".repeat(17_000);
    let refused = [
        ("file=out:[1", "is no list of values: it is not JSON"),
        ("file=out:a[1]", "contains `[`"),
        ("file=out:a\na", "is there twice"),
        ("file=out:a\nb\nc\nd", "4 combinations; at most 3 are accepted"),
        ("file=out:a\nb\nc", "3 combinations; the run may have 2 tasks more"),
        (&format!("file=out:{long}"), "17000 bytes; a list has at most 16384"),
    ];
    for (script, reason) in refused {
        let run = started(&engine, three(script, "")).await;
        assert_eq!(end(&engine, &run).await.state, RunState::Errored, "{reason}");
        let build = state_of(&engine, &run, "build").await;
        assert_eq!(build.state, TaskState::Errored);
        assert!(
            matches!(&build.cause, Cause::CannotStart(why) if why.contains(reason)),
            "{reason}: {build:?}"
        );
    }
    // many full lists beside an empty one make no task, and would not fit into a record either
    let mut list = task("list", &format!("file=full:{},file=empty:[]", lines(200)), &[]);
    list.outputs = BTreeMap::from([
        ("full".to_owned(), Output::File("full".to_owned())),
        ("empty".to_owned(), Output::File("empty".to_owned())),
    ]);
    let mut build = over("");
    let full = |key: &str| (key.to_owned(), Axis::Object("full".to_owned()));
    build.matrix = ["a", "b", "c", "d", "e"].map(full).into();
    build.matrix.insert("z".to_owned(), Axis::Object("empty".to_owned()));
    let run = started(&engine, vec![list, build]).await;
    end(&engine, &run).await;
    let build = state_of(&engine, &run, "build").await;
    assert!(matches!(&build.cause, Cause::CannotStart(why) if why.contains("together")), "{build:?}");

    let mut build = over("");
    build.matrix = BTreeMap::from([("os".to_owned(), Axis::Object("other".to_owned()))]);
    let run = started(&engine, vec![listing("file=out:a"), build]).await;
    end(&engine, &run).await;
    let build = state_of(&engine, &run, "build").await;
    assert!(
        matches!(&build.cause, Cause::CannotStart(why) if why.contains("no object `other`")),
        "{build:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_restart_finds_the_graph_that_the_run_has_come_to() {
    let world = World::new();
    let engine = world.open().await;
    let run = started(&engine, three("file=out:linux\nmac", "gate=go,witness=build")).await;
    until(&engine, &run, "build[mac]", TaskState::Running).await;
    world.crash(engine).await;
    let engine = world.open().await;
    assert_eq!(engine.get_run(&run).await.unwrap().tasks, 5);
    world.backend.open_gate("go");
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    assert_eq!((world.backend.witnesses("build"), world.backend.witnesses("ship")), (2, 1));
    // and so does one that has forgotten it
    world.crash(engine).await;
    let engine = world.open().await;
    assert_eq!(states(&engine, &run).await.len(), 5);
    assert!(output(&engine, &run, true).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_retry_repeats_the_one_that_failed_and_not_the_reading() {
    let world = World::new();
    let engine = world.open().await;
    let mut build = over("");
    let fails = gofer_types::pipeline::TemplatePart::Reference {
        root: gofer_types::pipeline::ReferenceRoot::Matrix,
        name: "os".to_owned(),
    };
    // `exit=3` is the code that the second value asks for
    let literal = |text: &str| gofer_types::pipeline::TemplatePart::Literal(text.to_owned());
    let parts = vec![literal("fake:witness=build,exit="), fails];
    let command = gofer_types::pipeline::Text::Template(gofer_types::pipeline::Template { parts });
    build.action = gofer_types::pipeline::Action::Command(vec![command]);
    let run =
        started(&engine, vec![listing("file=out:0\n3"), build, task("ship", "", &[("build", AFTER)])]).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Failed);
    let list = (ObjectScope::Run(run.clone()), "platforms".parse().unwrap());
    assert!(engine.delete_object(&ada(), &list.0, &list.1).await.unwrap(), "nobody needs it any more");

    let again = retried(&engine, &run, Scope::FromFailed).await;
    let record = end(&engine, &again).await;
    assert_eq!((record.state, record.tasks), (RunState::Failed, 5));
    let reused = Cause::Reused { run: RunNumber(1), answer: None };
    for (name, cause) in
        [("list", &reused), ("build", &reused), ("build[0]", &reused), ("build[3]", &Cause::ExitCode(3))]
    {
        assert_eq!(state_of(&engine, &again, name).await.cause, *cause, "{name}");
    }
    assert_eq!(world.backend.witnesses("build"), 3);
    assert_eq!(state_of(&engine, &again, "build").await.fan_out.unwrap().values["os"], ["0", "3"]);

    let from = retried(&engine, &again, Scope::From(vec![crate::support::task_id("list")])).await;
    let record = end(&engine, &from).await;
    assert_eq!((record.state, record.tasks), (RunState::Failed, 5), "all of it is read and run again");
    assert_eq!(world.backend.witnesses("build"), 5);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_waits_knows_its_tasks_after_a_restart() {
    let world = World::new();
    let engine = world.open().await;
    let mut config = pipeline("p", three("file=out:linux\nmac", "before=9,exit=1"));
    config.parallelism = 1;
    let id = register(&engine, config).await;
    let run = start(&engine, &id).await;
    assert_eq!(end(&engine, &run).await.state, RunState::Failed);
    let mut hanging = pipeline("p", vec![task("hang", "gate=go", &[])]);
    hanging.parallelism = 1;
    register(&engine, hanging).await;
    let before = start(&engine, &id).await;
    until(&engine, &before, "hang", TaskState::Running).await;
    let again = retried(&engine, &run, Scope::FromFailed).await;
    assert_eq!(states(&engine, &again).await.len(), 5);
    world.crash(engine).await;
    let engine = world.open().await;
    let states = states(&engine, &again).await;
    assert_eq!(names(&states)[3..], ["build[linux]", "build[mac]"]);
    assert!(states.iter().all(|(_, state)| *state == TaskState::Waiting), "{states:?}");
    engine.cancel_run(&ada(), &again, String::new(), false).await.unwrap();
    assert_eq!(end(&engine, &again).await.state, RunState::Cancelled);
    assert_eq!(tasks(&engine, &again).await.len(), 5);
    world.backend.open_gate("go");
    end(&engine, &before).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_or_follows_sees_the_tasks_that_come() {
    let world = World::new();
    let engine = world.open().await;
    let run = started(&engine, three("gate=go,file=out:linux\nmac", "print=hello")).await;
    let (following, watching) = (output(&engine, &run, true), watch(&engine, &run));
    let opening = async {
        until(&engine, &run, "list", TaskState::Running).await;
        world.backend.open_gate("go");
    };
    let (mut lines, updates, ()) = tokio::join!(following, watching, opening);
    lines.sort();
    assert_eq!(lines, ["build[linux]: hello", "build[mac]: hello"]);
    let updates = updates.unwrap();
    let seen: BTreeSet<(String, TaskState)> = updates
        .iter()
        .flat_map(|update| &update.tasks)
        .map(|task| (task.id.task.to_string(), task.state))
        .collect();
    for name in ["build", "build[linux]", "build[mac]"] {
        assert!(seen.contains(&(name.to_owned(), TaskState::Succeeded)), "{name}: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_of_one_task_follows_what_it_becomes() {
    let world = World::new();
    let engine = world.open().await;
    let run = started(&engine, three("gate=go,file=out:linux\nmac", "print=hello")).await;
    let query =
        LogQuery { follow: true, tasks: vec![crate::support::task_id("build")], ..LogQuery::default() };
    let pages = engine.read_logs(&run, query).await.unwrap();
    world.backend.open_gate("go");
    let pages: Vec<_> = pages.collect().await;
    let entries: usize = pages.into_iter().map(|page| page.unwrap().entries.len()).sum();
    assert_eq!(entries, 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_for_some_tasks_runs_what_they_become_and_one_that_is_cancelled_becomes_nothing() {
    let world = World::new();
    let engine = world.open().await;
    let mut tasks = three("file=out:linux\nmac", "witness=build");
    tasks.push(task("other", "witness=other", &[]));
    let id = register(&engine, pipeline("p", tasks)).await;
    let mut wish = crate::support::wish(&id);
    wish.selection.only = vec![crate::support::task_id("build")];
    wish.selection.with_parents = true;
    let run = engine.start_run(&ada(), wish).await.unwrap().run.id;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    let witnesses = |name: &str| world.backend.witnesses(name);
    assert_eq!((witnesses("build"), witnesses("other"), witnesses("ship")), (2, 0, 0));

    let run = started(&engine, three("gate=never,file=out:linux", "witness=build")).await;
    until(&engine, &run, "list", TaskState::Running).await;
    engine.cancel_run(&ada(), &run, String::new(), true).await.unwrap();
    assert_eq!(end(&engine, &run).await.state, RunState::Cancelled);
    assert_eq!((witnesses("build"), states(&engine, &run).await.len()), (2, 3));
}

/// Two lists are read at once, and a third behind them: over restarts, a retry, and for a follower that was there from the first.
#[tokio::test(start_paused = true)]
async fn several_lists_become_tasks_at_once_and_one_behind_the_other() {
    let world = World::new();
    let engine = world.open().await;
    let reader = |name: &str, script: &str, parents: &[(&str, Condition)]| {
        let mut each = task(name, script, parents);
        each.matrix = BTreeMap::from([("v".to_owned(), Axis::Object("platforms".to_owned()))]);
        each
    };
    let tasks = vec![
        reader("behind", "print=behind,exit=1", &[("left", AFTER), ("right", AFTER)]),
        reader("right", "gate=go,print=right", &[("list", AFTER)]),
        listing("gate=begin,file=out:one\ntwo"),
        reader("left", "gate=go,print=left", &[("list", AFTER)]),
    ];
    let run = started(&engine, tasks).await;
    let following = output(&engine, &run, true);
    let opening = async {
        until(&engine, &run, "list", TaskState::Running).await;
        world.backend.open_gate("begin");
        until(&engine, &run, "left[two]", TaskState::Running).await;
        until(&engine, &run, "right[two]", TaskState::Running).await;
        world.backend.open_gate("go");
    };
    let (mut lines, ()) = tokio::join!(following, opening);
    lines.sort();
    let all = ["behind", "left", "right"].iter();
    let wanted: Vec<String> =
        all.flat_map(|name| ["one", "two"].map(|value| format!("{name}[{value}]: {name}"))).collect();
    assert_eq!(lines, wanted, "every line once, and none under another name");
    end(&engine, &run).await;
    let before = states(&engine, &run).await;
    world.crash(engine).await;
    let engine = world.open().await;
    assert_eq!(states(&engine, &run).await, before);
    let again = retried(&engine, &run, Scope::FromFailed).await;
    let record = end(&engine, &again).await;
    assert_eq!((record.state, record.tasks), (RunState::Failed, 10));
    for name in ["left[one]", "right[two]", "behind"] {
        assert_eq!(
            state_of(&engine, &again, name).await.cause,
            Cause::Reused { run: RunNumber(1), answer: None },
            "{name}"
        );
    }
    assert_eq!(state_of(&engine, &again, "behind[two]").await.cause, Cause::ExitCode(1));
    assert_eq!(output(&engine, &again, true).await.len(), 2);
}
