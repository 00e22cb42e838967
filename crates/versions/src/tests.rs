//! Tasks that are filled in, and what is refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gofer_run_machine::Plan;
use gofer_scheduler::TaskSpec;
use gofer_types::pipeline::{Action, Axis, QueuePolicy, SubPipeline, Text};
use gofer_types::{
    Actor, Namespace, Pipeline, PipelineId, PipelineRef, RunNumber, RunRecord, RunState, SchedulerName, Task,
    TaskId, Timestamp, VariableName, VersionNumber, VersionRecord,
};

use super::{Asked, Child, Target, Version, fill};

fn pipeline_id(name: &str) -> PipelineId {
    PipelineId::new(name).unwrap()
}

fn pipeline(task: Task) -> Pipeline {
    Pipeline {
        id: pipeline_id("app"),
        name: "app".to_owned(),
        description: String::new(),
        namespace: None,
        labels: BTreeMap::new(),
        parallelism: 1,
        queue: QueuePolicy::Wait,
        timeout: None,
        logging: true,
        exec: false,
        variables: BTreeMap::new(),
        triggers: Vec::new(),
        notifiers: Vec::new(),
        tasks: vec![task],
    }
}

/// A version of that many tasks: one task with the combinations of a matrix.
pub(super) fn version(number: u64, tasks: usize) -> Arc<Version> {
    let mut task = Task::new(TaskId::new("build").unwrap(), command(&["make"]));
    let values = (0..tasks).map(|value| format!("v{value}")).collect();
    task.matrix.insert("v".to_owned(), Axis::Values(values));
    let record = VersionRecord {
        pipeline: run().id.pipeline,
        version: VersionNumber(number),
        created: Timestamp::from_micros(0),
        actor: Actor::System,
        digest: String::new(),
        config: pipeline(task),
    };
    Version::new(record, Duration::from_secs(60)).unwrap()
}

fn run() -> RunRecord {
    let pipeline = PipelineRef { namespace: Namespace::default_name(), pipeline: pipeline_id("app") };
    RunRecord {
        version: VersionNumber(3),
        state: RunState::Running,
        variables: BTreeMap::from([(VariableName::new("WHO").unwrap(), "me".to_owned())]),
        ..RunRecord::new(pipeline.run(RunNumber(7)), Timestamp::from_micros(0))
    }
}

fn filled(action: Action, images: bool) -> Result<TaskSpec, String> {
    let task = Task::new(TaskId::new("build").unwrap(), action);
    let plan = Plan::new(&pipeline(task.clone()), Duration::from_secs(60)).unwrap();
    let answers = BTreeMap::from([(VariableName::new("SURE").unwrap(), "yes".to_owned())]);
    let asked = Asked { run: &run(), task: &task, planned: plan.task(0), attempt: 2, answers };
    let scheduler = SchedulerName::new("here").unwrap();
    fill(&asked, Target { scheduler: &scheduler, images, address: "http://gofer" })
}

fn command(words: &[&str]) -> Action {
    Action::Command(words.iter().map(|word| Text::from(*word)).collect())
}

#[test]
fn a_task_is_told_who_it_is_what_was_given_and_what_was_answered() {
    let spec = filled(command(&["make"]), false).unwrap();
    let env = |name: &str| spec.env.get(name).map(String::as_str);
    assert_eq!(spec.command, ["make"]);
    assert_eq!([env("WHO"), env("SURE")], [Some("me"), Some("yes")]);
    assert_eq!([env("GOFER_RUN_ID"), env("GOFER_ATTEMPT")], [Some("7"), Some("2")]);
    assert_eq!([env("GOFER_TASK_ID"), env("GOFER_ADDR")], [Some("build"), Some("http://gofer")]);
    assert_eq!(spec.labels.get("run").map(String::as_str), Some("7"));
    assert_eq!(spec.digest, filled(command(&["make"]), false).unwrap().digest);
    assert_ne!(spec.digest, filled(command(&["test"]), false).unwrap().digest);
}

#[test]
fn a_task_with_nothing_to_run_needs_a_scheduler_of_images() {
    assert!(filled(Action::Image, true).is_ok());
    let refused = filled(Action::Image, false).unwrap_err();
    assert!(refused.starts_with("scheduler `here` runs no images"), "{refused}");
}

#[test]
fn what_no_system_could_start_is_refused() {
    let long = "x".repeat(1 << 20);
    assert!(filled(command(&["echo", &long]), false).unwrap_err().contains("bytes"));
    assert!(filled(command(&["echo", "a\0b"]), false).unwrap_err().contains("NUL"));
}

#[test]
fn a_run_of_another_pipeline_is_understood_as_it_was_asked_for() {
    for version in [None, Some(VersionNumber(4))] {
        let sub =
            SubPipeline { id: pipeline_id("other"), namespace: None, version, variables: BTreeMap::new() };
        let spec = filled(Action::Pipeline(sub), false).unwrap();
        let child = Child::of(&spec).unwrap();
        assert_eq!((child.pipeline.pipeline, child.version), (pipeline_id("other"), version));
        assert_eq!(child.parent, run().id.task(TaskId::new("build").unwrap()));
    }
    assert!(Child::of(&filled(command(&["make"]), false).unwrap()).is_none());
}
