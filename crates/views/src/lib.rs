//! What is shown: each thing as programs see it and as people do, and a run as it goes.
//!
//! - The views in this file are the JSON contract. Additive only: names are snake_case, times RFC 3339 in UTC, durations
//!   `*_ms` integers; what is not set is absent.
//! - `convert` makes them of the messages of the wire. `rows` lays them out in tables, [`human`] as texts.
//! - [`explain`] is why something is where it is, [`approvals`] what somebody is asked for and how to answer.
//! - [`follow`] shows a run until it ends; [`signals`] says who listens for Ctrl-C.
//! - [`language`] is a pipeline as its author could have written it.
//!
//! It knows no command and no flag, and asks a server for nothing but the run that it follows or explains (`ask`): its
//! state, its output, and its end where Ctrl-C means that. In which form and colours things are written is decided by `gofer-output`.

use std::collections::BTreeMap;

use gofer_output::View;
use gofer_types::Timestamp;
use serde::{Serialize, Serializer};

pub mod approvals;
pub mod ask;
mod convert;
pub mod explain;
pub mod follow;
pub mod human;
pub mod language;
pub mod objects;
mod rows;
pub mod signals;
mod variables;

pub use convert::{address, run_state, run_state_of, task_state, time_of};
pub(crate) use rows::image;
pub use rows::{lasted, state_cell};

/// A point in time, in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Timestamp);

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
        #[expect(missing_docs, reason = "the fields are those of the JSON contract, and their names say what they are")]
        pub struct $name {
            $(pub $field: $type,)*
            $(#[serde(skip_serializing_if = "Option::is_none")] pub $maybe: Option<$inner>,)*
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
    maybe { tasks: Vec<String>, exit_code: i32, signal: i32, limit_ms: u64, attempt: u32, run: u64, actor: String, child: String,
        fields: BTreeMap<String, String>,
        count: u32 }
    named me => me.kind.clone());
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
        duration_ms: u64, cancel: Cancel, task_list: Vec<TaskRun>, labels: BTreeMap<String, String>, priority: i32,
        images: BTreeMap<String, String>, retry_of: u64, logs_deleted: Time, parent: String,
        sensitive_variables: Vec<String>,
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
        attempt_list: Vec<Attempt>, configured_image: String, logging_off: bool, question: String,
        child_pipeline: String, child_run: String, max_attempts: u32 } named me => me.r#ref.clone());
view!(
    /// Why a run and its tasks are where they are.
    Explained = "gofer.v1.Explanation" {
        r#ref: String, state: &'static str, text: String, details: Vec<String>, next: Vec<String>,
        task_list: Vec<ExplainedTask>,
    } maybe { limit: String, place: u64, of: u64 } named me => me.r#ref.clone());
view!(
    /// Why a task is where it is.
    ExplainedTask = "gofer.v1.ExplainedTask" {
        r#ref: String, task: String, state: &'static str, text: String, details: Vec<String>, next: Vec<String>,
    }
    maybe { limit: String, place: u64, of: u64, question: String, fields: Vec<Variable>, child_pipeline: String,
        child_run: String } named me => me.r#ref.clone());
view!(
    /// One start of a task on a scheduler.
    Attempt = "gofer.v1.Attempt" { id: String, number: u32, scheduler: String, handle: String }
    maybe { created: Time, started: Time, ended: Time, exit: Cause, image_digest: String } named me => me.id.clone());
view!(
    /// A pipeline with its newest version.
    Pipeline = "gofer.v1.Pipeline" {
        r#ref: String, namespace: String, id: String, name: String, description: String, latest_version: u64,
        enabled: bool, labels: BTreeMap<String, String>, tasks: u32,
    }
    maybe { created: Time, updated: Time, variables: Vec<Variable> } named me => me.r#ref.clone());
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
    maybe { default: String, sensitive: bool } named me => me.name.clone());
view!(
    /// The border of tenancy.
    NamespaceView = "gofer.v1.Namespace" { name: String, description: String }
    maybe { created: Time } named me => me.name.clone());
view!(
    /// Bytes under a key, of a pipeline or of a run.
    Object = "gofer.v1.Object" { key: String, scope: String, namespace: String, pipeline: String }
    maybe {
        run: u64, size: u64, sha256: String, content_type: String, created: Time, version: String, damaged: bool,
        evicted: Vec<String>, file: String,
    } named me => me.key.clone());
view!(
    /// How much the objects of a namespace take, in bytes.
    ObjectUsage = "gofer.v1.ObjectUsage" { namespace: String, used: u64, reserved: u64, limit: u64 }
    maybe {} named me => me.namespace.clone());
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
impl CheckResult {
    /// Nothing is wrong.
    pub const OK: &'static str = "ok";
    /// Something is worth a word.
    pub const WARNING: &'static str = "warning";
    /// Something is wrong.
    pub const FAILED: &'static str = "failed";
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of a view whose optional fields are all set.
    fn keys<T: View>(view: &T) -> Vec<String> {
        let value = serde_json::to_value(view).expect("JSON");
        value.as_object().expect("an object").keys().cloned().collect()
    }

    #[test]
    fn the_fields_that_can_be_picked_are_those_of_the_document() {
        let end = End {
            seq: 1,
            r#type: "end",
            r#ref: "a/1".to_owned(),
            state: "failed",
            exit_code: 10,
            time: Some(Time(Timestamp::from_micros(0))),
            cause: Some(Cause {
                kind: String::new(),
                text: String::new(),
                tasks: None,
                exit_code: None,
                signal: None,
                limit_ms: None,
                attempt: None,
                run: None,
                actor: None,
                child: None,
                fields: None,
                count: None,
            }),
            duration_ms: Some(1),
        };
        let mut fields: Vec<String> = End::FIELDS.iter().map(|field| (*field).to_owned()).collect();
        fields.sort();
        assert_eq!(keys(&end), fields);
    }

    #[test]
    fn what_is_not_set_is_absent() {
        let view = NamespaceView { name: "a".to_owned(), description: String::new(), created: None };
        assert_eq!(serde_json::to_string(&view).expect("JSON"), r#"{"name":"a","description":""}"#);
    }
}
