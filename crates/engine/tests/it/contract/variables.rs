//! Section 3: what a container sees of the run, and which value wins.

use std::collections::BTreeMap;

use gofer_engine::StartRun;
use gofer_types::pipeline::{Text, Variable, VariableType};
use gofer_types::{Cause, Pipeline, RunState, Task, VariableName};

use super::help::*;
use crate::support::*;

const OURS: [&str; 9] = [
    "GOFER_NAMESPACE",
    "GOFER_PIPELINE_ID",
    "GOFER_PIPELINE_VERSION",
    "GOFER_RUN_ID",
    "GOFER_TASK_ID",
    "GOFER_TASK_IMAGE",
    "GOFER_ATTEMPT",
    "GOFER_TRIGGER",
    "GOFER_ADDR",
];

fn accepting(config: Pipeline, names: &[&str]) -> Pipeline {
    let one = |name: &&str| {
        let kind = VariableType::String;
        let variable = Variable {
            kind,
            default: None,
            allowed: Vec::new(),
            description: String::new(),
            sensitive: false,
        };
        (VariableName::new(*name).unwrap(), variable)
    };
    Pipeline { variables: names.iter().map(one).collect(), ..config }
}

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, Text> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Text::from(*value))).collect()
}

/// Variables reach the container as environment: ours, each with its value, also in a second attempt.
#[tokio::test(start_paused = true)]
async fn our_variables_reach_the_container() {
    let mut world = World::new();
    world.options.address = "https://gofer.example:8080".to_owned();
    let engine = world.open().await;
    let mut show = retried(task("t", "env,before=2,exit=1", &[]), retry(2, &["failed"]));
    show.image = "alpine:3".to_owned();
    register(&engine, pipeline("p", vec![task("old", "exit=0", &[])])).await;
    let id = register(&engine, pipeline("p", vec![show])).await;
    let run = StartRun { trigger: "cron nightly".to_owned(), ..wish(&id) };
    let run = engine.start_run(&ada(), run).await.unwrap().run.id;
    assert_eq!(end(&engine, &run).await.state, RunState::Succeeded);
    let lines = output(&engine, &run, true).await;
    let values =
        ["default", "p", "2", "1", "t", "alpine:3", "1", "cron nightly", "https://gofer.example:8080"];
    for (name, value) in OURS.into_iter().zip(values) {
        let line = format!("t: {name}={value}");
        let expected = if name == "GOFER_ATTEMPT" { 1 } else { 2 };
        assert_eq!(lines.iter().filter(|known| **known == line).count(), expected, "{line}: {lines:?}");
    }
    assert!(lines.contains(&"t: GOFER_ATTEMPT=2".to_owned()));
    let others = lines.iter().filter(|line| line.starts_with("t: GOFER_"));
    assert_eq!(others.count(), 2 * OURS.len(), "no token without `inject_token`");
}

/// Precedence, lowest first: task `env_vars`, run variables, ours.
#[tokio::test(start_paused = true)]
async fn run_variables_win_over_the_task_and_ours_over_both() {
    type Pairs = &'static [(&'static str, &'static str)];
    let cases: [(Pairs, Pairs, &str); 7] = [
        (&[("A", "task")], &[], "A=task"),
        (&[], &[("A", "run")], "A=run"),
        (&[("A", "task")], &[("A", "run")], "A=run"),
        (&[("A", "task")], &[("a", "run")], "A=task"),
        (&[("A", "task")], &[("A", "")], "A="),
        (&[("GOFER_RUN_ID", "999")], &[], "GOFER_RUN_ID=1"),
        (&[("GOFER_ADDR", "http://evil")], &[], "GOFER_ADDR="),
    ];
    for (of_task, of_run, expected) in cases {
        let world = World::new();
        let engine = world.open().await;
        let show = Task { env_vars: env(of_task), ..task("t", "env", &[]) };
        let names: Vec<&str> = of_run.iter().map(|(name, _)| *name).collect();
        let id = register(&engine, accepting(pipeline("p", vec![show]), &names)).await;
        let variables =
            of_run.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let run = engine.start_run(&ada(), StartRun { variables, ..wish(&id) }).await.unwrap().run.id;
        end(&engine, &run).await;
        let lines = output(&engine, &run, true).await;
        let name = expected.split_once('=').unwrap().0;
        let found: Vec<&str> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("t: "))
            .filter(|line| line.split_once('=').is_some_and(|(known, _)| known == name))
            .collect();
        assert_eq!(found, [expected], "{of_task:?} {of_run:?}");
    }
}

/// Ours win over the task's and the run's value of the same name, for each of them; the prefix is reserved.
#[tokio::test(start_paused = true)]
async fn no_value_of_anybody_stands_against_ours() {
    for name in OURS {
        let world = World::new();
        let engine = world.open().await;
        let show = Task { env_vars: env(&[(name, "forged")]), ..task("t", "env", &[]) };
        let id = register(&engine, accepting(pipeline("p", vec![show]), &[name])).await;
        let variables = BTreeMap::from([(name.to_owned(), "forged".to_owned())]);
        let run = engine.start_run(&ada(), StartRun { variables, ..wish(&id) }).await.unwrap().run.id;
        end(&engine, &run).await;
        let lines = output(&engine, &run, true).await;
        assert!(!lines.iter().any(|line| line.contains("forged")), "{name}: {lines:?}");
        assert!(lines.iter().any(|line| line.starts_with(&format!("t: {name}="))), "{name}");
    }
}

/// The value of a sensitive variable is in no cause and in no event, also where a scheduler repeats it.
#[tokio::test(start_paused = true)]
async fn a_sensitive_value_that_a_scheduler_repeats_is_not_told() {
    let world = World::new();
    let engine = world.open().await;
    let scripts = ["lost=it saw hush-hush-2", "dance hush-hush"];
    let both = scripts.iter().enumerate().map(|(n, script)| task(&format!("t{n}"), script, &[]));
    let mut config = accepting(pipeline("p", both.collect()), &["key", "long", "short"]);
    config.variables.values_mut().for_each(|variable| variable.sensitive = true);
    let id = register(&engine, config).await;
    let variables = [("key", "hush-hush"), ("long", "hush-hush-2"), ("short", "it")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let run = engine.start_run(&ada(), StartRun { variables, ..wish(&id) }).await.unwrap().run.id;
    end(&engine, &run).await;
    let lost = state_of(&engine, &run, "t0").await.cause;
    assert_eq!(lost, Cause::Lost("it saw ***".to_owned()), "the longer value is taken out as a whole");
    let (_, attempts) = engine.get_task_run(&run.task(task_id("t0"))).await.unwrap();
    let everything = format!("{:?} {attempts:?} {:?}", tasks(&engine, &run).await, told(&engine, &run).await);
    assert!(everything.contains("***") && !everything.contains("hush"), "{everything}");
}
