//! Runs, task runs and attempts.

use gofer_engine::ImageNews;
use gofer_proto::v1;
use gofer_types::pipeline::Pipeline;
use gofer_types::record::CancelRequest;
use gofer_types::{AttemptRecord, ImageState, RunRecord, RunState, TaskRunRecord, TaskState};

use super::cause::cause;
use super::timestamp;

/// A run.
pub(crate) fn run(record: &RunRecord) -> v1::Run {
    v1::Run {
        namespace: record.id.pipeline.namespace.to_string(),
        pipeline: record.id.pipeline.pipeline.to_string(),
        number: record.id.run.0,
        version: record.version.0,
        state: run_state(record.state).into(),
        cause: Some(cause(&record.cause)),
        actor: record.actor.to_string(),
        trigger: record.trigger.clone(),
        variables: record.variables.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        idempotency_key: record.idempotency_key.clone().unwrap_or_default(),
        created: Some(timestamp(record.created)),
        started: record.started.map(timestamp),
        ended: record.ended.map(timestamp),
        deadline: record.deadline.map(timestamp),
        cancel: record.cancel.as_ref().map(cancel),
        tasks: record.tasks,
    }
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
pub(crate) const fn run_state(state: RunState) -> v1::RunState {
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

/// A task run, with what the configuration of its run says about the task.
pub(crate) fn task_run(record: &TaskRunRecord, config: &Pipeline) -> v1::TaskRun {
    let task = config.tasks.iter().find(|task| task.id == record.id.task);
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
        image: task.map(|task| task.image.clone()).unwrap_or_default(),
        depends_on: (task.into_iter().flat_map(|task| &task.depends_on))
            .map(|(parent, condition)| v1::TaskDependency {
                task: parent.to_string(),
                condition: condition.to_string(),
            })
            .collect(),
    }
}

/// An attempt.
pub(crate) fn attempt(record: &AttemptRecord) -> v1::Attempt {
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
pub(crate) fn image(news: &ImageNews) -> v1::ImageProgress {
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
pub(crate) fn digest(state: &ImageState) -> String {
    match state {
        ImageState::Fetching => String::new(),
        ImageState::Fetched { digest } => digest.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
