//! Entries of the event log.

use gofer_proto::v1;
use gofer_types::{Event, EventKind, Namespace, PipelineRef, RunRef};

use super::cause::{cause, text};
use super::timestamp;

/// An entry of the event log.
pub(crate) fn event(entry: &Event) -> v1::Event {
    let mut message = v1::Event {
        seq: entry.seq,
        at: Some(timestamp(entry.at)),
        actor: entry.actor.to_string(),
        r#type: entry.kind.as_str().to_owned(),
        text: line(&entry.kind),
        ..v1::Event::default()
    };
    fill(&mut message, &entry.kind);
    message
}

fn fill(message: &mut v1::Event, kind: &EventKind) {
    match kind {
        EventKind::ServerStarted { .. } => {}
        EventKind::NamespaceCreated { namespace } | EventKind::NamespaceDeleted { namespace } => {
            name_namespace(message, namespace);
        }
        EventKind::VersionRegistered { pipeline, version } => {
            name_pipeline(message, pipeline);
            message.version = version.0;
        }
        EventKind::PipelineEnabled { pipeline, enabled } => {
            name_pipeline(message, pipeline);
            message.state = if *enabled { "enabled" } else { "disabled" }.to_owned();
        }
        EventKind::PipelineDeleted { pipeline } => name_pipeline(message, pipeline),
        EventKind::Run { run, version, state, cause: why } => {
            name_run(message, run);
            message.version = version.0;
            message.state = state.to_string();
            message.cause = Some(cause(why));
        }
        EventKind::CancelRequested { run, .. } | EventKind::Quarantined { run, .. } => name_run(message, run),
        EventKind::Task { task, state, cause: why, attempt, exit_code } => {
            name_run(message, &task.run);
            message.task = task.task.to_string();
            message.state = state.to_string();
            message.cause = Some(cause(why));
            message.attempt = attempt.as_ref().map(ToString::to_string).unwrap_or_default();
            message.exit_code = *exit_code;
        }
    }
}

fn name_namespace(message: &mut v1::Event, namespace: &Namespace) {
    message.namespace = namespace.to_string();
}

fn name_pipeline(message: &mut v1::Event, pipeline: &PipelineRef) {
    name_namespace(message, &pipeline.namespace);
    message.pipeline = pipeline.pipeline.to_string();
}

fn name_run(message: &mut v1::Event, run: &RunRef) {
    name_pipeline(message, &run.pipeline);
    message.run = run.run.0;
}

/// The event for people, on one line.
fn line(kind: &EventKind) -> String {
    match kind {
        EventKind::ServerStarted { epoch, version } => format!("server {version} started, epoch {epoch}"),
        EventKind::NamespaceCreated { namespace } => format!("namespace `{namespace}` created"),
        EventKind::NamespaceDeleted { namespace } => format!("namespace `{namespace}` deleted"),
        EventKind::VersionRegistered { pipeline, version } => format!("{pipeline} {version} registered"),
        EventKind::PipelineEnabled { pipeline, enabled: true } => format!("{pipeline} enabled"),
        EventKind::PipelineEnabled { pipeline, enabled: false } => format!("{pipeline} disabled"),
        EventKind::PipelineDeleted { pipeline } => format!("{pipeline} deleted"),
        EventKind::Run { run, state, cause, .. } => format!("{run} {state}: {}", text(cause)),
        EventKind::CancelRequested { run, reason } if reason.is_empty() => format!("{run}: cancel requested"),
        EventKind::CancelRequested { run, reason } => format!("{run}: cancel requested: {reason}"),
        EventKind::Task { task, state, cause, .. } => format!("{task} {state}: {}", text(cause)),
        EventKind::Quarantined { run, reason } => format!("{run} set aside: {reason}"),
    }
}
