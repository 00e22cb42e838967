//! From the messages of the wire to what programs see.

use std::collections::{BTreeMap, HashMap};

use gofer_client::v1 as pb;
use gofer_types::{Namespace, RunState, TaskState, Timestamp};

use super::{
    Attempt, Backend, Cancel, Cause, Dependency, Event, Graph, LogLine, NamespaceView, Pipeline, Run, Status,
    TaskConfig, TaskRun, Time, Variable, Version,
};

/// An address, without the namespace where it is the default one.
pub fn address(namespace: &str, rest: &str) -> String {
    if namespace.is_empty() || namespace == Namespace::default_name().as_str() {
        rest.to_owned()
    } else {
        format!("{namespace}::{rest}")
    }
}

/// A time of the wire, whose type belongs to the contract's own crates.
macro_rules! time {
    ($at:expr) => {
        $crate::convert::time_of($at.as_ref().map(|at| (at.seconds, at.nanos)))
    };
}
pub(crate) use time;

/// The milliseconds of a duration of the wire.
macro_rules! millis {
    ($span:expr) => {
        millis_of($span.as_ref().map(|span| (span.seconds, span.nanos)))
    };
}

/// A time of the wire, in seconds and nanoseconds since 1970.
pub fn time_of(at: Option<(i64, i32)>) -> Option<Time> {
    let (seconds, nanos) = at?;
    let micros = seconds.checked_mul(1_000_000)?.checked_add(i64::from(nanos) / 1000)?;
    Some(Time(Timestamp::from_micros(micros)))
}

fn millis_of(span: Option<(i64, i32)>) -> Option<u64> {
    let (seconds, nanos) = span?;
    let millis = u64::try_from(seconds).ok()?.checked_mul(1000)?;
    millis.checked_add(u64::try_from(nanos).unwrap_or(0) / 1_000_000)
}

fn between(from: Option<Time>, to: Option<Time>) -> Option<u64> {
    u64::try_from(to?.0.since(from?.0).as_millis()).ok()
}

pub(crate) fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn counted(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

fn filled_map(map: HashMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then(|| map.into_iter().collect())
}

/// The state of a run on the wire; an unknown one is `None`.
pub fn run_state(state: pb::RunState) -> Option<RunState> {
    Some(match state {
        pb::RunState::Unspecified => return None,
        pb::RunState::Queued => RunState::Queued,
        pb::RunState::Running => RunState::Running,
        pb::RunState::Succeeded => RunState::Succeeded,
        pb::RunState::Failed => RunState::Failed,
        pb::RunState::Errored => RunState::Errored,
        pb::RunState::Cancelled => RunState::Cancelled,
        pb::RunState::TimedOut => RunState::TimedOut,
    })
}

/// The state of a run as the wire has it.
pub fn run_state_of(state: RunState) -> pb::RunState {
    match state {
        RunState::Queued => pb::RunState::Queued,
        RunState::Running => pb::RunState::Running,
        RunState::Succeeded => pb::RunState::Succeeded,
        RunState::Failed => pb::RunState::Failed,
        RunState::Errored => pb::RunState::Errored,
        RunState::Cancelled => pb::RunState::Cancelled,
        RunState::TimedOut => pb::RunState::TimedOut,
    }
}

/// The state of a task run on the wire; an unknown one is `None`.
pub fn task_state(state: pb::TaskState) -> Option<TaskState> {
    Some(match state {
        pb::TaskState::Unspecified => return None,
        pb::TaskState::Waiting => TaskState::Waiting,
        pb::TaskState::Pending => TaskState::Pending,
        pb::TaskState::Running => TaskState::Running,
        pb::TaskState::Succeeded => TaskState::Succeeded,
        pb::TaskState::Failed => TaskState::Failed,
        pb::TaskState::Errored => TaskState::Errored,
        pb::TaskState::Lost => TaskState::Lost,
        pb::TaskState::Cancelled => TaskState::Cancelled,
        pb::TaskState::TimedOut => TaskState::TimedOut,
        pb::TaskState::Skipped => TaskState::Skipped,
    })
}

fn run_word(state: pb::RunState) -> &'static str {
    run_state(state).map_or("unknown", RunState::as_str)
}

fn task_word(state: pb::TaskState) -> &'static str {
    task_state(state).map_or("unknown", TaskState::as_str)
}

impl From<pb::Cause> for Cause {
    fn from(cause: pb::Cause) -> Self {
        Self {
            kind: cause.kind,
            text: cause.text,
            tasks: (!cause.tasks.is_empty()).then_some(cause.tasks),
            exit_code: cause.exit_code,
            signal: cause.signal,
            limit_ms: millis!(cause.limit),
            attempt: (cause.attempt > 0).then_some(cause.attempt),
            run: counted(cause.run),
            actor: filled(cause.actor),
            child: filled(cause.child),
            fields: (!cause.fields.is_empty()).then(|| cause.fields.into_iter().collect()),
            count: (cause.count > 0).then_some(cause.count),
        }
    }
}

impl From<pb::Run> for Run {
    fn from(run: pb::Run) -> Self {
        let (started, ended) = (time!(run.started), time!(run.ended));
        let state = run_word(run.state());
        let cancel = run.cancel.map(|cancel| Cancel {
            at: time!(cancel.at),
            actor: cancel.actor,
            reason: cancel.reason,
            force: cancel.force,
        });
        Self {
            r#ref: address(&run.namespace, &format!("{}/{}", run.pipeline, run.number)),
            namespace: run.namespace,
            pipeline: run.pipeline,
            number: run.number,
            version: run.version,
            state,
            actor: run.actor,
            trigger: run.trigger,
            variables: run.variables.into_iter().collect(),
            tasks: run.tasks,
            cause: run.cause.map(Into::into),
            idempotency_key: filled(run.idempotency_key),
            created: time!(run.created),
            started,
            ended,
            deadline: time!(run.deadline),
            duration_ms: between(started, ended),
            cancel,
            task_list: None,
            labels: filled_map(run.labels),
            priority: (run.priority != 0).then_some(run.priority),
            images: filled_map(run.images),
            retry_of: counted(run.retry_of),
            logs_deleted: time!(run.logs_deleted),
            parent: filled(run.parent),
            sensitive_variables: (!run.sensitive_variables.is_empty()).then_some(run.sensitive_variables),
        }
    }
}

impl From<pb::TaskRun> for TaskRun {
    fn from(task: pb::TaskRun) -> Self {
        let (started, ended) = (time!(task.started), time!(task.ended));
        let state = task_word(task.state());
        let depends_on = task.depends_on.into_iter();
        let max_attempts = (task.max_attempts > 1).then_some(task.max_attempts);
        let child_run = task.cause.as_ref().and_then(|cause| filled(cause.child.clone()));
        Self {
            r#ref: address(&task.namespace, &format!("{}/{}/{}", task.pipeline, task.run, task.task)),
            namespace: task.namespace,
            pipeline: task.pipeline,
            run: task.run,
            task: task.task,
            state,
            attempts: task.attempts,
            image: task.image,
            depends_on: depends_on.map(|on| Dependency { task: on.task, condition: on.condition }).collect(),
            cause: task.cause.map(Into::into),
            exit_code: task.exit_code,
            changed: time!(task.changed),
            started,
            ended,
            duration_ms: between(started, ended),
            attempt_list: None,
            configured_image: filled(task.configured_image),
            logging_off: task.logging_off.then_some(true),
            question: filled(task.question),
            child_pipeline: filled(task.child_pipeline),
            child_run,
            max_attempts,
        }
    }
}

impl From<pb::Attempt> for Attempt {
    fn from(attempt: pb::Attempt) -> Self {
        Self {
            created: time!(attempt.created),
            started: time!(attempt.started),
            ended: time!(attempt.ended),
            exit: attempt.exit.map(Into::into),
            image_digest: Some(attempt.image_digest).filter(|digest| !digest.is_empty()),
            id: attempt.id,
            number: attempt.number,
            scheduler: attempt.scheduler,
            handle: attempt.handle,
        }
    }
}

impl From<pb::Pipeline> for Pipeline {
    fn from(pipeline: pb::Pipeline) -> Self {
        Self {
            r#ref: address(&pipeline.namespace, &pipeline.id),
            created: time!(pipeline.created),
            updated: time!(pipeline.updated),
            namespace: pipeline.namespace,
            id: pipeline.id,
            name: pipeline.name,
            description: pipeline.description,
            latest_version: pipeline.latest_version,
            enabled: pipeline.enabled,
            labels: pipeline.labels.into_iter().collect(),
            tasks: pipeline.tasks,
            variables: None,
        }
    }
}

impl From<pb::TaskConfig> for TaskConfig {
    fn from(task: pb::TaskConfig) -> Self {
        let depends_on = task.depends_on.into_iter();
        Self {
            id: task.id,
            image: task.image,
            description: task.description,
            depends_on: depends_on.map(|on| Dependency { task: on.task, condition: on.condition }).collect(),
            scheduler: task.scheduler,
        }
    }
}

impl From<&gofer_types::Pipeline> for Graph {
    fn from(pipeline: &gofer_types::Pipeline) -> Self {
        let on = |(parent, condition): (&gofer_types::TaskId, &gofer_types::Condition)| Dependency {
            task: parent.to_string(),
            condition: condition.to_string(),
        };
        let task = |task: &gofer_types::Task| TaskConfig {
            id: task.id.to_string(),
            image: task.image.clone(),
            description: task.description.clone(),
            depends_on: task.depends_on.iter().map(on).collect(),
            scheduler: task.scheduler.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        Self { pipeline: pipeline.id.to_string(), tasks: pipeline.tasks.iter().map(task).collect() }
    }
}

impl From<pb::Version> for Version {
    fn from(version: pb::Version) -> Self {
        let variables = version.variables.into_iter().map(|variable| Variable {
            name: variable.name,
            r#type: variable.r#type,
            allowed: variable.allowed,
            description: variable.description,
            default: variable.default,
            sensitive: variable.sensitive.then_some(true),
        });
        Self {
            r#ref: address(&version.namespace, &format!("{}@{}", version.pipeline, version.version)),
            created: time!(version.created),
            timeout_ms: millis!(version.timeout),
            namespace: version.namespace,
            pipeline: version.pipeline,
            version: version.version,
            actor: version.actor,
            digest: version.digest,
            parallelism: version.parallelism,
            tasks: version.tasks.into_iter().map(Into::into).collect(),
            variables: variables.collect(),
        }
    }
}

impl From<pb::Namespace> for NamespaceView {
    fn from(namespace: pb::Namespace) -> Self {
        Self { created: time!(namespace.created), name: namespace.name, description: namespace.description }
    }
}

impl From<pb::Event> for Event {
    fn from(event: pb::Event) -> Self {
        Self {
            seq: event.seq,
            r#type: event.r#type,
            actor: event.actor,
            text: event.text,
            time: time!(event.at),
            namespace: filled(event.namespace),
            pipeline: filled(event.pipeline),
            version: counted(event.version),
            run: counted(event.run),
            task: filled(event.task),
            state: filled(event.state),
            cause: event.cause.map(Into::into),
            attempt: filled(event.attempt),
            exit_code: event.exit_code,
        }
    }
}

impl From<pb::LogEntry> for LogLine {
    fn from(entry: pb::LogEntry) -> Self {
        let stream = if entry.stream() == pb::LogStream::Err { "err" } else { "out" };
        let text = String::from_utf8_lossy(&entry.data);
        let lossy = matches!(text, std::borrow::Cow::Owned(_)).then_some(true);
        let text = entry.gap.is_none().then(|| text.into_owned());
        let (gap_bytes, gap_cause) = entry.gap.map_or((None, None), |gap| (gap.bytes, Some(gap.cause)));
        Self {
            seq: entry.seq,
            r#type: if gap_cause.is_some() { "gap" } else { "line" },
            task: entry.task,
            attempt: entry.attempt,
            stream,
            time: time!(entry.time),
            text,
            lossy,
            partial: entry.partial.then_some(true),
            gap_bytes,
            gap_cause,
        }
    }
}

impl From<pb::GetStatusResponse> for Status {
    fn from(status: pb::GetStatusResponse) -> Self {
        let backends = status.backends.into_iter().map(|backend| Backend {
            problem: filled(backend.problem),
            family: backend.family,
            name: backend.name,
            kind: backend.kind,
            target: backend.target,
            default: backend.default,
            capabilities: backend.capabilities,
            healthy: backend.healthy,
        });
        Self {
            uptime_ms: millis!(status.uptime).unwrap_or(0),
            backends: backends.collect(),
            version: status.version,
            data_dir: status.data_dir,
            epoch: status.epoch,
            queued_runs: status.queued_runs,
            running_runs: status.running_runs,
            running_tasks: status.running_tasks,
            max_running_tasks: status.max_running_tasks,
            quarantined_runs: status.quarantined_runs,
            last_event: status.last_event,
        }
    }
}
