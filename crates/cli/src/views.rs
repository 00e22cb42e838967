//! What programs see of each thing: the JSON contract. Additive only.
//!
//! Names are snake_case, times RFC 3339 in UTC, durations `*_ms` integers; what is not set is absent.

use std::collections::BTreeMap;

use gofer_proto::v1 as pb;
use gofer_types::{Namespace, RunState, TaskState, Timestamp};
use serde::{Serialize, Serializer};

use crate::output::style::{Colour, Style, duration};
use crate::output::table::Cell;
use crate::output::{Row, View};

/// A point in time, in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The name of a field without the mark that lets it be a word of the language.
const fn bare(name: &str) -> &str {
    match name.as_bytes() {
        [b'r', b'#', rest @ ..] => match str::from_utf8(rest) {
            Ok(rest) => rest,
            Err(_) => name,
        },
        _ => name,
    }
}

/// Declares a view: the fields that are always there, then those that may be absent.
macro_rules! view {
    ($(#[$doc:meta])* $name:ident = $schema:literal { $($field:ident: $type:ty),* $(,)? }
     maybe { $($maybe:ident: $inner:ty),* $(,)? } named $me:ident => $print:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize)]
        pub(crate) struct $name {
            $(pub(crate) $field: $type,)*
            $(#[serde(skip_serializing_if = "Option::is_none")] pub(crate) $maybe: Option<$inner>,)*
        }
        impl View for $name {
            const SCHEMA: &'static str = $schema;
            const FIELDS: &'static [&'static str] = &[$(bare(stringify!($field)),)* $(bare(stringify!($maybe)),)*];
            fn name(&self) -> String { let $me = self; $print }
        }
    };
}

view!(
    /// Why something is in its state.
    Cause = "gofer.v1.Cause" { kind: String, text: String }
    maybe { tasks: Vec<String>, exit_code: i32, signal: i32, limit_ms: u64 } named me => me.kind.clone());
view!(
    /// A recorded wish that a run ends.
    Cancel = "gofer.v1.CancelRequest" { actor: String, reason: String, force: bool }
    maybe { at: Time } named me => me.actor.clone());
view!(
    /// One execution of a pipeline.
    Run = "gofer.v1.Run" {
        r#ref: String, namespace: String, pipeline: String, number: u64, version: u64, state: &'static str,
        actor: String, trigger: String, variables: BTreeMap<String, String>, tasks: u32,
    }
    maybe {
        cause: Cause, idempotency_key: String, created: Time, started: Time, ended: Time, deadline: Time,
        duration_ms: u64, cancel: Cancel, task_list: Vec<TaskRun>,
    } named me => me.r#ref.clone());
view!(
    /// What a task asks of one parent.
    Dependency = "gofer.v1.Dependency" { task: String, condition: String } maybe {} named me => me.task.clone());
view!(
    /// A task within a run.
    TaskRun = "gofer.v1.TaskRun" {
        r#ref: String, namespace: String, pipeline: String, run: u64, task: String, state: &'static str,
        attempts: u32, image: String, depends_on: Vec<Dependency>,
    }
    maybe { cause: Cause, exit_code: i32, changed: Time, started: Time, ended: Time, duration_ms: u64,
        attempt_list: Vec<Attempt> } named me => me.r#ref.clone());
view!(
    /// One start of a task on a scheduler.
    Attempt = "gofer.v1.Attempt" { id: String, number: u32, scheduler: String, handle: String }
    maybe { created: Time, started: Time, ended: Time, exit: Cause } named me => me.id.clone());
view!(
    /// A pipeline with its newest version.
    Pipeline = "gofer.v1.Pipeline" {
        r#ref: String, namespace: String, id: String, name: String, description: String, latest_version: u64,
        enabled: bool, labels: BTreeMap<String, String>, tasks: u32,
    }
    maybe { created: Time, updated: Time } named me => me.r#ref.clone());
view!(
    /// One immutable configuration.
    Version = "gofer.v1.Version" {
        r#ref: String, namespace: String, pipeline: String, version: u64, actor: String, digest: String,
        parallelism: u32, tasks: Vec<TaskConfig>, variables: Vec<Variable>,
    }
    maybe { created: Time, timeout_ms: u64 } named me => me.r#ref.clone());
view!(
    /// A task as its author wrote it.
    TaskConfig = "gofer.v1.TaskConfig" {
        id: String, image: String, description: String, depends_on: Vec<Dependency>, scheduler: String,
    } maybe {} named me => me.id.clone());
view!(
    /// What a run may be given under one name.
    Variable = "gofer.v1.Variable" { name: String, r#type: String, allowed: Vec<String>, description: String }
    maybe { default: String } named me => me.name.clone());
view!(
    /// The border of tenancy.
    NamespaceView = "gofer.v1.Namespace" { name: String, description: String }
    maybe { created: Time } named me => me.name.clone());
view!(
    /// One thing that happened.
    Event = "gofer.v1.Event" { seq: u64, r#type: String, actor: String, text: String }
    maybe {
        time: Time, namespace: String, pipeline: String, version: u64, run: u64, task: String, state: String,
        cause: Cause, attempt: String, exit_code: i32,
    } named me => me.seq.to_string());
view!(
    /// One piece of a task's output.
    LogLine = "gofer.v1.LogLine" { seq: u64, r#type: &'static str, task: String, attempt: u32, stream: &'static str }
    maybe { time: Time, text: String, lossy: bool, partial: bool, gap_bytes: u64, gap_cause: String }
    named me => me.seq.to_string());
view!(
    /// A change of a run or of one of its tasks.
    Change = "gofer.v1.Change" { seq: u64, r#type: &'static str, r#ref: String, state: &'static str }
    maybe { time: Time, cause: Cause, exit_code: i32, attempts: u32 } named me => me.r#ref.clone());
view!(
    /// The end of a stream.
    End = "gofer.v1.End" { seq: u64, r#type: &'static str, r#ref: String, state: &'static str, exit_code: u8 }
    maybe { time: Time, cause: Cause, duration_ms: u64 } named me => me.r#ref.clone());
view!(
    /// How the server does.
    Status = "gofer.v1.Status" {
        version: String, uptime_ms: u64, data_dir: String, epoch: u64, backends: Vec<Backend>, queued_runs: u64,
        running_runs: u64, running_tasks: u64, max_running_tasks: u64, quarantined_runs: u64, last_event: u64,
    } maybe {} named me => me.version.clone());
view!(
    /// A configured backend.
    Backend = "gofer.v1.Backend" {
        family: String, name: String, kind: String, target: String, default: bool, capabilities: Vec<String>,
    } maybe { healthy: bool, problem: String } named me => me.name.clone());
view!(
    /// What `up` and `pipeline plan` found.
    Plan = "gofer.v1.Plan" { r#ref: String, changes: Vec<String>, unchanged: bool, version: u64 }
    maybe { registered: u64 } named me => me.r#ref.clone());
view!(
    /// One problem of a pipeline file.
    Problem = "gofer.v1.Problem" { code: String, severity: &'static str, message: String, file: String, help: Vec<String> }
    maybe { line: u32, column: u32, label: String } named me => me.code.clone());
view!(
    /// What `pipeline validate` found.
    Validation = "gofer.v1.Validation" { file: String, valid: bool, problems: Vec<Problem> }
    maybe { pipeline: String, tasks: u32 } named me => me.file.clone());
view!(
    /// What `doctor` found.
    Diagnosis = "gofer.v1.Diagnosis" { checks: Vec<CheckResult>, ok: u32, warnings: u32, failed: u32 }
    maybe {} named me => me.failed.to_string());
view!(
    /// One check of `doctor`.
    CheckResult = "gofer.v1.Check" { name: String, result: &'static str, text: String }
    maybe { hint: String } named me => me.name.clone());
view!(
    /// The version of this program.
    Program = "gofer.v1.Program" { version: String, api: u32, target: String } maybe {} named me => me.version.clone());
view!(
    /// A page of `explain`.
    Page = "gofer.v1.Page" { code: String, text: String } maybe {} named me => me.code.clone());
view!(
    /// The graph of a pipeline.
    Graph = "gofer.v1.Graph" { pipeline: String, tasks: Vec<TaskConfig> } maybe {} named me => me.pipeline.clone());
view!(
    /// What a command wrote or removed.
    Done = "gofer.v1.Done" { action: &'static str, names: Vec<String> } maybe {} named me => me.names.join("\n"));
view!(
    /// A value of the server's configuration.
    Setting = "gofer.v1.Setting" { key: String, value: String, origin: String } maybe {} named me => me.key.clone());

/// An address, without the namespace where it is the default one.
pub(crate) fn address(namespace: &str, rest: &str) -> String {
    if namespace.is_empty() || namespace == Namespace::default_name().as_str() {
        rest.to_owned()
    } else {
        format!("{namespace}::{rest}")
    }
}

/// A time of the wire.
pub(crate) fn time(at: Option<&prost_types::Timestamp>) -> Option<Time> {
    let at = at?;
    let micros = at.seconds.checked_mul(1_000_000)?.checked_add(i64::from(at.nanos) / 1000)?;
    Some(Time(Timestamp::from_micros(micros)))
}

/// Milliseconds of a duration of the wire.
pub(crate) fn millis(span: Option<&prost_types::Duration>) -> Option<u64> {
    let span = span?;
    let secs = u64::try_from(span.seconds).ok()?.checked_mul(1000)?;
    secs.checked_add(u64::try_from(span.nanos).unwrap_or(0) / 1_000_000)
}

fn between(from: Option<Time>, to: Option<Time>) -> Option<u64> {
    u64::try_from(to?.0.since(from?.0).as_millis()).ok()
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn counted(number: u64) -> Option<u64> {
    (number > 0).then_some(number)
}

/// The state of a run on the wire; an unknown one is `None`.
pub(crate) fn run_state(state: pb::RunState) -> Option<RunState> {
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
pub(crate) fn run_state_of(state: RunState) -> pb::RunState {
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
pub(crate) fn task_state(state: pb::TaskState) -> Option<TaskState> {
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
            limit_ms: millis(cause.limit.as_ref()),
        }
    }
}

impl From<pb::Run> for Run {
    fn from(run: pb::Run) -> Self {
        let (started, ended) = (time(run.started.as_ref()), time(run.ended.as_ref()));
        let state = run_word(run.state());
        let cancel = run.cancel.map(|cancel| Cancel {
            at: time(cancel.at.as_ref()),
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
            created: time(run.created.as_ref()),
            started,
            ended,
            deadline: time(run.deadline.as_ref()),
            duration_ms: between(started, ended),
            cancel,
            task_list: None,
        }
    }
}

impl From<pb::TaskRun> for TaskRun {
    fn from(task: pb::TaskRun) -> Self {
        let (started, ended) = (time(task.started.as_ref()), time(task.ended.as_ref()));
        let state = task_word(task.state());
        let depends_on = task.depends_on.into_iter();
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
            changed: time(task.changed.as_ref()),
            started,
            ended,
            duration_ms: between(started, ended),
            attempt_list: None,
        }
    }
}

impl From<pb::Attempt> for Attempt {
    fn from(attempt: pb::Attempt) -> Self {
        Self {
            created: time(attempt.created.as_ref()),
            started: time(attempt.started.as_ref()),
            ended: time(attempt.ended.as_ref()),
            exit: attempt.exit.map(Into::into),
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
            created: time(pipeline.created.as_ref()),
            updated: time(pipeline.updated.as_ref()),
            namespace: pipeline.namespace,
            id: pipeline.id,
            name: pipeline.name,
            description: pipeline.description,
            latest_version: pipeline.latest_version,
            enabled: pipeline.enabled,
            labels: pipeline.labels.into_iter().collect(),
            tasks: pipeline.tasks,
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

impl From<pb::Version> for Version {
    fn from(version: pb::Version) -> Self {
        let variables = version.variables.into_iter().map(|variable| Variable {
            name: variable.name,
            r#type: variable.r#type,
            allowed: variable.allowed,
            description: variable.description,
            default: variable.default,
        });
        Self {
            r#ref: address(&version.namespace, &format!("{}@{}", version.pipeline, version.version)),
            created: time(version.created.as_ref()),
            timeout_ms: millis(version.timeout.as_ref()),
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
        Self {
            created: time(namespace.created.as_ref()),
            name: namespace.name,
            description: namespace.description,
        }
    }
}

impl From<pb::Event> for Event {
    fn from(event: pb::Event) -> Self {
        Self {
            seq: event.seq,
            r#type: event.r#type,
            actor: event.actor,
            text: event.text,
            time: time(event.at.as_ref()),
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
            time: time(entry.time.as_ref()),
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
            uptime_ms: millis(status.uptime.as_ref()).unwrap_or(0),
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

/// A state, in the colour that goes with it.
pub(crate) fn state_cell(word: &str) -> Cell {
    let colour = match word {
        "succeeded" | "healthy" => Some(Colour::Green),
        "failed" | "errored" | "lost" | "timed_out" | "unhealthy" => Some(Colour::Red),
        "running" => Some(Colour::Bold),
        "skipped" | "waiting" | "cancelled" | "disabled" => Some(Colour::Dim),
        _ => None,
    };
    Cell::coloured(word, colour)
}

/// How long something took or takes.
pub(crate) fn lasted(started: Option<Time>, ended: Option<Time>, style: &Style) -> String {
    let Some(started) = started else { return "-".to_owned() };
    duration(ended.map_or(style.now, |ended| ended.0).since(started.0))
}

impl Row for Run {
    const HEADERS: &'static [&'static str] =
        &["RUN", "STATE", "TASKS", "VERSION", "TRIGGER", "STARTED", "DURATION"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        vec![
            self.r#ref.clone().into(),
            state_cell(self.state),
            self.tasks.to_string().into(),
            format!("v{}", self.version).into(),
            format!("{}:{}", self.trigger, self.actor).into(),
            style.time(self.started.or(self.created).map(|at| at.0)).into(),
            lasted(self.started, self.ended, style).into(),
        ]
    }
}

impl Row for TaskRun {
    const HEADERS: &'static [&'static str] =
        &["TASK", "STATE", "EXIT", "ATTEMPTS", "STARTED", "DURATION", "CAUSE"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        vec![
            self.task.clone().into(),
            state_cell(self.state),
            self.exit_code.map_or_else(String::new, |code| code.to_string()).into(),
            self.attempts.to_string().into(),
            style.time(self.started.map(|at| at.0)).into(),
            lasted(self.started, self.ended, style).into(),
            self.cause.as_ref().map_or_else(String::new, |cause| cause.text.clone()).into(),
        ]
    }
}

impl Row for Pipeline {
    const HEADERS: &'static [&'static str] = &["PIPELINE", "VERSION", "TASKS", "STATE", "UPDATED", "NAME"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        vec![
            self.r#ref.clone().into(),
            format!("v{}", self.latest_version).into(),
            self.tasks.to_string().into(),
            state_cell(if self.enabled { "enabled" } else { "disabled" }),
            style.time(self.updated.map(|at| at.0)).into(),
            self.name.clone().into(),
        ]
    }
}

impl Row for Version {
    const HEADERS: &'static [&'static str] = &["VERSION", "TASKS", "CREATED", "BY", "DIGEST"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        vec![
            self.r#ref.clone().into(),
            self.tasks.len().to_string().into(),
            style.time(self.created.map(|at| at.0)).into(),
            self.actor.clone().into(),
            self.digest.chars().take(12).collect::<String>().into(),
        ]
    }
}

impl Row for NamespaceView {
    const HEADERS: &'static [&'static str] = &["NAMESPACE", "CREATED", "DESCRIPTION"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        let description = self.description.lines().next().unwrap_or_default();
        vec![self.name.clone().into(), style.time(self.created.map(|at| at.0)).into(), description.into()]
    }
}

impl Row for Event {
    const HEADERS: &'static [&'static str] = &["SEQ", "TIME", "TYPE", "BY", "WHAT"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        vec![
            self.seq.to_string().into(),
            style.time(self.time.map(|at| at.0)).into(),
            self.r#type.clone().into(),
            self.actor.clone().into(),
            self.text.clone().into(),
        ]
    }
}

impl Row for Setting {
    const HEADERS: &'static [&'static str] = &["KEY", "VALUE", "FROM"];
    fn cells(&self, _: &Style) -> Vec<Cell> {
        vec![self.key.clone().into(), self.value.clone().into(), self.origin.clone().into()]
    }
}
