//! Runs, task runs and attempts.

use std::collections::{BTreeMap, HashMap};

use gofer_engine::ImageNews;
use gofer_pipeline::Facts;
use gofer_proto::v1;
use gofer_types::pipeline::{Action, Pipeline, ReferenceRoot};
use gofer_types::record::CancelRequest;
use gofer_types::{
    AttemptRecord, ImageState, Namespace, PipelineRef, RunRecord, RunState, Task, TaskId, TaskRunRecord,
    TaskState, VariableName,
};

use super::cause::cause;
use super::timestamp;

/// What stands in place of a value that is shown to nobody.
const HIDDEN: &str = "***";

/// A run.
#[must_use]
pub fn run(record: &RunRecord) -> v1::Run {
    v1::Run {
        namespace: record.id.pipeline.namespace.to_string(),
        pipeline: record.id.pipeline.pipeline.to_string(),
        number: record.id.run.0,
        version: record.version.0,
        state: run_state(record.state).into(),
        cause: Some(cause(&record.cause)),
        actor: record.actor.to_string(),
        trigger: record.trigger.clone(),
        variables: record.variables.iter().map(|given| shown(record, given)).collect(),
        sensitive_variables: record.sensitive.iter().map(ToString::to_string).collect(),
        idempotency_key: record.idempotency_key.clone().unwrap_or_default(),
        created: Some(timestamp(record.created)),
        started: record.started.map(timestamp),
        ended: record.ended.map(timestamp),
        deadline: record.deadline.map(timestamp),
        cancel: record.cancel.as_ref().map(cancel),
        tasks: record.tasks,
        labels: record.labels.iter().map(|(key, value)| (key.to_string(), value.clone())).collect(),
        priority: record.priority.into(),
        images: record.images.iter().map(|(task, image)| (task.to_string(), image.clone())).collect(),
        retry_of: record.retry.as_ref().map_or(0, |retry| retry.run.0),
        parent: record.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        logs_deleted: record.logs_deleted.as_ref().map(|deletion| timestamp(deletion.at)),
    }
}

/// A variable as it may be shown.
fn shown(record: &RunRecord, (name, value): (&VariableName, &String)) -> (String, String) {
    let value = if record.sensitive.contains(name) { HIDDEN.to_owned() } else { value.clone() };
    (name.to_string(), value)
}

fn cancel(request: &CancelRequest) -> v1::CancelRequest {
    v1::CancelRequest {
        actor: request.actor.to_string(),
        reason: request.reason.clone(),
        at: Some(timestamp(request.at)),
        force: request.force,
    }
}

/// The state of a run.
#[must_use]
pub const fn run_state(state: RunState) -> v1::RunState {
    match state {
        RunState::Queued => v1::RunState::Queued,
        RunState::Running => v1::RunState::Running,
        RunState::Succeeded => v1::RunState::Succeeded,
        RunState::Failed => v1::RunState::Failed,
        RunState::Errored => v1::RunState::Errored,
        RunState::Cancelled => v1::RunState::Cancelled,
        RunState::TimedOut => v1::RunState::TimedOut,
    }
}

const fn task_state(state: TaskState) -> v1::TaskState {
    match state {
        TaskState::Waiting => v1::TaskState::Waiting,
        TaskState::Pending => v1::TaskState::Pending,
        TaskState::Running => v1::TaskState::Running,
        TaskState::Succeeded => v1::TaskState::Succeeded,
        TaskState::Failed => v1::TaskState::Failed,
        TaskState::Errored => v1::TaskState::Errored,
        TaskState::Lost => v1::TaskState::Lost,
        TaskState::Cancelled => v1::TaskState::Cancelled,
        TaskState::TimedOut => v1::TaskState::TimedOut,
        TaskState::Skipped => v1::TaskState::Skipped,
    }
}

/// What a run executes: its configuration, and the images that it was started with.
pub struct Executed {
    tasks: HashMap<TaskId, Task>,
    images: BTreeMap<TaskId, String>,
    logging: bool,
    facts: Facts,
    namespace: Namespace,
}

impl Executed {
    /// What a run of this configuration executes.
    #[must_use]
    pub fn new(config: Pipeline, run: RunRecord) -> Self {
        let logging = config.logging;
        let tasks = config.tasks.into_iter().map(|task| (task.id.clone(), task)).collect();
        let facts = gofer_engine::facts_of(&run);
        Self { tasks, images: run.images, logging, facts, namespace: run.id.pipeline.namespace }
    }
}

/// A task run, with what its run executes for the task.
#[must_use]
pub fn task_run(record: &TaskRunRecord, executed: &Executed) -> v1::TaskRun {
    let task = executed.tasks.get(record.id.task.base());
    let other = executed.images.get(record.id.task.base());
    let configured = task.map(|task| task.image.clone()).unwrap_or_default();
    let run = &record.id.run;
    v1::TaskRun {
        namespace: run.pipeline.namespace.to_string(),
        pipeline: run.pipeline.pipeline.to_string(),
        run: run.run.0,
        task: record.id.task.to_string(),
        state: task_state(record.state).into(),
        cause: Some(cause(&record.cause)),
        changed: Some(timestamp(record.changed)),
        started: record.started.map(timestamp),
        ended: record.ended.map(timestamp),
        exit_code: record.exit_code,
        attempts: u32::try_from(record.attempts.len()).unwrap_or(u32::MAX),
        image: other.unwrap_or(&configured).clone(),
        question: question(&record.id.task, executed),
        child_pipeline: child_pipeline(task, executed),
        max_attempts: task.and_then(|task| task.retry.as_ref()).map_or(1, |retry| retry.attempts),
        logging_off: !task.and_then(|task| task.logging).unwrap_or(executed.logging),
        configured_image: if other.is_some() { configured } else { String::new() },
        depends_on: (task.into_iter().flat_map(|task| &task.depends_on))
            .map(|(parent, condition)| v1::TaskDependency {
                task: parent.to_string(),
                condition: condition.to_string(),
            })
            .collect(),
    }
}

/// What a task asks somebody.
fn question(id: &TaskId, executed: &Executed) -> String {
    let Some(task) = executed.tasks.get(id.base()) else { return String::new() };
    let Action::Approval(approval) = &task.action else { return String::new() };
    let combination = task.matrix.keys().zip(id.values());
    let set = |facts: Facts, (key, value)| facts.set(ReferenceRoot::Matrix, key, value);
    let facts = combination.fold(executed.facts.clone(), set);
    gofer_pipeline::evaluate(&approval.message, &facts).unwrap_or_default()
}

/// The pipeline of which a task is a run.
fn child_pipeline(task: Option<&Task>, executed: &Executed) -> String {
    match task.map(|task| &task.action) {
        Some(Action::Pipeline(child)) => {
            let namespace = child.namespace.clone().unwrap_or_else(|| executed.namespace.clone());
            PipelineRef { namespace, pipeline: child.id.clone() }.to_string()
        }
        _ => String::new(),
    }
}

/// An attempt.
#[must_use]
pub fn attempt(record: &AttemptRecord) -> v1::Attempt {
    v1::Attempt {
        id: record.id.to_string(),
        number: record.number,
        scheduler: record.scheduler.to_string(),
        handle: record.handle.clone().unwrap_or_default(),
        created: Some(timestamp(record.created)),
        started: record.started.map(timestamp),
        ended: record.ended.map(timestamp),
        exit: record.exit.as_ref().map(cause),
        image_digest: record.image.clone().unwrap_or_default(),
    }
}

/// How far the fetch of an image is.
#[must_use]
pub fn image(news: &ImageNews) -> v1::ImageProgress {
    v1::ImageProgress {
        task: news.task.task.to_string(),
        attempt: news.attempt.to_string(),
        image: news.image.clone(),
        done: news.done,
        total: news.total,
        digest: digest(&news.state),
    }
}

/// The digest of an image that is there; empty for one that is on its way.
pub(super) fn digest(state: &ImageState) -> String {
    match state {
        ImageState::Fetching => String::new(),
        ImageState::Fetched { digest } => digest.clone(),
    }
}

#[cfg(test)]
mod tests {
    use gofer_types::{Cause, Namespace, PipelineId, RunNumber, Timestamp};

    use super::*;

    fn read(text: &str) -> Pipeline {
        let source = gofer_pipeline::Source::new("p.hcl", text);
        gofer_pipeline::parse(&source, &gofer_pipeline::Limits::default()).pipeline.expect("a pipeline")
    }

    fn record() -> RunRecord {
        let pipeline = PipelineId::new("p").expect("an id");
        RunRecord {
            state: RunState::Running,
            cause: Cause::UnderWay,
            tasks: 2,
            ..RunRecord::new(
                PipelineRef { namespace: Namespace::default_name(), pipeline }.run(RunNumber(7)),
                Timestamp::default(),
            )
        }
    }

    #[test]
    fn the_value_of_a_sensitive_variable_is_shown_to_nobody() {
        let name = |text: &str| VariableName::new(text).expect("a name");
        let given = [("key", "canary"), ("rev", "main")].map(|(key, value)| (name(key), value.to_owned()));
        let sensitive = [name("key")].into_iter().collect();
        let shown = run(&RunRecord { variables: given.into_iter().collect(), sensitive, ..record() });
        assert_eq!(shown.sensitive_variables, ["key"]);
        assert_eq!((shown.variables["key"].as_str(), shown.variables["rev"].as_str()), ("***", "main"));
        assert!(!format!("{shown:?}").contains("canary"));
    }

    #[test]
    fn a_question_is_asked_with_what_it_refers_to() {
        let config = read(
            r#"id = "p"
            task "ask" {
              matrix   = { to = ["eu", "a b/c"] }
              approval = { message = "run ${run.id} of ${pipeline.id} to ${matrix.to}?" }
            }"#,
        );
        let executed = Executed::new(config, record());
        let asked = |id: &str| question(&TaskId::new(id).expect("an id"), &executed);
        assert_eq!(asked("ask[eu]"), "run 7 of p to eu?");
        assert_eq!(asked("ask[a%20b%2Fc]"), "run 7 of p to a b/c?");
        assert_eq!(asked("other"), "");
    }

    #[test]
    fn the_words_of_states_are_the_same_in_the_contract() {
        for state in RunState::ALL {
            let word = format!("RUN_STATE_{}", state.as_str().to_ascii_uppercase());
            assert_eq!(run_state(state).as_str_name(), word);
        }
        for state in TaskState::ALL {
            let word = format!("TASK_STATE_{}", state.as_str().to_ascii_uppercase());
            assert_eq!(task_state(state).as_str_name(), word);
        }
    }
}
