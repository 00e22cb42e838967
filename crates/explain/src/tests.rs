//! Situations that people ask about, and whatever else a run can get into.

mod histories;
mod situations;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gofer_run_machine::Plan;
use gofer_types::pipeline::{Action, Approval, QueuePolicy, Retry};
use gofer_types::{
    Actor, AttemptId, AttemptRecord, Cause, Condition, Namespace, Pipeline, PipelineId, PipelineRef,
    RunNumber, RunRecord, RunState, SchedulerName, Span, Task, TaskId, TaskRunRecord, TaskState, Timestamp,
    VersionNumber,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_800_000_000 + seconds) * 1_000_000)
}

fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

fn task(name: &str, parents: &[(&str, Condition)]) -> Task {
    let mut task = Task::new(id(name), Action::Image);
    task.depends_on = parents.iter().map(|(parent, wanted)| (id(parent), *wanted)).collect();
    task
}

/// fetch -> build[..3] -> test -> report, lint beside it, sweep at the end; an approval beside all.
fn pipeline() -> Pipeline {
    let fetch = task("fetch", &[]);
    let mut build = task("build", &[("fetch", Condition::Successful)]);
    build.matrix =
        BTreeMap::from([("n".to_owned(), vec!["1".to_owned(), "2".to_owned(), "3".to_owned()].into())]);
    let mut test = task("test", &[("build", Condition::Successful)]);
    test.retry = Some(Retry {
        attempts: 3,
        backoff: Span::from_secs(10),
        factor: 2.0,
        max_backoff: Span::from_secs(300),
        on: vec!["failed".to_owned(), "lost".to_owned()],
        exit_codes: Vec::new(),
    });
    let mut lint = task("lint", &[("fetch", Condition::Successful)]);
    lint.allow_failure = true;
    let report = task("report", &[("test", Condition::Failure)]);
    let mut sweep = task("sweep", &[("test", Condition::Always), ("lint", Condition::Any)]);
    sweep.cleanup = true;
    let approval = Approval { message: "Go?".into(), expires: None, fields: BTreeMap::new() };
    let ask = Task::new(id("ask"), Action::Approval(approval));
    Pipeline {
        id: PipelineId::new("app").unwrap(),
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
        tasks: vec![fetch, build, test, lint, report, sweep, ask],
    }
}

fn plan() -> Arc<Plan> {
    Arc::new(Plan::new(&pipeline(), Duration::from_secs(3600)).unwrap())
}

fn run() -> RunRecord {
    let pipeline =
        PipelineRef { namespace: Namespace::default_name(), pipeline: PipelineId::new("app").unwrap() };
    RunRecord {
        version: VersionNumber(3),
        state: RunState::Running,
        cause: Cause::UnderWay,
        actor: Actor::User("ada".to_owned()),
        started: Some(at(2)),
        deadline: Some(at(7202)),
        tasks: 9,
        ..RunRecord::new(pipeline.run(RunNumber(12)), at(0))
    }
}

fn attempt(task: &TaskRunRecord, number: u32, exit: Option<Cause>) -> AttemptRecord {
    let from = i64::from(number) * 100;
    AttemptRecord {
        id: AttemptId::from_u128(u128::from(number)),
        task: task.id.clone(),
        number,
        scheduler: SchedulerName::new("docker").unwrap(),
        digest: String::new(),
        created: at(from),
        started: Some(at(from + 1)),
        ended: exit.as_ref().map(|_| at(from + 31)),
        deadline: Some(at(from + 3601)),
        removed: exit.is_some(),
        exit,
        handle: None,
        image: None,
        collected: false,
        due: None,
    }
}

fn task_run(run: &RunRecord, name: &str, state: TaskState, cause: Cause) -> TaskRunRecord {
    let ran = !matches!(state, TaskState::Waiting | TaskState::Pending | TaskState::Skipped);
    TaskRunRecord {
        id: run.id.task(id(name)),
        state,
        cause,
        attempts: Vec::new(),
        changed: at(140),
        started: ran.then(|| at(101)),
        ended: state.is_terminal().then(|| at(140)),
        exit_code: None,
        fan_out: None,
        due: None,
    }
}
