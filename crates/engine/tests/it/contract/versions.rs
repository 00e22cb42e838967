//! Section 3: versions.

use gofer_engine::{EngineError, Registration};
use gofer_types::{Pipeline, Span, VersionNumber};

use super::help::*;
use crate::support::*;

fn config(description: &str) -> Pipeline {
    Pipeline { description: description.to_owned(), ..pipeline("p", vec![task("t", "exit=0", &[])]) }
}

fn registration(config: Pipeline) -> Registration {
    Registration { pipeline: pipeline_ref("p"), config, expected: None }
}

/// Registering makes a new number, or answers "unchanged" for the same content.
#[tokio::test(start_paused = true)]
async fn registering_makes_a_new_number_unless_the_content_is_the_newest() {
    // what is registered, the number that it gets, whether that was there already
    let steps = [
        ("a", 1, false),
        ("a", 1, true),
        ("b", 2, false),
        ("b", 2, true),
        ("a", 3, false),
        ("a", 3, true),
        ("c", 4, false),
    ];
    for restart in [false, true] {
        let world = World::new();
        let mut engine = world.open().await;
        for (text, number, unchanged) in steps {
            let answer = engine.register_pipeline(&ada(), registration(config(text))).await.unwrap();
            assert_eq!(
                (answer.version.version, answer.unchanged),
                (VersionNumber(number), unchanged),
                "{text}"
            );
            assert_eq!(answer.pipeline.latest, VersionNumber(number));
            if restart {
                world.crash(engine).await;
                engine = world.open().await;
            }
        }
    }
}

/// Each part of a configuration is a part of the content.
#[tokio::test(start_paused = true)]
async fn every_change_of_the_content_is_a_change() {
    type Change = (&'static str, fn(&mut Pipeline));
    let changes: [Change; 12] = [
        ("name", |config| config.name = "other".to_owned()),
        ("parallelism", |config| config.parallelism = 2),
        ("queue", |config| config.queue = gofer_types::pipeline::QueuePolicy::Refuse),
        ("time limit", |config| config.timeout = Some(Span::from_secs(9))),
        ("logging", |config| config.logging = false),
        ("script", |config| config.tasks[0].action = task("t", "exit=1", &[]).action),
        ("image", |config| config.tasks[0].image = "alpine:3".to_owned()),
        ("time limit of a task", |config| config.tasks[0].timeout = Some(Span::from_secs(9))),
        ("retry", |config| config.tasks[0].retry = Some(retry(2, &["lost"]))),
        ("cleanup", |config| config.tasks[0].cleanup = true),
        ("allow_failure", |config| config.tasks[0].allow_failure = true),
        ("another task", |config| config.tasks.push(task("u", "exit=0", &[]))),
    ];
    for (what, change) in changes {
        let world = World::new();
        let engine = world.open().await;
        register(&engine, config("a")).await;
        let mut other = config("a");
        change(&mut other);
        let answer = engine.register_pipeline(&ada(), registration(other)).await.unwrap();
        assert_eq!((answer.version.version, answer.unchanged), (VersionNumber(2), false), "{what}");
    }
}

/// A version is immutable: what was registered under a number is there for good, after a restart, too; and no number is used twice.
#[tokio::test(start_paused = true)]
async fn a_version_never_changes_and_its_number_is_never_used_again() {
    let world = World::new();
    let mut engine = world.open().await;
    let mut written = Vec::new();
    for text in ["a", "b", "c"] {
        let answer = engine.register_pipeline(&ada(), registration(config(text))).await.unwrap();
        written.push(answer.version);
    }
    let stale = Registration { expected: Some(2), ..registration(config("d")) };
    let refused = engine.register_pipeline(&ada(), stale).await;
    assert!(matches!(refused, Err(EngineError::VersionMoved { expected: 2, actual: 3 })), "{refused:?}");
    for restart in [false, true] {
        if restart {
            world.crash(engine).await;
            engine = world.open().await;
        }
        for version in &written {
            let found = engine.get_version(&pipeline_ref("p"), Some(version.version)).await.unwrap();
            assert_eq!(found, *version);
        }
    }
    engine.delete_pipeline(&ada(), &pipeline_ref("p")).await.unwrap();
    let answer = engine.register_pipeline(&ada(), registration(config("a"))).await.unwrap();
    assert_eq!(answer.version.version, VersionNumber(4));
    let run = start(&engine, &pipeline_ref("p")).await;
    assert_eq!(engine.get_run(&run).await.unwrap().version, VersionNumber(4), "and routes runs to it");
}
